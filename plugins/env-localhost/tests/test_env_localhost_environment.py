"""The environment with real programs: readiness and its messages, limits, order, and what it refuses."""

from __future__ import annotations

import os
import re
import socket
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import attrs
import pytest
from panther_env_localhost.environment import LocalhostEnvironment
from panther_env_localhost.options import LocalhostOptions

from panther_core.testing import RecordingContext, recording_context
from panther_hookspecs import (
    Bytes,
    Endpoint,
    NetworkPlan,
    Process,
    Readiness,
    ResourceLimits,
    Seconds,
    ServiceCommand,
    ServiceLaunch,
    ServiceNotReadyError,
    ServicePlan,
    ServiceReadyEvent,
    ServiceSpec,
    ShellCommand,
    TestExecutionError,
    UnsupportedError,
    abandoned_groups,
    why_not,
)
from panther_hookspecs._limits import limited

SOON = 20.0
PORT = 10000 + os.getpid() % 10000
"""A port on all addresses belongs to one test at a time."""
BIND = """
import socket, sys, time
time.sleep(0.1)
own = socket.socket(socket.AF_INET6 if ":" in sys.argv[2] else socket.AF_INET, getattr(socket, sys.argv[1]))
own.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
own.bind((sys.argv[2], int(sys.argv[3])))
if sys.argv[1] == "SOCK_STREAM":
    own.listen()
time.sleep(600)
"""
HIDDEN = """
import os, time
if os.fork():
    os._exit(0)
os.setsid()
time.sleep(600)
"""


@attrs.define
class World:
    """An environment with a context of its own, and services made for one test."""

    context: RecordingContext
    environment: LocalhostEnvironment
    endpoints: dict[str, Endpoint] = attrs.field(factory=dict)

    def plan(self, *names: str, **more: Any) -> Mapping[str, Endpoint]:
        specs = [
            ServiceSpec(
                name=name, role=name, ports={"port": PORT}, plan=ServicePlan(run=ShellCommand("program"), **more)
            )
            for name in names
        ]
        assert [str(problem) for problem in self.environment.preflight(specs)] == []
        self.endpoints = dict(self.environment.plan_addresses(specs))
        self.environment.setup_environment(NetworkPlan())
        return self.endpoints

    def launch(self, name: str, *argv: object, **more: Any) -> ServiceLaunch:
        folder = self.context.attempt / "services" / name
        folder.mkdir(parents=True, exist_ok=True)
        program = ShellCommand(str(argv[0]), argv[1:], env=more.pop("env", {}))
        return ServiceLaunch(
            name=name, command=ServiceCommand(program=program), folder=folder, endpoint=self.endpoints[name], **more
        )

    def start(self, *argv: object, name: str = "one", **more: Any) -> Process:
        if name not in self.endpoints:
            self.plan(name)
        return self.environment.start_service(self.launch(name, *argv, **more))

    def python(self, script: str, *args: object, **more: Any) -> Process:
        return self.start(sys.executable, "-I", "-c", script, *args, **more)

    def refusal(self, timeout: float = SOON) -> str:
        with pytest.raises(ServiceNotReadyError) as caught:
            self.environment.wait_for_service_ready("one", timeout)
        return str(caught.value)


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Callable[..., World]]:
    with recording_context(tmp_path, name="network") as context:
        made: list[LocalhostEnvironment] = []

        def _make(**options: Any) -> World:
            made.append(LocalhostEnvironment(context, LocalhostOptions(**options)))
            return World(context, made[-1])

        yield _make
        for each in made:
            each.teardown_environment()
            each.teardown_environment()
            assert list(each.verify_clean()) == []


@pytest.fixture
def world(make: Callable[..., World]) -> World:
    return make()


@pytest.mark.parametrize(("kind", "transport"), [("SOCK_DGRAM", "udp"), ("SOCK_STREAM", "tcp")])
@pytest.mark.parametrize("place", ["own", "mapped", "0.0.0.0", "::"])
def test_a_service_is_ready_when_it_has_a_socket_on_its_port(
    world: World, kind: str, transport: str, place: str
) -> None:
    endpoint = world.plan("one")["one"]
    where = {"own": endpoint.ip, "mapped": f"::ffff:{endpoint.ip}"}.get(place, place)
    began = time.monotonic()
    world.python(BIND, kind, where, PORT, ready=Readiness(kind=transport))
    world.environment.wait_for_service_ready("one", SOON)
    assert time.monotonic() - began >= 0.1


