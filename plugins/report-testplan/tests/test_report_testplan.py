"""Runs as reports that Testplan itself reads, and PANTHER inside programs of Testplan."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

from panther_core.testing import MakeProject
from panther_core.testing.conformance import ReportConformance

TALK = """
name: plan
protocol: minip
network_environment: localhost
test_cases:
  - name: ping
    scenario: ping
    matrix: {server.variant: [functional, fail]}
    services: {server: ping-pong-py, client: ping-pong-py}
    expect: [{when: {server.variant: fail}, verdict: fail, reason: it never answers rightly}]
  - {name: greet, scenario: greet, implementation: ping-pong-py}
"""
SERVER = """
name: server
network_environment: localhost
test_cases:
  - name: server
    services:
      server:
        implementation: command
        argv: [sleep, "60"]
        ends_by_itself: false
    checks: [{log: {service: server, matches: trouble, absent: true}}]
"""
PROGRAM = """
    import sys
    from panther_report_testplan.driver import PantherServices, experiment_multitest
    from testplan import test_plan
    from testplan.testing.multitest import MultiTest, testcase, testsuite


    @testsuite
    class Mine:
        @testcase
        def server_is_there(self, env, result):
            result.true(env.services.endpoints["server"]["ip"].startswith("127."))


    @test_plan(name="plan", json_path="plan.json", runpath="runpath")
    def main(plan):
        plan.add(MultiTest("mine", suites=[Mine()], environment=[PantherServices("services", "server.yaml")]))
        plan.add(experiment_multitest("theirs", "talk.yaml", "runs/theirs"))


    sys.exit(not main())
"""


class TestConformance(ReportConformance):
    """The conformance of the report."""

    plugin = "panther_report_testplan.plugin"


def report(make: MakeProject) -> tuple[Path, dict[str, Any]]:
    project = make({"talk.yaml": TALK})
    run = project.run("run talk.yaml --jobs 1").run  # as cases end, so they stand in the report
    project.run(f"report {run} --format testplan").assert_ok()
    return run / "testplan.json", json.loads((run / "testplan.json").read_text())


def needs_testplan() -> None:
    if importlib.util.find_spec("testplan") is None:
        pytest.skip("needs testplan")


def test_a_run_becomes_tests_suites_and_cases(panther_project: MakeProject) -> None:
    _, found = report(panther_project)
    assert (found["name"], found["status"]) == ("plan", "passed")
    assert found["counter"] == {"passed": 3, "failed": 0, "total": 3}
    ping, greet = found["entries"]
    assert [each["name"] for each in ping["entries"]] == ["server.variant=functional", "server.variant=fail"]
    assert [each["entries"][0]["status"] for each in ping["entries"]] == ["passed", "xfail"]
    assert greet["entries"][0]["entries"][0]["parent_uids"] == ["plan", "greet", "greet"]
    entries = ping["entries"][0]["entries"][0]["entries"]
    assert [each["description"] for each in entries if each["type"] == "TableLog"] == ["measurements"]
    assert all(each["passed"] for each in entries if each["type"] == "IsTrue")


def test_testplan_reads_the_report(panther_project: MakeProject, tmp_path: Path) -> None:
    needs_testplan()
    path, _ = report(panther_project)
    tool = Path(sys.executable).with_name("tpsreport")
    command = [str(tool), "convert", "fromjson", str(path), "tojson", str(tmp_path / "again.json")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    again = json.loads((tmp_path / "again.json").read_text())
    assert (again["name"], again["status"], again["counter"]["total"]) == ("plan", "passed", 3)


def test_services_are_a_driver_and_an_experiment_is_a_multitest(tmp_path: Path) -> None:
    needs_testplan()
    files = {"server.yaml": SERVER, "talk.yaml": TALK, "plan.py": textwrap.dedent(PROGRAM)}
    for name, content in files.items():
        (tmp_path / name).write_text(content)
    command = [sys.executable, "plan.py"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads((tmp_path / "plan.json").read_text())
    assert [each["status"] for each in found["entries"]] == ["passed", "passed"]
    assert found["counter"]["total"] >= 4
