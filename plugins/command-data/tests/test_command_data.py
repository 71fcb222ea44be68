"""Runs answer questions in SQL, and results of the interop runner become a run that everything else can read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from panther_core.testing import MakeProject, Outcome, PantherProject

duckdb = pytest.importorskip("duckdb", reason="needs duckdb")

EXPERIMENT = """
name: one
protocol: minip
network_environment: localhost
repeat: 2
matrix: {client: [ping-pong-c, ping-pong-py]}
test_cases:
  - {name: ping, scenario: ping, services: {server: {implementation: ping-pong-py}}}
"""
RUNNER: dict[str, Any] = {
    "start_time": 1700000000.0,
    "servers": ["quic-go", "ngtcp2"],
    "clients": ["quinn"],
    "tests": {"H": {"name": "handshake", "desc": ""}},
    "quic_version": "0x1",
    "urls": {},
    "results": [
        [
            {"abbr": "H", "name": "handshake", "result": "succeeded"},
            {"abbr": "M", "name": "multiplexing", "result": None},
        ],
        [
            {"abbr": "H", "name": "handshake", "result": "failed"},
            {"abbr": "Z", "name": "zerortt", "result": "unsupported"},
        ],
    ],
    "measurements": [[{"abbr": "G", "name": "goodput", "result": "succeeded", "details": "9000 (± 100) kbps"}], []],
}


@pytest.fixture
def project(panther_project: MakeProject) -> PantherProject:
    return panther_project({"one.yaml": EXPERIMENT, "runner.json": json.dumps(RUNNER)})


def asked(project: PantherProject, sql: str, *more: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(project.run(["query", sql, *more, "--format", "json"]).stdout)
    return found


def test_runs_answer_questions_about_attempts_measurements_and_services(project: PantherProject) -> None:
    first = project.run("run one.yaml --output runs/first").run
    project.run("run one.yaml --output runs/second")
    assert asked(project, "SELECT run, count(*) AS n FROM attempts GROUP BY ALL ORDER BY ALL", "--all", "runs") == [
        {"run": "first", "n": 4},
        {"run": "second", "n": 4},
    ]
    (row,) = asked(project, "SELECT count(*) n, min(value) > 0 good FROM measurements WHERE name = 'minip.rtt.median'")
    assert row == {"n": 4, "good": True}
    sql = "SELECT DISTINCT cell['client'] client, implementation FROM services WHERE role = 'client' ORDER BY ALL"
    assert [each["client"] for each in asked(project, sql, "first")] == ["ping-pong-c", "ping-pong-py"]
    with (first / "results.jsonl").open("a") as journal:
        journal.write('{"case": "torn')
    assert asked(project, "SELECT count(*) AS n FROM attempts", "first") == [{"n": 4}]


def test_a_question_that_makes_no_sense_is_answered_with_the_tables_there_are(project: PantherProject) -> None:
    project.run("run one.yaml")
    outcome = project.run(["query", "SELECT nonsense FROM attempts"])
    outcome.assert_exit(2, "nonsense", "measurements")
    assert "Traceback" not in outcome.stderr


def test_the_table_of_measurements_is_what_the_results_hold(project: PantherProject) -> None:
    run = project.run("run one.yaml --report parquet").run
    held = sum(len(json.loads(line)["measurements"]) for line in (run / "results.jsonl").read_text().splitlines())
    (count,) = (
        duckdb.connect().execute("SELECT count(*) FROM read_parquet(?)", [str(run / "measurements.parquet")]).fetchone()
    )
    assert count == held > 0


def imported(project: PantherProject, name: str = "runner.json") -> Outcome:
    return project.run(["import", name, "--output", "runs/runner"])


def test_results_of_the_interop_runner_become_a_run(project: PantherProject) -> None:
    imported(project).assert_exit(0, "4 cases")
    cases = {
        (each["name"], each["cell"]["server"]): (each["verdict"], each["why"])
        for each in json.loads(project.run("show runs/runner --json").stdout)["cases"]
    }
    assert cases == {
        ("handshake", "quic-go"): ("pass", ""),
        ("goodput", "quic-go"): ("pass", "9000 (± 100) kbps"),
        ("handshake", "ngtcp2"): ("fail", "the result file gives no reason"),
        ("zerortt", "ngtcp2"): ("unsupported", "the result file gives no reason"),
    }
    assert "quinn" in project.run("report runs/runner --format markdown --output -").stdout
    imported(project).assert_exit(2, "is there already")


@pytest.mark.parametrize(
    ("content", "said"),
    [("{", "cannot read"), ("[]", "it has no servers"), (json.dumps({**RUNNER, "results": []}), "0 pairs")],
)
def test_a_file_that_is_no_result_makes_no_run(project: PantherProject, content: str, said: str) -> None:
    (project.folder / "runner.json").write_text(content)
    imported(project).assert_exit(2, said)
    assert not Path(project.folder / "runs/runner").exists()