def test_a_service_may_decline_before_it_is_ready(world: World) -> None:
    world.plan("one")
    world.start("sh", "-c", "echo I have no such thing >&2; exit 127", ready=Readiness(kind="udp", declines=127))
    with pytest.raises(UnsupportedError, match=r"one declines with exit code 127\n.*I have no such thing"):
        world.environment.wait_for_service_ready("one", SOON)


def test_what_runs_in_an_image_alone_is_refused(world: World) -> None:
    plan = ServicePlan(run=ShellCommand("true"), only_in="some:image")
    problems = list(world.environment.preflight([ServiceSpec(name="one", role="server", plan=plan)]))
    assert [each.fix for each in problems] == ["docker_compose"]
    assert "one runs in the image some:image alone" in problems[0].what


def test_a_socket_of_somebody_else_makes_nobody_ready(world: World) -> None:
    world.plan("one")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        stranger.bind(("127.0.0.1", 0))
        port = stranger.getsockname()[1]
        world.endpoints["one"] = attrs.evolve(world.endpoints["one"], ip="127.0.0.1", ports={"port": port})
        world.start("sleep", 600, ready=Readiness(kind="udp"))
        said = world.refusal(0.2)
    assert said == (
        f"service one was not ready in the 0.2 s that were left: no udp socket at 127.0.0.1:{port}\n"
        "  try: a longer timeout, or another way to see that it is ready"
    )


def test_a_socket_of_a_child_counts(world: World) -> None:
    ip = world.plan("one")["one"].ip
    world.start(
        "sh",
        "-c",
        '"$@" & wait',
        "sh",
        sys.executable,
        "-I",
        "-c",
        BIND,
        "SOCK_DGRAM",
        ip,
        PORT,
        ready=Readiness(kind="udp"),
    )
    world.environment.wait_for_service_ready("one", SOON)


def test_an_ipv6_service_is_found_on_its_shared_port(make: Callable[..., World]) -> None:
    world = make()
    endpoint = world.plan("one", files={"config": b"{self.ip6}"})["one"]
    assert (endpoint.ip, endpoint.ip6) == ("127.0.0.1", "::1")
    world.python(BIND, "SOCK_STREAM", "::1", endpoint.ports["port"], ready=Readiness(kind="tcp"))
    world.environment.wait_for_service_ready("one", SOON)


@pytest.mark.parametrize("stream", ["1", "2"])
def test_a_printed_pattern_makes_ready_even_if_it_comes_in_pieces(world: World, stream: str) -> None:
    script = f"printf 'server re' >&{stream}; sleep 0.1; echo 'ady on 80' >&{stream}; exec sleep 600"
    world.start("sh", "-c", script, ready=Readiness(kind="log", pattern=r"^server ready on \d+$"))
    world.environment.wait_for_service_ready("one", SOON)


def test_what_a_former_start_has_printed_makes_nobody_ready(world: World) -> None:
    ready = Readiness(kind="log", pattern="ready")
    world.start("sh", "-c", "echo ready; exec sleep 600", ready=ready).kill()
    world.start("sleep", 600, ready=ready)
    assert "nothing printed that matches 'ready'" in world.refusal(0.2)


def test_a_command_is_repeated_until_it_succeeds(world: World, tmp_path: Path) -> None:
    probe = ShellCommand("test", ("-e", tmp_path / "there"))
    world.start(
        "sh", "-c", f"sleep 0.1; touch {tmp_path}/there; exec sleep 600", ready=Readiness(kind="command", command=probe)
    )
    world.environment.wait_for_service_ready("one", SOON)
    assert (tmp_path / "there").exists()


