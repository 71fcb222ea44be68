"""strace in whole experiments, as users write them."""

from __future__ import annotations

import json
import shutil

import pytest
from panther_profiler_strace.plugin import panther_register_execution_environments

from panther_core.testing.project import MakeProject

pytest_plugins = ["panther_core.testing.plugin"]
pytestmark = pytest.mark.skipif(shutil.which("strace") is None, reason="needs strace")

PING = """
name: traced
protocol: minip
network_environment: localhost
execution_environments: [{instrument}]
test_cases:
  - name: ping
    scenario: ping
    parameters: {{count: 10}}
    services:
      server: {{implementation: {server}}}
      client: {{implementation: {client}}}
    checks:
      - that: "{check}"
"""

COOKIE = 37
"""Bytes with which each connection of iperf3 begins, and which it does not count."""

EXCHANGED = (
    "server.strace.net.datagrams_received >= 10 and server.strace.net.datagrams_sent >= 10 "
    "and client.strace.net.bytes_sent == server.strace.net.bytes_received and server.strace.truncated == 0"
)


@pytest.mark.parametrize("server", ["ping-pong-c", "ping-pong-py"])
@pytest.mark.parametrize("client", ["ping-pong-c", "ping-pong-py"])
def test_both_sides_of_an_exchange_saw_the_same_traffic(panther_project: MakeProject, server: str, client: str) -> None:
    text = PING.format(instrument="strace", server=server, client=client, check=EXCHANGED)
    done = panther_project({"exp.yaml": text}).run("run exp.yaml")
    done.assert_ok()
    (case,) = done.cases()
    assert case["problems"] == []
    assert [each for each in case["findings"] if each["severity"] == "error"] == []
    views = json.loads(done.text("profiles/server/strace/strace.json"))
    (peer,) = views["peers"]
    assert peer["datagrams_in"] == done.measurements()["server.strace.net.datagrams_received"]
    assert views["timeline"]["slots"]


@pytest.mark.parametrize("server", ["ping-pong-c", "ping-pong-py"])
def test_a_server_is_attached_to_before_its_clients_come(panther_project: MakeProject, server: str) -> None:
    check = "server.strace.net.datagrams_received >= 10 and server.strace.net.datagrams_sent >= 10"
    instrument = "{type: strace, attach: true, services: [server]}"
    text = PING.format(instrument=instrument, server=server, client="ping-pong-c", check=check)
    panther_project({"exp.yaml": text}).run("run exp.yaml").assert_ok()


def test_the_network_that_a_program_sees_can_be_broken(panther_project: MakeProject) -> None:
    instrument = (
        "{type: strace, services: [client], calls: [network], "
        "inject: [{calls: [sendto, sendmsg], error: ENETUNREACH, first: 2}]}"
    )
    text = PING.format(
        instrument=instrument, server="ping-pong-c", client="ping-pong-c", check="client.strace.injected > 0"
    )
    done = panther_project({"exp.yaml": text}).run("run exp.yaml")
    done.assert_verdicts({"ping": "fail"})
    (case,) = done.cases()
    assert case["problems"] == []
    assert done.measurements()["client.strace.injected"] > 0


def test_a_server_is_stopped_by_its_own_signal(panther_project: MakeProject) -> None:
    text = """
name: stopped
network_environment: localhost
execution_environments: [strace]
test_cases:
  - name: polite
    services:
      one:
        implementation: command
        ends_by_itself: false
        argv: [sh, -c, "trap 'echo bye; exit 5' USR1; echo up; while :; do sleep 0.01; done"]
        stop_signal: USR1
        ready: {kind: log, pattern: up}
    checks:
      - exit_code: {service: one, equals: 5}
      - log: {service: one, matches: bye}
"""
    panther_project({"exp.yaml": text}).run("run exp.yaml").assert_ok()


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ("calls: [read], exclude: [write]", "either `calls` or `exclude`"),
        ('calls: ["a b"]', "expected a system call"),
        ("inject: [{calls: [read]}]", "a fault needs one of"),
        ("inject: [{calls: [read], error: EIO, result: 0}]", "not both"),
        ("inject: [{calls: [read], error: EIO, first: 3, last: 2}]", "comes before the first"),
        ("inject: [{calls: [read], error: eio}]", "expected the name of an error"),
        ("inject: [{calls: [read], signal: FOO}]", "expected the name of a signal"),
        ("inject: [{calls: [read], error: EIO}], exclude: [read]", "calls that are excluded"),
        ("ignore: [read]", "expected ERROR"),
        ("log_limit: 10B", "log_limit"),
    ],
)
def test_wrong_options_are_told_when_the_file_is_read(panther_project: MakeProject, options: str, told: str) -> None:
    instrument = f"{{type: strace, {options}}}"
    text = PING.format(instrument=instrument, server="ping-pong-py", client="ping-pong-py", check="1 < 2")
    panther_project({"exp.yaml": text}).run("validate exp.yaml").assert_exit(2, told, "exp.yaml:5:")


@pytest.mark.parametrize("other", ["memcheck", "helgrind", "drd", "callgrind", "massif", "dhat"])
def test_valgrind_on_the_same_process_is_excluded(other: str) -> None:
    (descriptor,) = panther_register_execution_environments()
    assert "valgrind" in descriptor.excludes[other]


@pytest.mark.skipif(shutil.which("iperf3") is None, reason="needs iperf3")
@pytest.mark.parametrize("attach", ["false", "true"])
def test_a_real_server_and_its_client_account_for_every_byte(panther_project: MakeProject, attach: str) -> None:
    text = f"""
name: iperf
network_environment: localhost
execution_environments: [{{type: strace, attach: {attach}, services: [server]}}, {{type: strace, services: [client]}}]
test_cases:
  - name: throughput
    services:
      server:
        implementation: command
        ends_by_itself: false
        argv: [iperf3, --server, --bind, "{{self.ip}}", --forceflush]
        stop_signal: INT
        ready: {{kind: log, pattern: Server listening}}
      client:
        implementation: command
        depends_on: [server]
        argv: [iperf3, --client, "{{server.ip}}", --bytes, 1M, --json]
    checks:
      - exit_code: {{service: client, equals: 0}}
      - that: "client.strace.net.bytes_sent >= 1MiB"
      - that: "server.strace.net.bytes_received <= client.strace.net.bytes_sent" # it does not read what comes too late
"""
    done = panther_project({"exp.yaml": text}).run("run exp.yaml")
    done.assert_ok()
    (case,) = done.cases()
    assert case["problems"] == []
    told = json.loads(done.text("services/client/stdout"))["end"]
    client, server = (json.loads(done.text(f"profiles/{name}/strace/strace.json")) for name in ("client", "server"))
    assert told["sum_sent"]["bytes"] + COOKIE in {socket["bytes_out"] for socket in client["targets"]}
    assert told["sum_received"]["bytes"] + COOKIE in {peer["bytes_in"] for peer in server["peers"]}
