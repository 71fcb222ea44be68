"""What `panther show` says about instruments, from run directories as the engine writes them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from panther_core.cli.main import main
from panther_hookspecs import FoldedProfile, folded_profiles


def record(number: int, **more: Any) -> dict[str, Any]:
    return {
        "case": f"ping-{number}",
        "name": "ping",
        "cell": {},
        "repetition": number,
        "attempt": 1,
        "final": True,
        "verdict": "pass",
        "expected": ["pass"],
        "as_expected": True,
        "seconds": 0.5,
        "instruments": [],
        "measurements": [],
        "artifacts": [],
        "folder": f"cases/ping-{number}/1",
        **more,
    }


def written(folder: Path, records: Sequence[Mapping[str, Any]], files: Mapping[str, str] | None = None) -> Path:
    folder.mkdir()
    (folder / "resolved.yaml").write_text("name: trial\n")
    (folder / "results.jsonl").write_text("".join(json.dumps(each) + "\n" for each in records))
    for name, content in (files or {}).items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return folder


def shown(folder: Path, capsys: pytest.CaptureFixture[str], *more: str) -> list[str]:
    assert main(["show", str(folder), *more]) == 0
    return capsys.readouterr().out.splitlines()


def folded(path: str, title: str = "samples of server", service: str = "server") -> dict[str, str]:
    return {"path": path, "kind": "folded", "service": service, "title": title}


def test_the_hottest_functions_are_named_with_their_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = "profiles/server/gperf_cpu/cpu.folded"
    stacks = "main;fnv1a(char const*, int) 89\nmain;other;fnv1a(char const*, int) 91\nmain;send 19\nmain;\x1b[2Jodd 1\n"
    run = written(
        tmp_path / "run",
        [record(n, instruments=["gperf_cpu"], artifacts=[folded(path)]) for n in (1, 2)],
        {f"cases/ping-{n}/1/{path}": stacks * n for n in (1, 2)},
    )
    lines = shown(run, capsys)
    start = lines.index("instruments (the newest repetition of 2)")
    assert (
        lines[start + 1] == "  server  gperf_cpu  fnv1a(char const*, int) 90%, send 10%, \\x1b[2Jodd 0% of 400 samples"
    )
    assert lines[start + 2] == f"      {run}/cases/ping-2/1/{path}"
    assert len(lines) == start + 3
    detail = shown(run, capsys, "--case", "ping-1")
    assert detail[-2].startswith("    server  gperf_cpu  fnv1a(char const*, int) 90%")
    assert detail[-1] == f"        {run}/cases/ping-1/1/{path}"


def test_a_recording_that_was_cut_off_is_said_to_be(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = "profiles/server/strace/strace.folded"
    cut = {"name": "strace.truncated", "value": 1, "service": "server"}
    one = record(1, instruments=["strace"], artifacts=[folded(path)], measurements=[cut])
    lines = shown(written(tmp_path / "run", [one], {f"cases/ping-1/1/{path}": "calls;read 5\n"}), capsys)
    assert [each for each in lines if each.endswith("; cut off at its limit")]


def test_an_instrument_without_a_profile_shows_its_first_numbers(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    numbers = [
        {"name": "memcheck.errors", "value": 3, "service": "server"},
        {"name": "memcheck.leaked.definite", "value": 1, "service": "server"},
        {"name": "cpu_seconds", "value": 1, "service": "server"},
    ]
    found = [
        {
            "source": "memcheck",
            "kind": "Leak",
            "message": "256 bytes lost",
            "count": 3,
            "fingerprint": "f",
            "artifact": "profiles/server/memcheck/memcheck.xml",
        }
    ]
    run = written(tmp_path / "run", [record(1, instruments=["memcheck"], measurements=numbers, findings=found)])
    lines = shown(run, capsys)
    assert "  server  memcheck  errors 3" in lines
    at = lines.index("  3 x  memcheck Leak: 256 bytes lost")
    assert lines[at + 1] == f"      {run}/cases/ping-1/1/profiles/server/memcheck/memcheck.xml"


def test_the_cost_of_an_instrument_is_measured_where_the_case_also_ran_without(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def one(number: int, seconds: float, cpu: float, *instruments: str, axis: str, **more: Any) -> dict[str, Any]:
        measured = [{"name": "cpu_seconds", "value": cpu / 2, "service": name} for name in ("server", "client")]
        cell = {"server": "c", "execution_environments": axis}
        return record(number, cell=cell, seconds=seconds, measurements=measured, instruments=list(instruments), **more)

    plain = [one(n, 0.1 * n, 1.0, axis="none") for n in (1, 2, 3)]
    traced = [one(n, 0.4, 5.0, "strace", axis="strace") for n in (4, 5)]
    failed = [one(6, 99.0, 99.0, "strace", axis="strace", verdict="fail", as_expected=False)]
    lines = shown(written(tmp_path / "run", [*plain, *traced, *failed]), capsys)
    at = lines.index("cost of the instruments")
    assert lines[at + 1 :] == ["  strace  seconds x2.00, cpu_seconds x5.00  medians of 2 with, 3 without"]
    alone = shown(written(tmp_path / "alone", traced), capsys)
    assert "cost of the instruments" not in alone


def test_a_run_without_instruments_says_nothing_of_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = shown(written(tmp_path / "run", [record(1)]), capsys)
    assert not {"instruments", "cost of the instruments"} & set(lines)


def test_only_files_inside_of_the_run_are_read(tmp_path: Path) -> None:
    (tmp_path / "secret.folded").write_text("a;b 1\n")
    run = written(tmp_path / "run", [])
    record_ = record(1, artifacts=[folded("../../../../secret.folded"), folded("profiles/x/y/missing.folded")])
    (run / "cases/ping-1/1").mkdir(parents=True)
    assert folded_profiles(record_, run) == []


def test_several_files_of_one_instrument_are_told_apart_by_name_and_not_by_process(tmp_path: Path) -> None:
    names = ["live.17.folded", "leaked.17.folded"]
    run = written(tmp_path / "run", [], {f"cases/ping-1/1/profiles/server/heap/{name}": "a 1\n" for name in names})
    found = folded_profiles(record(1, artifacts=[folded(f"profiles/server/heap/{name}") for name in names]), run)
    assert [(each.instrument, each.part) for each in found] == [("heap", "live"), ("heap", "leaked")]
    (one,) = folded_profiles(record(1, artifacts=[folded(f"profiles/server/heap/{names[0]}")]), run)
    assert one.part == ""


@pytest.mark.parametrize(
    ("title", "counted", "unit"),
    [
        ("time in system calls of server, microseconds", "microseconds", "us"),
        ("bytes allocated", "bytes", "B"),
        ("Samples", "samples", "samples"),
        ("x", "", ""),
    ],
)
def test_the_unit_is_in_the_title(title: str, counted: str, unit: str, tmp_path: Path) -> None:
    profile = FoldedProfile(instrument="x", service="server", part="", title=title, path=tmp_path)
    assert (profile.counted, profile.unit) == (counted, unit)