def test_a_command_that_never_succeeds_is_quoted(world: World) -> None:
    probe = ShellCommand("sh", ("-c", "echo not yet >&2; exit 9"))
    world.start("sleep", 600, ready=Readiness(kind="command", command=probe))
    said = world.refusal(0.2)
    assert "sh -c 'echo not yet >&2; exit 9' did not succeed (last: exit code 9: not yet)" in said


def test_a_fixed_delay_is_kept(world: World) -> None:
    world.start("sleep", 600, ready=Readiness(kind="delay", delay=Seconds(0.2)))
    began = time.monotonic()
    world.environment.wait_for_service_ready("one", SOON)
    assert time.monotonic() - began >= 0.19


def test_an_early_end_is_told_with_probe_time_status_and_last_words(world: World) -> None:
    script = "sleep 0.1; for n in 1 2 3 4; do echo line $n >&2; done; exit 3"
    world.start("sh", "-c", script, ready=Readiness(kind="udp"))
    began = time.monotonic()
    said = world.refusal(600)
    assert time.monotonic() - began < SOON
    pattern = (
        r"service one ended before it was ready, after \d\.\d\d s: exit code 3 "
        r"\(no udp socket at 127[0-9.]+:\d+\)\n  stderr ends with: line 2 \| line 3 \| line 4"
    )
    assert re.fullmatch(pattern, said), said


def test_a_service_without_probe_that_has_ended_already_is_not_ready(world: World) -> None:
    world.start("sh", "-c", "exit 3").wait(SOON)
    assert "exit code 3" in world.refusal()


def test_a_client_that_is_done_before_anybody_looked_was_ready(world: World) -> None:
    world.start("true", ends_by_itself=True, ready=Readiness(kind="udp")).wait(SOON)
    world.environment.wait_for_service_ready("one", SOON)


def test_a_service_that_hides_in_the_background_is_told_to_stay(world: World) -> None:
    world.python(HIDDEN, ready=Readiness(kind="log", pattern="never"))
    assert "option to stay in the foreground" in world.refusal()


def test_a_port_taken_on_all_addresses_leads_to_the_other_kind_of_addresses(world: World) -> None:
    world.start("sh", "-c", "echo bind: Address already in use >&2; exit 1", ready=Readiness(kind="udp"))
    assert "try: addresses: ports" in world.refusal()


def test_limits_hold_for_the_program(world: World) -> None:
    script = "import os, resource; print(resource.getrlimit(resource.RLIMIT_NOFILE)[1], len(os.sched_getaffinity(0)))"
    process = world.python(script, limits=ResourceLimits(files=64, cpu=1.0), ends_by_itself=True)
    assert process.wait(SOON)
    text = (world.context.attempt / "services" / "one" / "stdout").read_text()
    assert text.split() == ["64", "1"]


def test_a_limit_stops_a_program_that_wants_more(world: World) -> None:
    limits = ResourceLimits(memory=Bytes(200 << 20))
    process = world.python("bytearray(b'x') * (1 << 30)", limits=limits, ends_by_itself=True)
    status = process.wait(SOON)
    assert status is not None
    if not why_not(limits):
        assert str(status) == "oom (signal 9)"
    else:
        assert "MemoryError" in (world.context.attempt / "services" / "one" / "stderr").read_text()


def test_without_a_control_group_the_address_space_is_limited() -> None:
    limits = ResourceLimits(memory=Bytes(1 << 30), files=7, cpu=1.0)
    words = limited(ServiceCommand(program=ShellCommand("true")), limits, 0).argv
    assert words[:4] == ("prlimit", "--nofile=7", f"--as={1 << 30}", "--")


def test_what_only_a_control_group_can_limit_is_kept_in_one_that_goes_away(world: World) -> None:
    limits = ResourceLimits(cpu=0.5, processes=20)
    if why_not(limits):
        pytest.skip("needs root")
    process = world.python("print(open('/proc/self/cgroup').read())", limits=limits, ends_by_itself=True)
    assert process.wait(SOON)
    groups = (world.context.attempt / "services" / "one" / "stdout").read_text().splitlines()
    own = [line for line in groups if f"/panther-{world.context.run_id}-" in line]
    assert own, groups
    folder = next(iter(process.group.folders.values()))  # type: ignore[attr-defined]
    assert [each.what for each in abandoned_groups() if each.run_id == world.context.run_id], "as it would be found"
    world.environment.teardown_environment()
    assert not folder.exists()


