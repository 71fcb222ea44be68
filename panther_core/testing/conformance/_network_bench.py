"""A bench for network environments: one of them with a context of its own, and services made for the test."""

from __future__ import annotations

import contextlib
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs

from panther_core.testing.context import RecordingContext, recording_context
from panther_hookspecs import (
    Endpoint,
    LinkDescriptor,
    LinkSpec,
    NetworkEnvironmentDescriptor,
    NetworkEnvironmentInterface,
    NetworkPlan,
    Process,
    Readiness,
    ResourceLimits,
    Seconds,
    ServiceCommand,
    ServiceLaunch,
    ServicePlan,
    ServiceSpec,
    ShellCommand,
)

TCP_SERVER = """
import socket, sys
with socket.create_server((sys.argv[1], int(sys.argv[2])), family=socket.AF_INET) as listener:
    while True:
        connection, _ = listener.accept()
        with connection:
            connection.sendall(connection.recv(100))
"""
TCP_CLIENT = """
import socket, sys
with socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=10) as connection:
    connection.sendall(b"marco")
    print(connection.recv(100).decode())
"""
UDP_SERVER = """
import socket, sys
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as own:
    own.bind((sys.argv[1], int(sys.argv[2])))
    while True:
        data, other = own.recvfrom(2000)
        own.sendto(data, other)
"""
UDP_CLIENT = """
import socket, sys
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as own:
    own.settimeout(0.5)
    for _ in range(20):
        own.sendto(b"marco", (sys.argv[1], int(sys.argv[2])))
        try:
            print(own.recvfrom(2000)[0].decode())
            break
        except (TimeoutError, ConnectionError):
            pass
    else:
        sys.exit("no answer")
"""


@attrs.frozen(kw_only=True)
class Wanted:
    """One service of a test: a program, and how the engine would treat it; ``{name.ip}`` stands for an address."""

    name: str
    argv: tuple[str, ...]
    ports: Mapping[str, int] = attrs.field(factory=dict)
    transport: str = "tcp"
    ready: Readiness = Readiness()
    ends_by_itself: bool = False
    output_limit: int = 1 << 20
    limits: ResourceLimits = ResourceLimits()


