"""Experiments in the real simulator, where it is on PATH; it has no package, so most machines do not have it."""

from __future__ import annotations

import hashlib
import json
import shutil
import sys
from pathlib import Path

import pytest

from panther_core.testing import MakeProject, Outcome

pytestmark = pytest.mark.skipif(
    shutil.which("shadow") is None, reason="only where Shadow is: no package brings it, and CI does not build it"
)
EXPERIMENT = """
name: sim
protocol: minip
network_environment: {type: shadow_ns%s}
seed: 7
capture: true
links: {client->server: {delay: 50ms, loss: 5%%}, server->client: {delay: 10ms}}
test_cases:
"""
PING = "  - {name: ping, implementation: ping-pong-py}\n"


def program(*lines: str) -> str:
    """Return a service that is a few lines of Python."""
    return json.dumps([sys.executable, "-I", "-S", "-c", "\n".join(lines)])


def evidence(outcome: Outcome, case: str) -> dict[str, str]:
    """Return the hash of everything that services and network have written in a case."""
    folder = outcome.folder(case)
    files = [*folder.glob("services/**/*"), *folder.glob("network/capture/*")]
    return {
        str(each.relative_to(folder)): hashlib.sha256(each.read_bytes()).hexdigest()
        for each in files
        if each.is_file() and each.name != "command.txt"
    }


def test_an_experiment_is_the_same_to_the_last_bit_and_another_one_with_another_seed(
    panther_project: MakeProject,
) -> None:
    cases = (
        "  - {name: transfer, scenario: transfer, parameters: {size: 20KiB}, execution_environments: [shadow_syscalls],"
        " services: {server: {implementation: ping-pong-c}, client: {implementation: ping-pong-py}}}\n"
    )
    project = panther_project({"e.yaml": EXPERIMENT % ", deterministic: true" + PING + cases})
    first = project.run("run e.yaml")
    first.assert_verdicts({"ping": "pass", "transfer": "pass"})
    once = "run e.yaml --set network_environment.deterministic=false --select name=ping"
    second, other = project.run(once), project.run(f"{once} --set seed=8")
    seen = evidence(first, "ping")
    assert {"services/client/transcript.jsonl", "network/capture/client.pcapng"} <= seen.keys()
    assert evidence(second, "ping") == seen
    assert evidence(other, "ping") != seen
    (ping, transfer) = sorted(first.cases(), key=lambda each: str(each["name"]))
    (check,) = [each for each in ping["checks"] if each["name"] == "deterministic"]
    assert "files are the same in two simulations" in check["evidence"]
    assert ping["services"]["server"]["exit"] == "stopped (exit code 0)"
    measured = {(each["name"], each["service"]): each for each in transfer["measurements"]}
    assert measured["simulated_seconds", "client"]["value"] > 0.06, "one way and back takes 60 ms"
    assert measured["minip.goodput", "client"]["labels"]["clock"] == "simulated"
    assert measured["shadow_syscalls.sendto.count", "client"]["value"] > 20
    assert measured["shadow.syscall.sendto", ""]["value"] > 40
    assert ("cpu_seconds", "client") not in measured
    kinds = {each["kind"] for each in transfer["artifacts"]}
    assert {"capture", "syscalls", "configuration", "statistics", "transcript"} <= kinds
    assert "environment.progress" in {each["name"] for each in first.events()}


