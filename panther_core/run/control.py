"""What stages can do to a running case."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs

from panther_core.run.engine import Engine
from panther_core.run.machine import MachineState, load_between
from panther_hookspecs import (
    BaseEvent,
    CaseControl,
    CommandResult,
    Endpoint,
    ExitStatus,
    Finding,
    LinkChange,
    LinkChangedEvent,
    Measurement,
    NetworkEnvironmentInterface,
    Process,
    ServiceLaunch,
    ShellCommand,
    TestExecutionError,
    described_change,
    directions_changed,
)


@attrs.define
class Control(CaseControl):
    """The one implementation of CaseControl: the live services of one attempt."""

    folder: Path
    seed: int
    options: Any
    network: NetworkEnvironmentInterface
    engine: Engine
    deadline: float
    launches: Mapping[str, ServiceLaunch]
    started: Callable[[str, Process], None]
    """Told about a process that replaces one that has ended."""
    processes: dict[str, Process] = attrs.field(factory=dict)
    values: dict[str, Mapping[str, Any]] = attrs.field(factory=dict)
    measurements: list[Measurement] = attrs.field(factory=list)
    findings: list[Finding] = attrs.field(factory=list)
    disturbed: set[str] = attrs.field(factory=set)
    """Services that a stage has restarted; that they ended is no surprise."""
    closed: str = ""
    """Why a stage that was given up, and still runs, can do nothing any more."""

    @property
    def services(self) -> Sequence[str]:
        """Names of the services in the order in which they were started."""
        return tuple(self.processes)

    @property
    def ending(self) -> Sequence[str]:
        """Names of the services that end by themselves."""
        return tuple(name for name in self.processes if self.launches[name].ends_by_itself)

    def process(self, service: str) -> Process:
        """Return the process of a service."""
        if self.closed:
            raise TestExecutionError(self.closed)
        if service not in self.processes:
            raise TestExecutionError(f"no service {service!r} was started; there are {', '.join(self.processes)}")
        return self.processes[service]

    def endpoint(self, service: str) -> Endpoint:
        """Return where a service is found."""
        if service not in self.launches:
            raise TestExecutionError(f"there is no service {service!r}; there are {', '.join(self.launches)}")
        return self.launches[service].endpoint

    def wait(self, services: Sequence[str] | None = None) -> Mapping[str, ExitStatus]:
        """Wait for services to end by themselves, by default all that do."""
        names = self.ending if services is None else services
        ended: dict[str, ExitStatus] = {}
        for name in names:
            status = self.process(name).wait(max(0.0, self.remaining()))
            self.engine.check_cancelled()
            if status is None:
                raise TimeoutError(f"service {name} had not ended when the time of the case was over")
            ended[name] = status
        return ended

    def restart(self, service: str) -> None:
        """Start a service again that has ended, and wait until it is ready."""
        if self.process(service).exit is None:
            raise TestExecutionError(f"service {service} still runs; stop it before starting it again")
        self.disturbed.add(service)
        process = self.network.start_service(self.launches[service])
        self.processes[service] = process
        self.started(service, process)
        self.network.wait_for_service_ready(service)

    def execute(self, service: str, command: ShellCommand) -> CommandResult:
        """Run a command to its end where the service runs."""
        self.engine.check_cancelled()
        return self.network.execute(service, command)

    def change_link(self, link: str, change: LinkChange) -> float:
        """Change a link; return the monotonic time at which it took effect."""
        directions = directions_changed(link, change, tuple(self.launches))
        if not directions:
            raise TestExecutionError(f"there is no link {link!r} between {', '.join(self.launches)}")
        return self.apply(link, directions, change)

    def apply(self, link: str, directions: Sequence[tuple[str, str]], change: LinkChange) -> float:
        """Change these directions of a link, and tell everybody."""
        moment = self.network.change_link(directions, change)
        self.emit(
            LinkChangedEvent(
                link_name=link,
                change=described_change(change),
                monotonic=moment,
                environment_name=self.network.get_name(),
                entity_id=self.network.context.case_id,
            )
        )
        return moment

    def watch_machine(self) -> Callable[[], Mapping[str, float]]:
        """Begin to look at the machine; return what tells how busy it was since then."""
        before = MachineState.now()
        return lambda: load_between(before, MachineState.now())

    def remaining(self) -> float:
        """Return the seconds that are left of the case's time."""
        return self.deadline - time.monotonic()

    @contextlib.contextmanager
    def limited(self, seconds: float | None) -> Iterator[None]:
        """Let no more than ``seconds`` remain within the block."""
        whole = self.deadline
        if seconds is not None:
            self.deadline = min(whole, time.monotonic() + seconds)
        try:
            yield
        finally:
            self.deadline = whole

    def measure(self, measurement: Measurement) -> None:
        """Add a measurement to the result of the case."""
        self.measurements.append(measurement)

    def find(self, finding: Finding) -> None:
        """Add a finding to the result of the case."""
        self.findings.append(finding)

    def emit(self, event: BaseEvent) -> None:
        """Tell all observers that something happened."""
        self.engine.emit(event)