@attrs.define
class Bench:
    """A network environment between `addresses` and its tear-down, with the services of one test."""

    descriptor: NetworkEnvironmentDescriptor
    options: Any
    context: RecordingContext
    image: str = ""
    environment: NetworkEnvironmentInterface = attrs.field(init=False)
    launches: dict[str, ServiceLaunch] = attrs.field(factory=dict, init=False)
    processes: dict[str, Process] = attrs.field(factory=dict, init=False)

    def __attrs_post_init__(self) -> None:
        """Make the environment as the engine makes it."""
        self.environment = self.descriptor.factory(self.context, self.options)
        self.environment.descriptor = self.descriptor

    def specs(self, services: Sequence[Wanted]) -> tuple[ServiceSpec, ...]:
        """Return the services as they are before addresses are known."""
        return tuple(
            ServiceSpec(
                name=each.name,
                role=each.name,
                ports=each.ports,
                transport=each.transport,
                image=self.image,
                plan=ServicePlan(
                    run=ShellCommand(each.argv[0], each.argv[1:]), ends_by_itself=each.ends_by_itself, ready=each.ready
                ),
            )
            for each in services
        )

    def addresses(self, services: Sequence[Wanted]) -> Mapping[str, Endpoint]:
        """Check that nothing is in the way, and plan addresses."""
        specs = self.specs(services)
        problems = [str(problem) for problem in self.environment.preflight(specs)]
        assert not problems, f"preflight refuses plain services: {problems}"
        return self.environment.plan_addresses(specs)

    def set_up(
        self,
        *services: Wanted,
        links: Mapping[str, LinkSpec] | None = None,
        changes: bool = False,
        capture: bool = False,
    ) -> None:
        """Plan addresses and set the network up, with the services' folders in place; start none."""
        self.environment.expect_links(links or {}, changes=changes)
        endpoints = self.addresses(services)
        for each in services:
            folder = self.context.attempt / "services" / each.name
            folder.mkdir(parents=True, exist_ok=True)
            seen = {
                name: found if name == each.name else self.environment.endpoint_seen(each.name, found)
                for name, found in endpoints.items()
            }
            program = ShellCommand(
                each.argv[0],
                [_filled(text, seen) for text in each.argv[1:]],
                self.environment.visible_path(each.name, folder),
            )
            self.launches[each.name] = ServiceLaunch(
                name=each.name,
                command=ServiceCommand(program=program),
                folder=folder,
                endpoint=endpoints[each.name],
                ready=each.ready,
                ends_by_itself=each.ends_by_itself,
                stop_grace=Seconds(2),
                output_limit=each.output_limit,
                limits=each.limits,
            )
        services_ = tuple(self.launches.values())
        self.environment.setup_environment(
            NetworkPlan(services=services_, links=links or {}, capture=capture, changes_links=changes)
        )

    def start(self, name: str) -> Process:
        """Start one service that was set up."""
        process = self.processes[name] = self.environment.start_service(self.launches[name])
        return process

    def run(self, *argv: str, **more: Any) -> Process:
        """Set up and start one service called ``one``."""
        self.set_up(Wanted(name="one", argv=argv, **more))
        return self.start("one")

    def output(self, name: str, stream: str = "stdout") -> str:
        """Return what a service has written."""
        return (self.launches[name].folder / stream).read_text(errors="replace")

    def tear_down(self) -> None:
        """Stop everything as the engine does, and take the network down."""
        for process in self.processes.values():
            process.kill()
        self.environment.teardown_environment()

    def assert_clean(self) -> None:
        """Assert that nothing is left, neither in the environment's own eyes nor as processes."""
        left = list(self.environment.verify_clean())
        assert not left, f"left behind: {left}"
        for name, process in self.processes.items():
            assert not process.pids(), f"processes of {name} are left: {process.pids()}"


@contextlib.contextmanager
def bench(descriptor: NetworkEnvironmentDescriptor, options: Any, folder: Path, image: str = "") -> Iterator[Bench]:
    """Give a bench; whatever the test did, the environment is taken down and must then be clean."""
    from panther_core.plugin_manager import PluginManager  # noqa: PLC0415 - loads every plugin

    links = PluginManager.load().registry.all(LinkDescriptor)
    with recording_context(folder, name="network", links=links) as context:
        made = Bench(descriptor, options, context, image)
        try:
            yield made
        finally:
            made.tear_down()
        made.assert_clean()


def eventually(true: Callable[[], bool], what: str, timeout: float = 10.0) -> None:
    """Wait until ``true`` is; fail if it does not become so in time."""
    deadline = time.monotonic() + timeout
    while not true():
        assert time.monotonic() < deadline, f"{what} did not happen within {timeout:g} s"
        time.sleep(0.01)


def marker() -> str:
    """Return a number of seconds that no other process sleeps for: it marks a process in the process table."""
    return f"{3000 + uuid.uuid4().int % 1_000_000}.{uuid.uuid4().int % 10_000_000:07}"


def running(mark: str) -> list[int]:
    """Return the processes with ``mark`` among their arguments."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):  # it ended while we looked
            if mark.encode() in path.read_bytes().split(b"\0"):
                found.append(int(path.parent.name))
    return found


def _filled(text: str, endpoints: Mapping[str, Endpoint]) -> str:
    for endpoint in endpoints.values():
        text = text.replace(f"{{{endpoint.name}.ip}}", endpoint.ip).replace(f"{{{endpoint.name}.ip6}}", endpoint.ip6)
        text = text.replace(f"{{{endpoint.name}.hostname}}", endpoint.hostname or endpoint.ip)
        for port, number in endpoint.ports.items():
            text = text.replace(f"{{{endpoint.name}.{port}}}", str(number))
    return text