def test_a_program_that_does_not_repeat_itself_is_found(panther_project: MakeProject, tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    mark.touch()
    seen = str(mark)
    lines = (f"import os; size = os.path.getsize({seen!r})", f"open({seen!r}, 'a').write('x')", "print(size)")
    text = "name: e\nnetwork_environment: {type: shadow_ns, deterministic: true}\ntest_cases:\n"
    text += "  - {name: one, services: {s: {implementation: command, ends_by_itself: true, argv: %s}}}\n"
    outcome = panther_project({"e.yaml": text % program(*lines)}).run("run e.yaml")
    (case,) = outcome.cases()
    assert case["verdict"] == "fail", outcome
    assert "differ, first in services/s/stdout (sha256" in case["why"]
    assert (outcome.folder() / "network/twice/first/services/s/stdout").read_text() == "0\n"


def test_aioquic_transfers_files(panther_project: MakeProject) -> None:
    text = (EXPERIMENT % "").replace("minip", "quic")
    text += "  - {name: transfer, scenario: transfer, implementation: aioquic, parameters: {files: [30KiB]}}\n"
    outcome = panther_project({"e.yaml": text}).run("run e.yaml")
    outcome.assert_verdicts({"transfer": "pass"})


def test_ends_lacks_and_errors_of_programs_are_told(panther_project: MakeProject) -> None:
    services = {
        "seven": program("raise SystemExit(7)"),
        "crash": program("import os, signal", "os.kill(os.getpid(), signal.SIGSEGV)"),
        "long": program("import time", "time.sleep(1000)"),
        "lack": program("import os, socket", "try: os.memfd_create('x')", "except OSError: pass"),
    }
    text = "name: e\nnetwork_environment: shadow_ns\ntimeout: 30s\ntest_cases:\n"
    for name, argv in services.items():
        text += (
            f"  - {{name: {name}, services: {{s: {{implementation: command, ends_by_itself: true, argv: {argv}}}}}}}\n"
        )
    text += "  - {name: server, services: {s: {implementation: command, ends_by_itself: false, argv: [sleep, '5']}}}\n"
    text += "  - {name: nothing, services: {s: {implementation: command, argv: [/no/such]}}}\n"
    text += "  - {name: late, services: {s: {implementation: command, argv: [sleep, '5']}},\n"
    text += "     network_environment: {type: shadow_ns, shadow: {stop_time: 5s, hosts: {s: {start: 9s}}}}}\n"
    outcome = panther_project({"e.yaml": text}).run("run e.yaml --jobs 2")
    cases = {each["name"]: each for each in outcome.cases()}
    assert [cases[each]["services"]["s"]["exit"] for each in ("seven", "crash")] == ["exit code 7", "signal 11"]
    assert "had not ended when the time of the case was over" in cases["long"]["why"], outcome
    found = {each["message"]: each for each in cases["lack"]["findings"]}
    assert found["memfd_create is answered with ENOSYS"]["service"] == "s"
    assert cases["server"]["why"] == "service s kept running: it ended by itself: exit code 0"
    assert cases["nothing"]["verdict"] == "unsupported"
    assert "there is no program /no/such" in cases["nothing"]["why"]
    assert "s would start at 9 s of simulated time" in cases["late"]["why"]


def test_a_hang_names_the_process_and_what_helps(panther_project: MakeProject) -> None:
    argv = program("while True: pass")
    text = "name: e\nnetwork_environment: {type: shadow_ns, shadow: {hang_timeout: 3s}}\ntest_cases:\n"
    text += f"  - {{name: one, services: {{loop: {{implementation: command, ends_by_itself: true, argv: {argv}}}}}}}\n"
    outcome = panther_project({"e.yaml": text}).run("run e.yaml")
    (case,) = outcome.cases()
    assert case["verdict"] == "error", outcome
    assert "for 3 s: loop (process" in case["why"]
    assert "model_unblocked_syscall_latency" in case["why"]
    assert "native_preemption_enabled" in case["why"]
    assert not case["problems"], "nothing is left of a simulation that was ended"


def test_a_case_that_takes_too_long_says_how_far_it_came(panther_project: MakeProject) -> None:
    argv = program("import time", "end = time.monotonic() + 1e9", "while time.monotonic() < end: time.sleep(1e-6)")
    text = "name: e\ntimeout: 3s\nnetwork_environment: {type: shadow_ns, shadow: {stop_time: 1000s}}\ntest_cases:\n"
    text += f"  - {{name: one, services: {{s: {{implementation: command, ends_by_itself: true, argv: {argv}}}}}}}\n"
    outcome = panther_project({"e.yaml": text}).run("run e.yaml")
    assert "of 1000 s when the case was over" in outcome.cases()[0]["why"], outcome


def test_a_graph_of_ones_own_is_used(panther_project: MakeProject) -> None:
    node = '  node [\n    id {0}\n    host_bandwidth_up "1 Gbit"\n    host_bandwidth_down "1 Gbit"\n  ]\n'
    edge = '  edge [\n    source {0}\n    target {1}\n    latency "{2} ms"\n    packet_loss 0.0\n  ]\n'
    edges = [(0, 0, 1), (1, 1, 1), (0, 1, 40)]
    gml = "graph [\n  directed 0\n" + "".join(map(node.format, (0, 1))) + "".join(edge.format(*each) for each in edges)
    shadow = ", shadow: {graph: net.gml, hosts: {server: {node: 0}, client: {node: 1}}}"
    text = (EXPERIMENT % shadow).replace(
        "links: {client->server: {delay: 50ms, loss: 5%}, server->client: {delay: 10ms}}\n", ""
    )
    outcome = panther_project({"e.yaml": text + PING, "net.gml": gml + "]\n"}).run("run e.yaml")
    outcome.assert_verdicts({"ping": "pass"})
    assert outcome.measurements()["minip.rtt.median"] == pytest.approx(0.08, abs=0.01), outcome.measurements()
