"""A run that was started elsewhere can be followed, whatever has become of it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from panther_core.testing import MakeProject, PantherProject
from panther_core.testing.dummy import DummyPlugin

GOOD = """
name: good
protocol: dummy
network_environment: dummy
repeat: 3
test_cases:
  - {name: talk, implementation: dummy}
"""
SLOW = """
name: slow
protocol: minip
network_environment: localhost
repeat: 3
test_cases:
  - {name: ping, scenario: ping, implementation: ping-pong-py, parameters: {count: 3, interval: 200ms}}
"""


@pytest.fixture
def project(panther_project: MakeProject) -> PantherProject:
    return panther_project({"good.yaml": GOOD, "slow.yaml": SLOW}, plugins=[DummyPlugin()])


def test_a_finished_run_is_told_from_its_beginning(project: PantherProject) -> None:
    for name in ("earlier", "good"):
        project.run(f"run good.yaml --output runs/{name}")
    outcome = project.run("watch last")
    outcome.assert_exit(0)
    assert "as long as earlier runs took" not in outcome.stdout, "a moment is not worth an estimate"
    lines = outcome.stdout.splitlines()
    assert [line.split()[0] for line in lines[:3]] == ["pass"] * 3
    assert lines[-1] == "3/3 done: 3 pass  runs/good"


def test_the_axes_of_a_matrix_stand_in_the_order_of_the_experiment(panther_project: MakeProject) -> None:
    axes = "matrix: {server.argv: [[echo, here]], client.argv: [[echo, there]]}\n"
    project = panther_project({"good.yaml": GOOD.replace("test_cases", axes + "test_cases")}, plugins=[DummyPlugin()])
    ran = project.run("run good.yaml")
    labels = [re.findall(r"(\w+)\.argv=", each) for each in (ran.stdout, project.run("watch last").stdout)]
    assert labels[0] == labels[1] == ["server", "client"] * 3


def test_a_run_knows_from_the_ones_before_how_much_work_it_is(project: PantherProject) -> None:
    first, second = (project.run(f"run good.yaml --output runs/{name}").run for name in ("first", "second"))
    assert [_foreseen(first), _foreseen(second)] == [None, pytest.approx(3 * _case_takes(project), abs=0.01)]


def _foreseen(run: Path) -> float | None:
    events = map(json.loads, (run / "events.jsonl").read_text().splitlines())
    told = next(each for each in events if each["name"] == "experiment.test_execution.started")
    found: float | None = told["content"]["metadata"]["foreseen"]
    return found


def _case_takes(project: PantherProject) -> float:
    """Return what the first run has left behind as the duration of a case: the newest repetition counts most."""
    lines = (project.folder / "runs/first/results.jsonl").read_text().splitlines()
    seconds = [float(json.loads(line)["seconds"]) for line in lines]
    known = seconds[0]
    for each in seconds:
        known += 0.5 * (each - known)
    return known


def test_a_run_is_followed_until_it_is_over(panther_project: MakeProject) -> None:
    project = panther_project({"slow.yaml": SLOW})
    command = [sys.executable, "-m", "panther_core", "run", "slow.yaml", "--output", "runs/slow", "--jobs", "1"]
    with subprocess.Popen(command, cwd=project.folder, stdout=subprocess.PIPE) as running:
        assert running.stdout
        running.stdout.readline()  # the first case is over, two are to come
        outcome = project.run("watch runs/slow")
    outcome.assert_exit(0)
    assert outcome.stdout.splitlines()[-1] == "3/3 done: 3 pass  runs/slow"


def test_a_run_that_was_killed_is_said_to_be_unfinished(project: PantherProject) -> None:
    folder: Path = project.run("run good.yaml --output runs/good").run
    journal = (folder / "events.jsonl").read_bytes().splitlines(keepends=True)
    first = next(number for number, line in enumerate(journal) if b'"test.completed"' in line)
    (folder / "events.jsonl").write_bytes(b"".join(journal[: first + 1]) + b'{"seq": 99, "name": "test.st')
    outcome = project.run("watch runs/good")
    outcome.assert_exit(1, "nobody works on", "panther resume runs/good")
    assert outcome.stdout.count("talk") == 1


def test_what_was_unexpected_gives_the_exit_code_of_the_run(project: PantherProject) -> None:
    project.run("run good.yaml --output runs/bad --set test_cases.0.expect=fail").assert_exit(1)
    project.run("watch runs/bad").assert_exit(1)
