"""Both instruments in whole experiments: PANTHER's own programs in C and Python, checks, findings, refusals."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from panther_core.testing.project import MakeProject

pytest_plugins = ["panther_core.testing.plugin"]

PROGRAMS = Path(__file__).parent / "programs"

PING_PONG = """
name: profiled
protocol: minip
network_environment: localhost
execution_environments: [{type: gperf_cpu, frequency: 250}, gperf_heap]
test_cases:
  - name: transfer
    scenario: transfer
    parameters: {size: 1MiB}
    services:
      server: {implementation: SERVER}
      client: {implementation: CLIENT}
    checks:
      - that: "server.gperf_cpu.samples >= 0 and server.gperf_heap.allocated_bytes > 0"
"""
PROGRAM = """
name: programs
network_environment: localhost
execution_environments: [{type: INSTRUMENT, services: [server]}]
test_cases:
  - name: one
    services:
      server:
        {implementation: command, role: server, ready: {kind: log, pattern: ready}, argv: ARGV}
      client:
        {implementation: command, role: client, target: server, argv: [sleep, "0.6"]}
    checks: [CHECKS]
"""


def needs_compiler() -> None:
    if shutil.which("cc") is None:
        pytest.skip("needs a C compiler")


def built(folder: Path, name: str, *options: str) -> str:
    needs_compiler()
    path = folder / name
    subprocess.run(["cc", "-O1", "-g", *options, "-o", path, PROGRAMS / f"{name}.c", "-pthread"], check=True)
    return str(path)


@pytest.mark.parametrize("server", ["ping-pong-c", "ping-pong-py"])
def test_servers_are_profiled_until_they_are_stopped(panther_project: MakeProject, server: str) -> None:
    needs_compiler()
    text = PING_PONG.replace("SERVER", server).replace("CLIENT", "ping-pong-c")
    outcome = panther_project({"exp.yaml": text}).run("run exp.yaml")
    outcome.assert_ok()
    outcome.assert_verdicts({"transfer": "pass"})
    kinds = {(each["service"], each["kind"]) for each in outcome.cases()[0]["artifacts"]}
    for service in ("server", "client"):
        assert {(service, "gperf_cpu"), (service, "gperf_heap")} <= kinds
    values = outcome.measurements()
    assert values["server.gperf_heap.live_bytes"] >= 0
    if server == "ping-pong-py":
        assert values["server.gperf_heap.live_bytes"] > 100_000
        assert "pyspy" in "\n".join(outcome.cases()[0]["notes"])


def test_a_hot_function_breaks_a_check(panther_project: MakeProject, tmp_path: Path) -> None:
    argv = f'["{built(tmp_path, "cpu")}", serve, "60"]'
    text = PROGRAM.replace("INSTRUMENT", "gperf_cpu").replace("ARGV", argv)
    check = '{that: "server.gperf_cpu.top1.share < 40%"}'
    outcome = panther_project({"exp.yaml": text.replace("CHECKS", check)}).run("run exp.yaml")
    outcome.assert_verdicts({"one": "fail"})
    assert outcome.measurements()["server.gperf_cpu.hot.share"] > 0.5


def test_a_leak_is_a_finding_of_the_case(panther_project: MakeProject, tmp_path: Path) -> None:
    argv = f'["{built(tmp_path, "heap")}", serve, "100"]'
    text = PROGRAM.replace("INSTRUMENT", "gperf_heap").replace("ARGV", argv)
    check = '{that: "server.gperf_heap.leak_session.live_bytes == 25600"}, {log: {service: server, matches: ready}}'
    outcome = panther_project({"exp.yaml": text.replace("CHECKS", check)}).run("run exp.yaml")
    outcome.assert_ok()
    (first, _) = outcome.cases()[0]["findings"]
    assert first["kind"] == "unfreed"
    assert first["stack"][0].startswith("leak_session heap.c:")
    assert (outcome.folder() / first["artifact"]).is_file()


def test_a_program_that_leaves_no_profile_is_an_error(panther_project: MakeProject, tmp_path: Path) -> None:
    argv = f'["{built(tmp_path, "cpu")}", stubborn, "60"]'
    text = PROGRAM.replace("INSTRUMENT", "gperf_cpu").replace("ARGV", argv).replace("CHECKS", "")
    outcome = panther_project({"exp.yaml": text}).run("run exp.yaml")
    outcome.assert_verdicts({"one": "error"})
    assert "switch_signal: SIGRTMAX" in outcome.cases()[0]["why"]


def test_a_static_program_is_refused_before_it_is_started(panther_project: MakeProject, tmp_path: Path) -> None:
    argv = f'["{built(tmp_path, "cpu", "-static")}", serve, "60"]'
    text = PROGRAM.replace("INSTRUMENT", "gperf_cpu").replace("ARGV", argv).replace("CHECKS", "")
    outcome = panther_project({"exp.yaml": text}).run("run exp.yaml")
    assert "is a static program" in outcome.cases()[0]["why"]
    assert not (outcome.folder() / "services" / "server" / "stdout").exists()
