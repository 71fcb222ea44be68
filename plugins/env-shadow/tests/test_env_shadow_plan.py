"""What is told to the simulator, what is refused, and what its log means: all of it without the simulator."""

from __future__ import annotations

import json
import os
import re
import struct
from pathlib import Path
from typing import Any

import pytest
from panther_env_shadow import preflight
from panther_env_shadow.graph import graph_of, problems_of
from panther_env_shadow.log import Ending, Lack, complaints, newest_heartbeat, read_log, status_of
from panther_env_shadow.options import Host, ShadowOptions, ShadowSettings, Topology
from panther_env_shadow.pcapng import convert
from panther_env_shadow.results import findings_of, table_of
from panther_env_shadow.sameness import Places
from panther_env_shadow.simulation import Simulation, address_of, configuration, host_name, times_of, wrong_times

from panther_core.testing import MakeProject
from panther_hookspecs import (
    BitRate,
    Endpoint,
    LinkSpec,
    Seconds,
    ServiceCommand,
    ServiceLaunch,
    ServicePlan,
    ServiceSpec,
    Share,
    ShellCommand,
    Verdict,
)

PLAIN, USUAL = Topology(), ShadowSettings()
GOOD = preflight.Machine(shm_size=1 << 30, shm_options=("rw", "nosuid"), seccomp="0", keeps_addresses=True)
LOG = """\
00:00:00.018619 [7552:shadow] n/a [WARN] [n/a] [tsc.c:222] [TscC_native] Couldn't get CPU TSC frequency
00:00:00.153314 [7562:w] 00:00:01.000000000 [WARN] [a:10.0.0.1] [mod.rs:611] [x::handler] (LOG_ONCE) Detected \
unsupported syscall memfd_create (319) called from thread 1000 in process env on host a
00:00:00.153315 [7562:w] 00:00:01.000000000 [WARN] [b:10.0.0.2] [udp.rs:1002] [x::udp] (LOG_ONCE) setsockopt \
called with unsupported level 0 and opt 13
00:00:00.164374 [7552:shadow] n/a [INFO] [n/a] [manager.rs:735] [x] Process resource usage at simtime 2000000000 \
reported by getrusage(): ru_maxrss=0.154 GiB
00:00:00.164375 [7562:w] 00:00:02.400000001 [ERROR] [a:10.0.0.1] [process.rs:1590] [x::process] process \
'a.env.1000' exited with status Normal(3); expected end state was running but was exited: 3
00:00:00.164376 [7562:w] 00:01:57.000000000 [ERROR] [b:10.0.0.2] [process.rs:1590] [x::process] process \
'b.env.1000' exited with status Signaled(Signal(11)); expected end state was running but was signaled: SIGSEGV
00:00:00.250728 [7552:shadow] n/a [INFO] [n/a] [controller.rs:67] [x::controller] Finished simulation
"""


def launch(name: str, *needs: str, ends: bool = False) -> ServiceLaunch:
    return ServiceLaunch(
        name=name,
        command=ServiceCommand(program=ShellCommand("true")),
        folder=Path("/x"),
        endpoint=Endpoint(name=name, ip="10.0.0.1"),
        depends_on=needs,
        ends_by_itself=ends,
    )


def edges(links: dict[str, LinkSpec], *services: str, topology: Topology = PLAIN) -> dict[tuple[str, str], Any]:
    graph = graph_of(services, links, topology, USUAL)
    by_nodes = {(each.source, each.target): each for each in graph.edges}
    return {(a, b): by_nodes[graph.node_of(a), graph.node_of(b)] for a in services for b in services if a != b}


def test_each_direction_of_a_link_is_an_edge() -> None:
    found = edges(
        {"a->b": LinkSpec(delay=Seconds(0.05), loss=Share(0.01)), "b->a": LinkSpec(delay=Seconds(0.2))}, "a", "b"
    )
    assert (found["a", "b"].latency, found["a", "b"].loss) == (0.05, 0.01)
    assert (found["b", "a"].latency, found["b", "a"].loss) == (0.2, 0.0)


def test_hosts_that_are_alike_share_a_node() -> None:
    names = [f"client{number}" for number in range(200)]
    alike = graph_of(["server", *names], {"*": LinkSpec(delay=Seconds(0.02))}, PLAIN, USUAL)
    assert (len(alike.nodes), [each.latency for each in alike.edges]) == (1, [0.02])
    one = graph_of(["server", *names], {"client3-server": LinkSpec(loss=Share(0.5))}, PLAIN, USUAL)
    assert len(one.nodes) == 3
    assert {each.loss for each in one.edges if {each.source, each.target} == {1, 2}} == {0.5}
    assert {each.loss for each in one.edges if 0 in (each.source, each.target)} == {0.0}


