"""The environment with real programs in real namespaces: who reaches whom, what is refused, and what is left."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import attrs
import pytest
from panther_env_netns.environment import NetnsEnvironment
from panther_env_netns.options import NetnsOptions
from panther_env_netns.privilege import has_privileges, why_refused
from panther_env_netns.topology import Topology

from panther_core.testing import MakeProject, RecordingContext, recording_context
from panther_hookspecs import (
    Bytes,
    ControlGroup,
    Endpoint,
    EnvironmentUnavailableError,
    NetworkPlan,
    Process,
    Readiness,
    ResourceLimits,
    ServiceCommand,
    ServiceLaunch,
    ServiceNotReadyError,
    ServicePlan,
    ServiceSpec,
    ShellCommand,
    TestExecutionError,
    why_not,
)

TOOLS = [tool for tool in ("ip", "tc", "unshare", "nsenter") if shutil.which(tool) is None]
pytestmark = pytest.mark.skipif(bool(TOOLS), reason=f"needs {', '.join(TOOLS)}")

SOON = 20.0
PORT = 443
SERVER = """
import socket
with socket.create_server(("::", 443), family=socket.AF_INET6, dualstack_ipv6=True) as listener:
    while True:
        connection, peer = listener.accept()
        connection.sendall(peer[0].removeprefix("::ffff:").encode())
        connection.close()
"""
CLIENT = """
import socket, sys
for place in sys.argv[1:]:
    with socket.create_connection((place, 443), timeout=10) as connection:
        print(connection.recv(100).decode())
