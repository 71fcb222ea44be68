"""Runs are listed, removed by rules and packed, and nothing that somebody still needs is touched."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest

from panther_core.results.shelf import Policy, Shelved
from panther_core.testing import MakeProject, PantherProject
from panther_core.testing.dummy import DummyPlugin

HEAD = "protocol: dummy\nnetwork_environment: dummy\n"
GOOD = f"name: good\n{HEAD}test_cases:\n  - {{name: talk, implementation: dummy}}\n"
MUTE = "{server: dummy, client: {implementation: dummy, argv: [echo, no]}}"
BAD = f"name: bad\n{HEAD}test_cases:\n  - {{name: mute, services: {MUTE}}}\n"


@pytest.fixture
def project(panther_project: MakeProject) -> PantherProject:
    return panther_project({"good.yaml": GOOD, "bad.yaml": BAD}, plugins=[DummyPlugin()])


def made(project: PantherProject, *names: str) -> list[Path]:
    """Make runs, the first the oldest."""
    folders = []
    for number, name in enumerate(names):
        folder = project.run(f"run {name}.yaml --output runs/{number}-{name}").run
        os.utime(folder / "results.jsonl", (1e9 + number, 1e9 + number))
        folders.append(folder)
    return folders


def listed(project: PantherProject) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(project.run("runs --json").stdout)
    return found


def test_runs_are_listed_newest_first_with_what_they_showed(project: PantherProject) -> None:
    made(project, "good", "bad")
    bad, good = listed(project)
    assert (bad["name"], bad["counts"], bad["unexpected"]) == ("bad", {"fail": 1}, 1)
    assert (good["name"], good["counts"], good["unexpected"]) == ("good", {"pass": 1}, 0)
    assert good["bytes"] > 1000
    shown = project.run("runs").stdout
    assert "1 fail, 1 unexpected" in shown
    assert shown.splitlines()[-1].startswith("2 runs, ")


def test_without_a_rule_nothing_is_removed(project: PantherProject) -> None:
    made(project, "good")
    project.run("gc").assert_exit(2, "--keep", "--older-than")
    assert len(listed(project)) == 1


def test_the_newest_of_each_experiment_stay(project: PantherProject) -> None:
    oldest, middle, newest, other = made(project, "good", "good", "good", "bad")
    outcome = project.run("gc --keep 1 --dry-run")
    assert "2 runs would be removed" in outcome.stdout
    assert oldest.is_dir()
    project.run("gc --keep 1").assert_exit(0)
    assert [each.is_dir() for each in (oldest, middle, newest, other)] == [False, False, True, True]


def test_what_was_unexpected_stays_unless_it_may_go_too(project: PantherProject) -> None:
    (bad,) = made(project, "bad")
    assert "nothing may go" in project.run("gc --older-than 1d").stdout
    project.run("gc --older-than 1d --unexpected").assert_exit(0)
    assert not bad.exists()


def test_a_run_in_which_a_panther_works_is_never_touched(project: PantherProject) -> None:
    (good,) = made(project, "good")
    with (good / ".panther").open("r+b") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert listed(project)[0]["busy"]
        project.run("gc --keep 0 --unfinished --unexpected").assert_exit(0)
    assert good.is_dir()


def test_a_run_that_could_be_resumed_stays(project: PantherProject) -> None:
    (good,) = made(project, "good")
    (good / "results.jsonl").write_text("")
    assert listed(project)[0]["unfinished"]
    project.run("gc --keep 0").assert_exit(0)
    assert good.is_dir()


def test_packed_evidence_comes_back_as_it_was(project: PantherProject) -> None:
    (good,) = made(project, "good")
    before = {path: path.read_bytes() for path in good.rglob("*") if path.is_file()}
    assert "1 run packed" in project.run("gc --keep 0 --pack").stdout
    assert not (good / "cases").exists()
    assert "1 pass" in project.run("show runs/0-good").stdout
    assert listed(project)[0]["packed"]
    assert "nothing may go" in project.run("gc --keep 0 --pack").stdout
    project.run("gc --unpack runs/0-good").assert_exit(0)
    assert {path: path.read_bytes() for path in good.rglob("*") if path.is_file()} == before


def test_something_else_than_a_run_in_the_folder_is_left_alone(project: PantherProject) -> None:
    made(project, "good")
    (project.folder / "runs" / "notes").mkdir()
    project.run("gc --keep 0").assert_exit(0)
    assert (project.folder / "runs" / "notes").is_dir()


@pytest.mark.parametrize(
    "rule", ["--older-than soon", "--older-than 3", "--at-most 5parsec", "--keep few", "--keep -1"]
)
def test_a_rule_that_cannot_be_read_removes_nothing(project: PantherProject, rule: str) -> None:
    made(project, "good")
    project.run(f"gc {rule}").assert_exit(2)
    assert len(listed(project)) == 1


def _shelf() -> Iterator[Shelved]:
    for number in range(4):
        yield Shelved(
            folder=Path(str(number)), name="same", ended=float(number), size=100, counts={}, unexpected=0,
            unfinished=False, busy=False, packed=False,
        )  # fmt: skip


def test_the_oldest_go_until_all_fit() -> None:
    runs = list(_shelf())
    assert [each.folder.name for each in Policy(at_most=250).gone(runs, 10.0)] == ["0", "1"]
    assert Policy(at_most=400).gone(runs, 10.0) == []
    held = [attrs.evolve(each, busy=each.folder.name == "0") for each in runs]
    assert [each.folder.name for each in Policy(at_most=250).gone(held, 10.0)] == ["1", "2"]