def test_every_hop_of_a_topology_takes_its_time() -> None:
    line = edges({}, "a", "b", "c", topology=Topology(shape="line"))
    assert (line["a", "b"].latency, line["a", "c"].latency) == (0.001, 0.002)
    routed = edges({}, "a", "b", topology=Topology(connections=("a-r1", "r1-r2", "r2-b"), routers=("r1", "r2")))
    assert routed["b", "a"].latency == 0.003


def test_a_rate_belongs_to_hosts() -> None:
    graph = graph_of(["a", "b"], {"a->b": LinkSpec(rate=BitRate(1e6))}, PLAIN, USUAL)
    assert [(each.up, each.down) for each in graph.nodes] == [(1e6, 1e9), (1e9, 1e6)]
    (problem,) = problems_of(["a", "b", "c"], {"a-b": LinkSpec(rate=BitRate(1e6))}, PLAIN, USUAL)
    assert "Shadow limits what a host sends" in str(problem)
    assert not list(problems_of(["a", "b", "c"], {"*": LinkSpec(rate=BitRate(1e6))}, PLAIN, USUAL))


def test_a_topology_that_means_nothing_is_refused() -> None:
    told = " ".join(str(each) for each in problems_of(["a", "b"], {}, Topology(connections=("a-x",)), USUAL))
    assert "'a-x' does not join two nodes" in told
    torn = Topology(connections=("a-r1",), routers=("r1",))
    assert "no way leads from a to b" in str(next(problems_of(["a", "b"], {}, torn, USUAL)))
    own = ShadowSettings(graph="net.gml")
    told = " ".join(str(each) for each in problems_of(["a"], {"*": LinkSpec(loss=Share(0.1))}, PLAIN, own))
    assert "exclude each other" in told
    assert "nobody knows at which node of net.gml a is" in told


def test_services_start_after_those_they_depend_on_and_servers_stop_before_the_end() -> None:
    services = [launch("a"), launch("b", "a"), launch("c", "b", ends=True)]
    found = times_of(services, ShadowOptions(), 60.0)
    assert [(each.start, each.stop) for each in found.values()] == [(0.0, 57.0), (1.0, 57.0), (2.0, None)]


def test_a_start_after_the_end_is_refused() -> None:
    options = ShadowOptions(shadow=ShadowSettings(start_interval=Seconds(9)))
    (problem,) = wrong_times(times_of([launch("a"), launch("b", "a", ends=True)], options, 5.0), 5.0)
    assert "b would start at 9 s of simulated time, and all is over at 5 s" in str(problem)
    assert "shadow.stop_time" in str(problem)


def test_names_and_addresses_of_hosts() -> None:
    assert [host_name(each) for each in ("server", "My_Server", "_")] == ["server", "my-server", "host"]
    assert [address_of(each) for each in (1, 255, 300)] == ["10.0.0.1", "10.0.0.255", "10.0.1.44"]


def test_the_log_tells_how_and_when_processes_ended_and_what_they_missed() -> None:
    told = read_log(LOG.splitlines())
    assert told.endings == {"a": Ending(code=3, at=2.400000001), "b": Ending(signal=11, at=117.0)}
    assert Lack("a", "syscall", "memfd_create") in told.lacks
    assert Lack("b", "other", "setsockopt called with unsupported level 0 and opt 13") in told.lacks
    assert len(told.lacks) == 2, "what concerns no host is no lack of a service"
    assert told.finished
    assert newest_heartbeat(LOG.encode()) == 2.0


def test_a_server_that_is_asked_to_end_was_stopped_and_one_that_ends_before_was_not() -> None:
    assert str(status_of(Ending(code=0, at=57.0), stop=57.0, ends_by_itself=False)) == "stopped (exit code 0)"
    assert str(status_of(Ending(code=0, at=3.0), stop=57.0, ends_by_itself=False)) == "exit code 0"
    assert str(status_of(None, stop=57.0, ends_by_itself=False)) == "stopped (signal 9)"
    assert str(status_of(None, stop=None, ends_by_itself=True)) == "timeout (signal 9)"


