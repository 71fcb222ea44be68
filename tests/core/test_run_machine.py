"""How busy the machine was, from what the kernel counts; on files as the kernel writes them, and on this machine."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import attrs
import pytest

from panther_core.run.machine import MachineState, load_between
from panther_core.testing import MakeProject

HERTZ = 100
BURN = "import time\nwhile time.process_time() < 0.3: pass"


def machine(folder: Path, *, stat: str, stalled: str = "", throttled: int = 0) -> tuple[Path, Path]:
    proc, cpus = folder / "proc", folder / "cpus"
    (proc / "pressure").mkdir(parents=True, exist_ok=True)
    (proc / "stat").write_text(f"cpu  {stat} 0 0\ncpu0 1 2 3\n")
    (proc / "loadavg").write_text("3.25 1.00 0.50 1/100 4711\n")
    if stalled:
        (proc / "pressure" / "cpu").write_text(f"some avg10=1.0 avg60=0.5 avg300=0.1 total={stalled}\nfull total=0\n")
    for number in range(512):
        place = cpus / f"cpu{number}"
        (place / "thermal_throttle").mkdir(parents=True, exist_ok=True)
        (place / "thermal_throttle" / "core_throttle_count").write_text(f"{throttled}\n" if number == 0 else "0\n")
        (place / "cpufreq").mkdir(exist_ok=True)
        (place / "cpufreq" / "scaling_cur_freq").write_text("2400000\n")
    return proc, cpus


def test_what_was_counted_between_two_moments_becomes_shares(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0, 1})
    proc, cpus = machine(tmp_path, stat="100 0 0 900 0 0 0 0", stalled="1000000")
    groups = tmp_path / "groups"
    (groups / "cpu").mkdir(parents=True)
    (groups / "cpu.stat").write_text("usage_usec 5\n")
    (groups / "cpu" / "cpu.stat").write_text("nr_periods 9\nthrottled_time 1000000000\n")
    before = MachineState.now(proc, cpus, groups)
    (groups / "cpu.stat").write_text("usage_usec 5\nnr_throttled 7\nthrottled_usec 1250000\n")
    machine(tmp_path, stat="220 10 10 940 10 0 0 10", stalled="1500000", throttled=3)
    before = attrs.evolve(before, yardstick=0.2)
    after = attrs.evolve(MachineState.now(proc, cpus, groups), at=before.at + 1.0, yardstick=0.3)
    assert load_between(before, after, 0.5, proc=proc, cpus=cpus) == {
        "yardstick_ms": 0.25,
        "busy": 0.75,
        "others": 0.5,
        "steal": 0.05,
        "cpu_pressure": 0.5,
        "held_back": 0.25,
        "load": 3.25,
        "mhz": 2400,
        "throttled": 3,
    }
    assert "others" not in load_between(before, after, proc=proc, cpus=cpus)


def test_where_the_kernel_tells_nothing_there_is_the_yardstick_alone(tmp_path: Path) -> None:
    before = MachineState.now(tmp_path, tmp_path, tmp_path)
    told = load_between(before, MachineState.now(tmp_path, tmp_path, tmp_path), 1.0, proc=tmp_path, cpus=tmp_path)
    assert list(told) == ["yardstick_ms"]
    assert told["yardstick_ms"] > 0


def test_work_beside_an_attempt_is_seen_in_its_record(panther_project: MakeProject) -> None:
    argv = f'["{sys.executable}", -c, "{BURN}"]'.replace("\n", "\\n")
    project = panther_project(
        {
            "exp.yaml": "name: busy\nnetwork_environment: localhost\ntest_cases:\n"
            f"  - {{name: one, services: {{one: {{implementation: command, argv: {argv}}}}}}}\n"
        }
    )
    with subprocess.Popen([sys.executable, "-c", "while True: pass"]) as other:
        record = project.run("run exp.yaml").cases()[0]
        other.kill()
    assert 0 < record["machine"]["others"] <= record["machine"]["busy"] <= 1
    assert record["machine"]["load"] >= 0