"""
FOREVER = ("sleep", "3600")


@attrs.define
class World:
    """An environment with a context of its own, and services made for one test."""

    context: RecordingContext
    environment: NetnsEnvironment
    launches: dict[str, ServiceLaunch] = attrs.field(factory=dict)

    def plan(self, *names: str) -> Mapping[str, Endpoint]:
        specs = [
            ServiceSpec(
                name=name,
                role=name,
                ports={"port": PORT},
                transport="tcp",
                plan=ServicePlan(run=ShellCommand("program")),
            )
            for name in names
        ]
        assert [str(problem) for problem in self.environment.preflight(specs)] == []
        endpoints = self.environment.plan_addresses(specs)
        self.environment.setup_environment(NetworkPlan())
        for name, endpoint in endpoints.items():
            folder = self.context.attempt / "services" / name
            folder.mkdir(parents=True)
            self.launches[name] = ServiceLaunch(
                name=name, command=ServiceCommand(program=ShellCommand("true")), folder=folder, endpoint=endpoint
            )
        return endpoints

    def start(self, name: str, *argv: object, **more: Any) -> Process:
        program = ShellCommand(str(argv[0]), argv[1:], env=more.pop("env", {}))
        launch = attrs.evolve(self.launches[name], command=ServiceCommand(program=program), **more)
        return self.environment.start_service(launch)

    def python(self, name: str, script: str, *args: object, **more: Any) -> Process:
        return self.start(name, sys.executable, "-I", "-c", script, *args, **more)

    def serve(self, name: str) -> Process:
        process = self.python(name, SERVER, ready=Readiness(kind="tcp"))
        self.environment.wait_for_service_ready(name, SOON)
        return process

    def said(self, name: str, *places: str) -> list[str]:
        """Return the addresses that servers at these places see when ``name`` connects to them."""
        status = self.python(name, CLIENT, *places, ends_by_itself=True).wait(SOON)
        folder = self.launches[name].folder
        assert status is not None, "the client never ended"
        assert status.ok, (folder / "stderr").read_text()
        return (folder / "stdout").read_text().split()

    def inside(self, name: str, *argv: str) -> str:
        return self.environment.execute(name, ShellCommand(argv[0], argv[1:])).stdout


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Callable[..., World]]:
    with recording_context(tmp_path, name="network") as context:
        made: list[NetnsEnvironment] = []

        def _make(**options: Any) -> World:
            made.append(NetnsEnvironment(context, NetnsOptions(**options)))
            return World(context, made[-1])

        yield _make
        for each in made:
            each.teardown_environment()
            assert list(each.verify_clean()) == []


@pytest.fixture
def world(make: Callable[..., World]) -> World:
    return make()


@pytest.mark.parametrize("others", [("client",), ("client", "third")])
def test_services_find_each_other_by_name_and_by_either_address(world: World, others: tuple[str, ...]) -> None:
    endpoint = world.plan("server", *others)["server"]
    world.serve("server")
    own = world.launches[others[-1]].endpoint
    assert world.said(others[-1], "server", endpoint.ip, endpoint.ip6) == [own.ip6, own.ip, own.ip6]
    assert endpoint.hostname == "server"


def test_packets_find_their_way_through_routers(make: Callable[..., World]) -> None:
    world = make(
        network_topology=Topology(
            connections=("client-r1", "r1-r2", "r2-lan", "lan-server"), routers=("r1", "r2"), switches=("lan",)
        )
    )
    endpoint = world.plan("server", "client")["server"]
    world.serve("server")
    client = world.launches["client"].endpoint
    assert world.said("client", endpoint.ip, endpoint.ip6) == [client.ip, client.ip6]
    world.start("client", *FOREVER)
    assert "via" in world.inside("client", "ip", "route", "get", endpoint.ip)


def test_those_between_pass_packets_on_in_a_line(make: Callable[..., World]) -> None:
    world = make(network_topology={"shape": "line"})
    endpoints = world.plan("a", "b", "c", "d")
    world.serve("a")
    assert world.said("d", endpoints["a"].ip) == [endpoints["d"].ip]


def test_fifty_services_on_one_switch(world: World) -> None:
    names = [f"n{number}" for number in range(50)]
    endpoints = world.plan(*names)
    world.serve("n0")
    assert world.said("n49", endpoints["n0"].ip) == [endpoints["n49"].ip]


def test_nobody_else_is_in_the_namespace_of_a_service(world: World) -> None:
    world.plan("one", "two")
    world.start("one", *FOREVER)
    names = {
        line.split()[1].rstrip(":").partition("@")[0] for line in world.inside("one", "ip", "-o", "link").splitlines()
    }
    assert names == {"lo", "eth0"}
    assert Path("/proc/net/dev").read_text() != world.inside("one", "cat", "/proc/net/dev")


def test_names_of_a_case_are_not_seen_outside(world: World) -> None:
    world.plan("surely-not-in-hosts", "two")
    world.start("two", *FOREVER)
    assert "surely-not-in-hosts" in world.inside("two", "cat", "/etc/hosts")
    assert "surely-not-in-hosts" not in Path("/etc/hosts").read_text()


def test_a_service_runs_as_the_same_user_in_its_own_folder_and_may_take_a_small_port(world: World) -> None:
    world.plan("one")
    world.python("one", SERVER, env={"SERVICE_SAYS": "hello"}, ready=Readiness(kind="tcp"))
    world.environment.wait_for_service_ready("one", SOON)
    assert world.inside("one", "sh", "-c", "id -u; pwd; echo $SERVICE_SAYS").split() == [
        str(os.getuid()),
        str(world.launches["one"].folder),
        "hello",
    ]


@pytest.mark.skipif(has_privileges(), reason="only without privileges")
def test_an_ordinary_user_may_look_like_root_inside(make: Callable[..., World]) -> None:
    world = make(map_to_root=True)
    world.plan("one")
    world.start("one", *FOREVER)
    assert world.inside("one", "id", "-u").split() == ["0"]
    assert world.environment.execute("one", ShellCommand("ip", ("link", "set", "lo", "down"))).exit_code == 0


def test_a_probe_runs_beside_the_service(world: World) -> None:
    world.plan("one", "two")
    world.serve("one")
    probe = ShellCommand(sys.executable, ("-c", "import socket; socket.create_connection(('127.0.0.1', 443), 5)"))
    world.python("two", SERVER, ready=Readiness(kind="command", command=probe))
    world.environment.wait_for_service_ready("two", SOON)
    world.start("one", *FOREVER, ready=Readiness(kind="command", command=ShellCommand("false")))
    with pytest.raises(ServiceNotReadyError, match="did not succeed"):
        world.environment.wait_for_service_ready("one", 0.2)


def test_a_socket_on_the_same_port_outside_makes_nobody_ready(world: World) -> None:
    world.plan("one", "two")
    world.serve("two")
    world.start("one", *FOREVER, ready=Readiness(kind="tcp"))
    with pytest.raises(ServiceNotReadyError, match=r"no tcp socket at 10\.0\.0\.1:443"):
        world.environment.wait_for_service_ready("one", 0.2)


@pytest.mark.parametrize("program", ["no-such-program", "./no-such-program", "/etc/passwd"])
def test_a_program_that_cannot_start_is_named(world: World, program: str) -> None:
    world.plan("one")
    with pytest.raises(EnvironmentUnavailableError, match=f"service one could not start: {program}"):
        world.start("one", program)


def test_limits_hold_for_the_program(world: World) -> None:
    world.plan("one")
    script = "import os, resource; print(resource.getrlimit(resource.RLIMIT_NOFILE)[1], len(os.sched_getaffinity(0)))"
    process = world.python("one", script, limits=ResourceLimits(files=64, cpu=1.0), ends_by_itself=True)
    assert process.wait(SOON)
    assert (world.launches["one"].folder / "stdout").read_text().split() == ["64", "1"]


def test_clean_removes_the_control_group_of_a_dead_run_and_tells_it_once(panther_project: MakeProject) -> None:
    limits = ResourceLimits(cpu=0.5)
    if why_not(limits):
        pytest.skip("only with the right to make control groups")
    group = ControlGroup.beside(os.getpid(), f"panther-dead-{uuid.uuid4().hex[:12]}", limits)
    (folder,) = group.folders.values()
    try:
        outcome = panther_project({}).run("clean")
        outcome.assert_ok()
        assert outcome.stdout.count(str(folder)) == 1
        assert not folder.exists()
    finally:
        group.remove()


def test_limits_of_control_groups_are_kept_where_they_may_be_made_and_refused_elsewhere(
    make: Callable[..., World],
) -> None:
    limits = ResourceLimits(cpu=0.5, processes=20, memory=Bytes(1 << 28))
    world = make(resource_limits={"one": limits})
    spec = ServiceSpec(name="one", role="one", plan=ServicePlan(run=ShellCommand("true")))
    problems = [str(each) for each in world.environment.preflight([spec])]
    if why_not(limits):
        assert "cannot give 0.5 of a processor here" in problems[0]
        assert "control groups of the kernel, and this user may make none" in problems[0]
        return
    assert not problems
    world.plan("one")
    process = world.python("one", "print(open('/proc/self/cgroup').read())", limits=limits, ends_by_itself=True)
    assert process.wait(SOON)
    groups = (world.launches["one"].folder / "stdout").read_text()
    assert f"/panther-{world.context.run_id}-" in groups
    world.environment.teardown_environment()
    assert list(world.environment.verify_clean()) == []


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"service_dependencies": {"one": ("nobody",)}}, "service_dependencies names the service 'nobody'"),
        ({"deployment_target": "cloud"}, "netns cannot deploy to 'cloud'"),
        ({"network_topology": {"connections": ("one-two",)}}, "'one-two' does not join two nodes"),
    ],
)
def test_what_cannot_be_kept_is_refused_before_anything_starts(
    make: Callable[..., World], options: dict[str, Any], said: str
) -> None:
    spec = ServiceSpec(name="one", role="one", plan=ServicePlan(run=ShellCommand("true")))
    problems = [str(each) for each in make(environment_name="netns", **options).environment.preflight([spec])]
    assert any(said in each for each in problems), problems


def test_a_stranger_in_a_namespace_is_found(world: World) -> None:
    world.plan("one")
    world.start("one", *FOREVER)
    world.environment.execute("one", ShellCommand("true"))
    assert any("in the namespace of one" in each for each in world.environment.verify_clean())
    world.environment.teardown_environment()
    assert list(world.environment.verify_clean()) == []


def test_nothing_runs_before_the_network_is_there(world: World) -> None:
    world.environment.plan_addresses([ServiceSpec(name="one", role="one", plan=ServicePlan(run=ShellCommand("true")))])
    endpoint = Endpoint(name="one", ip="10.0.0.1")
    launch = ServiceLaunch(
        name="one",
        command=ServiceCommand(program=ShellCommand("true")),
        folder=world.context.attempt,
        endpoint=endpoint,
    )
    with pytest.raises(TestExecutionError, match="one has no namespace"):
        world.environment.start_service(launch)


def test_a_network_that_cannot_be_made_says_why(world: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    refusing = tmp_path / "bin" / "ip"
    refusing.parent.mkdir()
    refusing.write_text("#!/bin/sh\necho 'RTNETLINK answers: Operation not supported' >&2\nexit 2\n")
    refusing.chmod(0o755)
    monkeypatch.setenv("PATH", f"{refusing.parent}:{os.environ['PATH']}")
    with pytest.raises(EnvironmentUnavailableError, match="RTNETLINK answers: Operation not supported"):
        world.plan("one")


def test_a_sandbox_without_namespaces_is_named_as_such() -> None:
    said = why_refused("netns", "unshare: unshare failed: Operation not permitted\n")
    assert said.splitlines()[:2] == [
        "netns could not make the network",
        "  because unshare: unshare failed: Operation not permitted",
    ]
    assert "try: as root" in said


EXPERIMENT = """
name: held
network_environment: netns
capture: true
links: {"*": {delay: 1ms}}
test_cases:
  - name: sleepers
    services:
      a: {implementation: command, argv: [sh, -c, "setsid sleep MARK & echo up; sleep MARK"], ends_by_itself: true}
      b: {implementation: command, argv: [sleep, 'MARK']}
      c: {implementation: command, argv: [sleep, 'MARK']}