def test_what_a_process_asked_for_in_vain_is_told_for_each_process(tmp_path: Path) -> None:
    trace = tmp_path / "env.1000.strace"
    trace.write_text(
        "00:00:01.000000000 [tid 1000] memfd_create(...) = -38 (ENOSYS)\n"
        * 2
        + "00:00:01.000000000 [tid 1000] setsockopt(3, 0, 13, <pointer>, 4) = -92 (ENOPROTOOPT)\n"
        "00:00:01.000000000 [tid 1000] open(...) = -2 (ENOENT)\n"
        "00:00:01.000000000 [tid 1000] read(0, <pointer>, 4) = 4\n"
    )
    rows = table_of(read_log(LOG.splitlines()), {"a": [trace], "b": []}, traced=True)
    assert [(each.service, each.what, each.error, each.count) for each in rows] == [
        ("a", "memfd_create", "ENOSYS", 2),
        ("a", "setsockopt", "ENOPROTOOPT", 1),
        ("b", "setsockopt called with unsupported level 0 and opt 13", "", 1),
    ]
    assert next(each.message for each in findings_of(rows)) == "memfd_create is answered with ENOSYS"
    untraced = table_of(read_log(LOG.splitlines()), {"a": [], "b": []}, traced=False)
    assert ("a", "memfd_create") in [(each.service, each.what) for each in untraced]


def test_the_reasons_of_a_failure_are_found() -> None:
    said = """** Starting Shadow 3.3.0
Error: Failed to initialize the simulation
Error:
Error: Caused by:
Error:     0: Failed to configure host 'a'
Error:     1: not a dynamically linked ELF
Error: Stack backtrace:
Error:    0: anyhow::error::msg
"""
    assert list(complaints(said)) == [
        "Failed to initialize the simulation",
        "Failed to configure host 'a'",
        "not a dynamically linked ELF",
    ]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"shm_size": 64 << 20}, "/dev/shm has 64 MiB.*--shm-size=1g"),
        ({"shm_options": ("rw", "noexec")}, "mounted noexec.*--tmpfs"),
        ({"keeps_addresses": False, "seccomp": "2"}, "seccomp filter forbids personality.*seccomp=unconfined"),
        ({"keeps_addresses": False}, "setarch -R fails"),
    ],
)
def test_a_container_without_the_right_flags_is_told(change: dict[str, Any], said: str) -> None:
    machine = preflight.Machine(
        **{"shm_size": 1 << 30, "shm_options": (), "seccomp": "0", "keeps_addresses": True, **change}
    )
    (problem,) = preflight.machine_problems(machine)
    assert re.search(said, str(problem), re.DOTALL), problem
    assert not list(preflight.machine_problems(GOOD))


def test_an_old_version_is_refused() -> None:
    assert preflight.version_problem("Shadow 3.3.0 - v3.3.0-199") is None
    assert "Shadow 2.2 is too old" in str(preflight.version_problem("Shadow 2.2.0"))
    assert "does not tell its version" in str(preflight.version_problem("what?"))


def test_a_static_program_is_named(tmp_path: Path) -> None:
    header = bytearray(64 + 56)
    header[:5] = b"\x7fELF\x02"
    struct.pack_into("<H", header, 56, 1)
    struct.pack_into("<I", header, 64, 1)
    program, script = tmp_path / "static", tmp_path / "script"
    program.write_bytes(header)
    script.write_text(f"#!{program} -x\n")
    program.chmod(0o755)
    script.chmod(0o755)
    for each in ("static", "script"):
        assert f"{program} is linked statically" in preflight.why_unfit(each, str(tmp_path))
    struct.pack_into("<I", header, 64, 3)
    program.write_bytes(header)
    assert preflight.why_unfit("static", str(tmp_path)) == ""
    assert preflight.why_unfit("nothing", str(tmp_path)) == "there is no program nothing"
    spec = ServiceSpec(name="s", role="", plan=ServicePlan(run=ShellCommand("x"), runtime="static"))
    assert "s is linked statically" in str(next(preflight.service_problems([spec])))


def test_a_service_that_wants_ipv6_is_refused() -> None:
    spec = ServiceSpec(name="s", role="", plan=ServicePlan(run=ShellCommand("x", ("--address", "{self.ip6}"))))
    assert "s wants an IPv6 address, and there are none" in str(next(preflight.service_problems([spec])))


