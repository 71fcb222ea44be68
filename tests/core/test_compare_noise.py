"""Two runs at different times: what the machine did is not blamed on the program, and what the program did is found."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from panther_core.cli.blocks import Plain
from panther_core.cli.comparison import comparison_blocks
from panther_core.compare import CellView, Change, Comparison, Outcome, Rules, as_data, compare
from panther_core.compare.noise import Kind, kind_of
from panther_core.compare.values import Metric
from panther_core.results import DirectoryView

QUIET = {"cpu_pressure": 0.02, "others": 0.01, "steal": 0.0}
BUSY = {"cpu_pressure": 0.97, "others": 0.85, "steal": 0.0}
Make = Callable[..., DirectoryView]


def record(number: int, value: float, machine: dict[str, float] | None, **more: Any) -> dict[str, Any]:
    metric = {"name": "cpu_seconds", "value": value, "unit": "s", "service": "server", **more}
    return {
        "case": f"ping-{number}", "name": "ping", "cell": {}, "repetition": number, "final": True, "verdict": "pass",
        "expected": ["pass"], "as_expected": True,
        "seconds": 1.0, "instruments": [], "measurements": [metric], "findings": [],
        "folder": f"cases/{number}/1", **({} if machine is None else {"machine": machine}),
    }  # fmt: skip


@pytest.fixture
def make(tmp_path: Path) -> Make:
    def run(
        side: str, values: Sequence[float], *, pace: float = 1.0, told: dict[str, float] = QUIET, **more: Any
    ) -> DirectoryView:
        folder = tmp_path / side
        folder.mkdir()
        (folder / "resolved.yaml").write_text("name: trial\n")
        (folder / "panther.lock.json").write_text('{"machine": {"cpu": "one"}}')
        dice = random.Random(side)
        machines = [{"yardstick_ms": pace * dice.uniform(0.98, 1.02), **told} for _ in values]
        lines = [record(number, *each, **more) for number, each in enumerate(zip(values, machines, strict=True), 1)]
        (folder / "results.jsonl").write_text("".join(json.dumps(each) + "\n" for each in lines))
        return DirectoryView(folder)

    return run


def some(middle: float, spread: float = 0.02, seed: int = 1, count: int = 10) -> list[float]:
    dice = random.Random(seed)
    return [middle * dice.uniform(1 - spread, 1 + spread) for _ in range(count)]


def the(found: Comparison, metric: str = "server.cpu_seconds") -> Change:
    (change,) = [each for each in found.changes if str(each.metric) == metric]
    return change


def text(found: Comparison) -> str:
    return Plain().render(*comparison_blocks(found, Path("runs/a"), Path("runs/b")))


def test_the_machine_was_slower_and_the_program_the_same(make: Make) -> None:
    found = compare(make("a", some(1.0)), make("b", some(1.2, seed=2), pace=1.2))
    change = the(found)
    assert change.outcome is Outcome.INCONCLUSIVE
    assert change.blamed == "the machine was 20% slower in B"
    assert list(found.regressions()) == []
    assert "20% slower in B: processor times are compared at equal speed" in text(found)
    assert "1 metric look different, but the machine may be the reason" in text(found)


def test_the_program_was_slower_and_the_machine_the_same(make: Make) -> None:
    found = compare(make("a", some(1.0)), make("b", some(1.2, seed=2)))
    assert the(found).outcome is Outcome.WORSE
    assert the(found).blamed == ""


def test_a_slower_program_on_a_faster_machine_is_found(make: Make) -> None:
    found = compare(make("a", some(1.0), pace=1.2), make("b", some(1.0, seed=2), pace=1.0))
    assert the(found).outcome is Outcome.WORSE
    assert the(found).relative == pytest.approx(0.2, abs=0.03)
    assert the(found).medians == pytest.approx((1.0, 1.0), abs=0.02)


def test_a_change_that_two_runs_may_have_by_chance_is_none(make: Make) -> None:
    a, b = make("a", some(1.0, spread=0.005)), make("b", some(1.06, spread=0.005, seed=2))
    assert the(compare(a, b)).outcome is Outcome.INCONCLUSIVE
    assert the(compare(a, b)).blamed == "two runs differ by that much at times"


def test_time_by_the_clock_says_nothing_on_a_crowded_machine(make: Make) -> None:
    a = make("a", some(1.0, 0.2), name="handshake", told=QUIET)
    b = make("b", some(2.5, 0.2, seed=2), name="handshake", told=BUSY)
    change = the(compare(a, b), "server.handshake")
    assert change.outcome is Outcome.INCONCLUSIVE
    assert change.blamed == ("the machine was busier in B: somebody waited for a processor 97% of the time, 2% in A")
    assert compare(a, b).disturbed == (0, 10)
    assert "waited for a processor 97% of the time: times by the clock say nothing, but for two parts" in text(
        compare(a, b)
    )


def test_times_that_are_all_equal_are_the_same_on_any_machine(make: Make) -> None:
    a, b = (make(side, [3.0] * 10, name="handshake", told=BUSY) for side in "ab")
    assert the(compare(a, b), "server.handshake").outcome is Outcome.SAME


def test_time_by_the_clock_is_judged_on_a_quiet_machine(make: Make) -> None:
    a, b = make("a", some(1.0), name="handshake"), make("b", some(1.3, seed=2), name="handshake")
    assert the(compare(a, b), "server.handshake").outcome is Outcome.WORSE


def test_a_count_that_never_varies_needs_no_quiet_machine(make: Make) -> None:
    told = {"unit": "", "name": "callgrind.instructions"}
    a = make("a", some(1e6, 0.0001), told=BUSY, **told)
    b = make("b", some(1.07e6, 0.0001, seed=2), pace=1.3, told=BUSY, **told)
    assert the(compare(a, b), "server.callgrind.instructions").outcome is Outcome.WORSE


def test_a_count_that_depends_on_timing_has_to_change_by_more_than_it_varies(make: Make) -> None:
    told = {"unit": "", "name": "strace.epoll_wait.count"}
    a = make("a", some(100, 0.2), told=BUSY, **told)
    little, much = (make(f"b{by}", some(100 * by, 0.2, seed=2), told=BUSY, **told) for by in (1.25, 2.5))
    rules = Rules(metrics=("*count",))
    assert the(compare(a, little, rules), "server.strace.epoll_wait.count").outcome is Outcome.INCONCLUSIVE
    assert the(compare(a, much, rules), "server.strace.epoll_wait.count").outcome is Outcome.WORSE


def test_interleaved_repetitions_saw_the_same_machine(make: Make, tmp_path: Path) -> None:
    run = make("a", some(1.0, count=10))
    lines = [json.loads(line) for line in (run.folder / "results.jsonl").read_text().splitlines()]
    slower = [
        {
            **each,
            "case": f"{each['case']}-b",
            "cell": {"server": "b"},
            "machine": {**each["machine"], "yardstick_ms": 1.5},
        }
        for each in lines
    ]
    for each in slower:
        each["measurements"] = [{**each["measurements"][0], "value": each["measurements"][0]["value"] * 1.07}]
    records = [*({**each, "cell": {"server": "a"}} for each in lines), *slower]
    (run.folder / "results.jsonl").write_text("".join(json.dumps(each) + "\n" for each in records))
    found = compare(CellView(run, {"server": "a"}), CellView(run, {"server": "b"}))
    assert the(found).outcome is Outcome.WORSE
    assert found.noise == ()


def test_programs_are_told_about_the_machine(make: Make) -> None:
    a, b = make("a", some(1.0)), make("b", some(1.2, seed=2), pace=1.2, told=BUSY)
    data = as_data(compare(a, b), Path("a"), Path("b"))
    assert data["disturbed"] == {"a": 0, "b": 10}
    assert any("slower in B" in each for each in data["noise"])
    (metric,) = [each for each in data["metrics"] if each["name"] == "cpu_seconds"]
    assert metric["blamed"] == "the machine was 20% slower in B"


@pytest.mark.parametrize(
    ("name", "unit", "kind"),
    [
        ("cpu_seconds", "s", Kind.CPU),
        ("perf_stat.task_clock", "s", Kind.CPU),
        ("gperf_cpu.fnv1a.self", "samples", Kind.CPU),
        ("seconds", "s", Kind.CLOCK),
        ("strace.poll.seconds", "s", Kind.CLOCK),
        ("transfer.goodput", "B/s", Kind.CLOCK),
        ("callgrind.instructions", "", Kind.COUNT),
        ("max_rss_bytes", "B", Kind.COUNT),
    ],
)
def test_what_a_metric_depends_on(name: str, unit: str, kind: Kind) -> None:
    assert kind_of(Metric(name=name, unit=unit)) is kind