"""


def holders(mark: str) -> list[int]:
    """Return the processes with ``mark`` in their arguments."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):  # it has ended
            if mark.encode() in path.read_bytes() and int(path.parent.name) != os.getpid():
                found.append(int(path.parent.name))
    return found


def eventually(true: Callable[[], bool]) -> bool:
    end = time.monotonic() + SOON
    while not true():
        if time.monotonic() > end:
            return False
        time.sleep(0.01)
    return True


@pytest.mark.parametrize("processes", [2, 4, 7, 10])
def test_nothing_is_left_when_panther_is_killed(panther_project: MakeProject, processes: int) -> None:
    mark = f"{4000 + os.getpid() % 1000}.{time.time_ns() % 10_000_000}{processes}"
    project = panther_project({"held.yaml": EXPERIMENT.replace("MARK", mark)})
    panther = Path(sys.executable).with_name("panther")
    if not panther.exists():
        pytest.skip("needs the console script")
    with subprocess.Popen(
        [panther, "run", "held.yaml", "--output", mark], cwd=project.folder, stdout=subprocess.DEVNULL
    ) as running:
        assert eventually(lambda: len(holders(mark)) >= processes)
        made = namespaces(holders(mark)) - namespaces([os.getpid()])
        running.send_signal(signal.SIGKILL)
        killed = time.clock_gettime(time.CLOCK_BOOTTIME)
    assert eventually(lambda: not holders(mark))
    assert made or processes < 4  # the first of them may not have begun yet
    assert eventually(lambda: not any(born_before(pid, killed) for pid in inhabitants(made)))