def test_recordings_become_pcapng(tmp_path: Path) -> None:
    packet = b"E" + bytes(29)
    head = struct.pack("=IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 101)
    (tmp_path / "a.pcap").write_bytes(head + struct.pack("=IIII", 946684802, 10000, 30, 90) + packet)
    convert(tmp_path / "a.pcap", tmp_path / "a.pcapng")
    data = (tmp_path / "a.pcapng").read_bytes()
    at = 28 + 32  # after the section and the interface
    _, length, _, high, low, kept, whole = struct.unpack_from("=IIIIIII", data, at)
    assert (high << 32 | low, kept, whole) == (946684802_010000, 30, 90)
    assert data[at + 28 : at + 58] == packet
    assert len(data) == at + length


@pytest.mark.parametrize("change", ["", "content", "more"])
def test_two_simulations_are_compared_file_by_file(tmp_path: Path, change: str) -> None:
    own, data = tmp_path / "services" / "a", tmp_path / "data"
    own.mkdir(parents=True)
    (own / "given").write_text("1")
    places = Places({"a": own}, data, tmp_path / "twice")
    places.remember()
    for number in range(2):
        assert sorted(each.name for each in own.iterdir()) == ["given"], "the second begins as the first did"
        (own / "made").write_text("x" * (number + 1) if change == "content" else "x")
        (own / "given").write_text("2")
        data.mkdir()
        if change != "more" or number:
            (data / "eth0.pcap").write_text("p")
        if not number:
            places.put_aside()
    check = places.compare(7)
    if not change:
        assert (check.verdict, check.evidence) == (Verdict.PASS, "3 files are the same in two simulations with seed 7")
        assert not (tmp_path / "twice").exists()
        return
    assert check.verdict is Verdict.FAIL
    named = "services/a/made (sha256" if change == "content" else "simulator/eth0.pcap, which only one"
    assert f"differ, first in {named}" in check.evidence
    assert (tmp_path / "twice" / "first" / "services" / "a" / "made").read_text() == "x"


EXPERIMENT = """
name: sim
protocol: minip
network_environment: shadow_ns
test_cases:
  - name: ping
    implementation: ping-pong-py
"""


REFUSED = {
    "links: {client-server: {jitter: 5ms, delay: 10ms}}": "shadow_ns cannot do jitter",
    "execution_environments: [strace]": "strace cannot watch a service in shadow_ns; there shadow_syscalls can",
    "type: performance": "shadow_ns carries a case out as a whole",
    "network_environment: {type: shadow_ns, shadow: {experimental: {strace_logging_mode: off}}}": "is set by PANTHER",
    "network_environment: {type: shadow_ns, shadow: {latency: 0}}": "latency must be more than 0",
    "{network_environment: localhost, execution_environments: [shadow_syscalls]}": "works in shadow_ns only",
}


def test_what_cannot_be_simulated_is_refused_before_the_run(panther_project: MakeProject) -> None:
    cases = "".join(
        f"  - {{name: case{number}, implementation: ping-pong-py, {more.strip('{}') if more[0] == '{' else more}}}\n"
        for number, more in enumerate(REFUSED)
    )
    text = EXPERIMENT.partition("  - name")[0] + cases
    panther_project({"e.yaml": text}).run("validate e.yaml").assert_exit(2, *REFUSED.values())


def test_without_shadow_it_is_said_where_to_get_it(panther_project: MakeProject) -> None:
    path = os.pathsep.join(each for each in os.environ["PATH"].split(os.pathsep) if not Path(each, "shadow").exists())
    outcome = panther_project({"e.yaml": EXPERIMENT}).run("run e.yaml", environ={"PATH": path})
    outcome.assert_verdicts({"ping": "error"})
    assert "tool shadow, for shadow_ns: it has no package: build Shadow 3 or later" in outcome.cases()[0]["why"]


def test_the_configuration_is_json_which_is_yaml() -> None:
    services = [launch("a"), launch("b_1", "a", ends=True)]
    options = ShadowOptions(shadow=ShadowSettings(hosts={"a": Host(log_level="debug")}))
    simulation = Simulation(
        seed=7,
        stop_time=60.0,
        times=times_of(services, options, 60.0),
        capture=True,
        capture_length=100,
        settings=options.shadow,
        traced=True,
    )
    found = json.loads(configuration(simulation, services, {"a": 0, "b_1": 0}))
    assert (found["general"]["seed"], found["general"]["stop_time"]) == (7, "60000000000 ns")
    assert found["host_option_defaults"] == {"pcap_enabled": True, "pcap_capture_size": "100 B"}
    (process,) = found["hosts"]["b-1"]["processes"]
    assert (process["start_time"], process["args"]) == ("1000000000 ns", ["--chdir=/x", "--", "true"])
    assert found["hosts"]["a"]["host_options"] == {"log_level": "debug"}
    assert found["hosts"]["a"]["processes"][0]["shutdown_time"] == "57000000000 ns"
