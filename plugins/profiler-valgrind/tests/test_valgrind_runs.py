"""Whole experiments under valgrind: PANTHER from the file to the verdict."""

from __future__ import annotations

import shutil

import pytest

from panther_core.testing import MakeProject

pytestmark = [
    pytest.mark.skipif(shutil.which("valgrind") is None, reason="needs valgrind"),
    pytest.mark.skipif(shutil.which("cc") is None, reason="needs a C compiler"),
]

HEAD = """
name: watched
protocol: minip
network_environment: localhost
seed: 3
services: {server: {implementation: ping-pong-c}, client: {implementation: ping-pong-c}}
"""
EVERY_TOOL = f"""{HEAD}
matrix: {{execution_environments: [[memcheck], [helgrind], [drd], [callgrind], [massif], [dhat]]}}
test_cases:
  - {{name: ping, scenario: ping}}
"""
VULNERABLE = f"""{HEAD}
execution_environments: [{{type: memcheck, services: [server]BASELINE}}]
test_cases:
  - name: probe
    scenario: probe
    services: {{server: {{variant: vulnerable}}}}
    expect: fail
    checks:
      - that: "server.memcheck.invalid_accesses == 0"
"""


def test_every_tool_watches_a_good_program_and_finds_nothing(panther_project: MakeProject) -> None:
    outcome = panther_project({"experiment.yaml": EVERY_TOOL}).run("run experiment.yaml")
    outcome.assert_ok()
    cases = {each["instruments"][0]: each for each in outcome.cases()}
    assert set(cases) == {"memcheck", "helgrind", "drd", "callgrind", "massif", "dhat"}
    for tool, case in cases.items():
        assert (case["verdict"], case["findings"], case["problems"]) == ("pass", [], []), case
        assert {each["service"] for each in case["measurements"] if each["name"].startswith(f"{tool}.")} == {
            "server",
            "client",
        }
        files = [each["path"] for each in case["artifacts"] if each["path"].startswith(f"profiles/server/{tool}/")]
        assert files
        folder = outcome.run / case["folder"]
        assert all((folder / path).stat().st_size for path in files)


def test_the_defect_of_the_vulnerable_server_is_found_and_a_baseline_accepts_it(panther_project: MakeProject) -> None:
    project = panther_project({"experiment.yaml": VULNERABLE.replace("BASELINE", "")})
    outcome = project.run("run experiment.yaml")
    outcome.assert_ok()
    (case,) = outcome.cases()
    found = {each["kind"]: each for each in case["findings"]}
    assert found["InvalidWrite"]["message"].startswith("Invalid write of size 1 in remember (ping_pong.c:")
    assert "0 bytes after a block of size 72 alloc'd" in " ".join(found["InvalidWrite"]["stack"])
    assert found["FatalSignal"]["service"] == "server"
    assert {"InvalidWrite", "FatalSignal"} <= set(found)
    (failed,) = (each for each in case["checks"] if each["name"] == "server.memcheck.invalid_accesses == 0")
    assert failed["verdict"] == "fail"
    assert "InvalidWrite" in outcome.text("profiles/server/memcheck/memcheck.supp")
    shutil.copy(outcome.folder() / "profiles/server/memcheck/memcheck.baseline", project.folder / "known.txt")
    (project.folder / "again.yaml").write_text(VULNERABLE.replace("BASELINE", ", baseline: known.txt"))
    again = project.run("run again.yaml")
    (case,) = again.cases()
    assert case["findings"] == []
    assert again.measurements()["server.memcheck.invalid_accesses"] == 0
    assert again.measurements()["server.memcheck.known"] > 0


@pytest.mark.parametrize("other", ["strace", "helgrind"])
def test_what_cannot_be_combined_is_refused_before_anything_starts(panther_project: MakeProject, other: str) -> None:
    text = f"{HEAD}execution_environments: [memcheck, {other}]\ntest_cases: [{{name: ping, scenario: ping}}]\n"
    outcome = panther_project({"experiment.yaml": text}).run("validate experiment.yaml")
    outcome.assert_exit(2, f"{other} and memcheck cannot both watch server, client")


def test_a_static_program_is_refused_with_the_way_out(panther_project: MakeProject) -> None:
    text = HEAD.replace(
        "{server: {implementation: ping-pong-c}", "{server: {implementation: ping-pong-c, static: true}"
    )
    text += (
        "execution_environments: [{type: memcheck, services: [server]}]\ntest_cases: [{name: ping, scenario: ping}]\n"
    )
    outcome = panther_project({"experiment.yaml": text}).run("run experiment.yaml")
    (case,) = outcome.cases()
    assert case["verdict"] == "error"
    assert "memcheck cannot watch server" in case["why"]
    assert "is statically linked" in case["why"]


REAL = """
name: real
network_environment: localhost
matrix:
  execution_environments:
    - [{type: memcheck, services: [server]}]
    - [{type: helgrind, services: [server]}]
    - [{type: drd, services: [server]}]
    - [{type: callgrind, services: [server]}]
    - [{type: massif, services: [server]}]
    - [{type: dhat, services: [server]}]
test_cases:
  - name: transfer
    services:
      server:
        implementation: command
        argv: [iperf3, -s, "-1", --forceflush, -B, "{self.ip}"]
        ready: {kind: log, pattern: Server listening}
        ends_by_itself: true
      client: {implementation: command, target: server, argv: [iperf3, -c, "{server.ip}", -n, 1M]}
    checks: [{exit_code: {service: client, equals: 0}}, {exit_code: {service: server, equals: 0}}]
"""


@pytest.mark.skipif(shutil.which("iperf3") is None, reason="needs iperf3")
def test_every_tool_watches_a_server_that_others_wrote(panther_project: MakeProject) -> None:
    outcome = panther_project({"experiment.yaml": REAL}).run("run experiment.yaml")
    outcome.assert_ok()
    measured = outcome.measurements()
    assert measured["server.callgrind.instructions"] > 1_000_000
    assert measured["server.massif.peak_bytes"] > 1_000
    assert measured["server.dhat.total_blocks"] > 10
    assert measured["server.memcheck.invalid_accesses"] == measured["server.memcheck.leaked_bytes"] == 0
    assert measured["server.helgrind.races"] == measured["server.drd.races"] == 0