def inhabitants(inodes: set[int]) -> Iterator[int]:
    for each in Path("/proc").glob("[0-9]*"):
        if namespaces([int(each.name)]) & inodes:
            yield int(each.name)


def born_before(pid: int, moment: float) -> bool:
    """Return whether ``pid`` is old enough: a new namespace may have got the number of one that has gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return False
    return int(fields[19]) / os.sysconf("SC_CLK_TCK") < moment


def namespaces(pids: Iterable[int]) -> set[int]:
    found = set()
    for pid in pids:
        with contextlib.suppress(OSError):  # it has ended
            found.add(Path(f"/proc/{pid}/ns/net").stat().st_ino)
    return found


def test_two_runs_at_once_have_the_same_addresses_and_do_not_meet(panther_project: MakeProject) -> None:
    text = """
name: twins
network_environment: netns
repeat: 4
test_cases:
  - name: twin
    services:
      server: {implementation: command, argv: [PYTHON, -I, -c, SERVER], ready: {kind: log, pattern: up}}
      client: {implementation: command, argv: [PYTHON, -I, -c, CLIENT], ends_by_itself: true, target: server}
    checks: [{log: {service: client, matches: "{name}"}}]
"""
    server = (
        "import socket; s = socket.create_server(('', 443)); print('up', flush=True); [s.accept() for _ in range(9)]"
    )
    client = "import socket; print(socket.create_connection(('server', 443), 5).getpeername())"
    text = (
        text.replace("SERVER", f'"{server}"')
        .replace("CLIENT", f'"{client}"')
        .replace("PYTHON", sys.executable)
        .replace('"{name}"', '"10.0.0.1"')
    )
    outcome = panther_project({"twins.yaml": text}).run("run twins.yaml -j 4")
    outcome.assert_verdicts({"twin": ["pass"] * 4})