def test_who_may_make_no_control_group_is_told_so(make: Callable[..., World]) -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root")
    spec = ServiceSpec(name="one", role="one", plan=ServicePlan(run=ShellCommand("true")))
    environment = make(resource_limits={"one": ResourceLimits(cpu=0.5)}).environment
    os.seteuid(65534)
    try:
        (problem,) = map(str, environment.preflight([spec]))
    finally:
        os.seteuid(0)
    assert "cannot give 0.5 of a processor here" in problem
    assert "control groups of the kernel, and this user may make none" in problem


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (
            {"resource_limits": {"nobody": ResourceLimits(files=3)}},
            "the service 'nobody', which this case does not have",
        ),
        ({"service_dependencies": {"one": ("nobody",)}}, "service_dependencies names the service 'nobody'"),
        ({"network_topology": {"nodes": 2}}, "has no topology"),
        ({"deployment_target": "cloud"}, "cannot deploy to 'cloud'"),
        ({"first_port": 30, "last_port": 20}, "last_port is smaller than first_port"),
    ],
)
def test_what_cannot_be_kept_is_refused_before_anything_starts(
    make: Callable[..., World], options: dict[str, Any], said: str
) -> None:
    spec = ServiceSpec(name="one", role="one", plan=ServicePlan(run=ShellCommand("true")))
    problems = [str(problem) for problem in make(**options).environment.preflight([spec])]
    assert len(problems) == 1
    assert said in problems[0]


def test_services_start_after_those_they_depend_on(make: Callable[..., World]) -> None:
    world = make()
    world.plan("a", "b", "c")
    needs = {"a": ("b",), "b": ("c",), "c": ()}
    world.environment.deploy_services([world.launch(name, "sleep", 600, depends_on=needs[name]) for name in "abc"])
    ready = [event.service_name for event in world.context.events if isinstance(event, ServiceReadyEvent)]
    assert ready == ["c", "b", "a"]
    assert world.environment.get_environment_status()["services"] == {"c": "running", "b": "running", "a": "running"}


def test_a_command_runs_with_the_folder_and_the_variables_of_its_service(world: World) -> None:
    world.start("sleep", 600, env={"SERVICE_SAYS": "hello"})
    command = ShellCommand("sh", ("-c", "pwd; echo $SERVICE_SAYS $OWN"), env={"OWN": "x"})
    result = world.environment.execute("one", command)
    assert result.stdout.split() == [str(world.context.attempt / "services" / "one"), "hello", "x"]


def test_a_service_that_was_never_started_is_an_error_that_names_the_others(world: World) -> None:
    world.start("sleep", 600)
    with pytest.raises(TestExecutionError, match=r"service two was not started \(started: one\)"):
        world.environment.execute("two", ShellCommand("true"))


def test_living_processes_are_found_and_ended_by_tear_down(world: World) -> None:
    process = world.start("sh", "-c", "sleep 600 & wait")
    assert f"process {process.pid} of service one" in list(world.environment.verify_clean())
    world.environment.teardown_environment()
    assert list(world.environment.verify_clean()) == []
    assert process.exit is not None


def test_a_port_that_everybody_else_has_is_replaced_and_that_is_noted(world: World) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        stranger.bind(("0.0.0.0", 0))
        port = stranger.getsockname()[1]
        spec = ServiceSpec(name="one", role="one", ports={"port": port}, plan=ServicePlan(run=ShellCommand("true")))
        endpoint = world.environment.plan_addresses([spec])["one"]
    assert endpoint.ip == "127.0.0.1"
    assert endpoint.ports["port"] != port
    assert any("other ports are used" in note for note in world.context.notes)


@pytest.mark.parametrize(("level", "told"), [("debug", True), ("info", False)])
def test_details_are_noted_at_their_level(make: Callable[..., World], level: str, told: bool) -> None:
    world = make(logging_level=level)
    world.plan("one")
    assert any("one is at 127." in note for note in world.context.notes) is told
