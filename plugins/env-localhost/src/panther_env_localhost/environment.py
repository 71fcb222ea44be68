"""The environment itself: processes on loopback addresses."""

from __future__ import annotations

import socket
from collections.abc import Iterable, Iterator, Mapping, Sequence
from graphlib import TopologicalSorter
from typing import Any

import attrs

from panther_env_localhost.addresses import Reservations, needs_ipv6
from panther_env_localhost.limits import limited, unfit
from panther_env_localhost.options import LocalhostOptions
from panther_env_localhost.readiness import Watch, sizes_of
from panther_hookspecs import (
    CommandResult,
    Endpoint,
    NetworkEnvironmentInterface,
    NetworkPlan,
    Problem,
    Process,
    ServiceLaunch,
    ServiceSpec,
    ShellCommand,
    TestExecutionError,
)

_LEVELS = ("debug", "info", "warning", "error")


@attrs.define
class _Running:
    """A service that was started."""

    launch: ServiceLaunch
    process: Process
    offsets: dict[str, int]


@attrs.define(slots=False)
class LocalhostEnvironment(NetworkEnvironmentInterface):
    """Runs the services of one case as process groups of this machine."""

    options: Any = attrs.field(factory=LocalhostOptions)
    _reserved: Reservations | None = attrs.field(default=None, init=False)
    _services: dict[str, _Running] = attrs.field(factory=dict, init=False)
    _former: list[Process] = attrs.field(factory=list, init=False)

    def preflight(self, services: Sequence[ServiceSpec]) -> Iterable[Problem]:
        """Yield what localhost cannot do for these services."""
        options = self.options
        yield from unfit(options.resource_limits)
        yield from _strangers(options, {spec.name for spec in services})
        if options.network_topology:
            yield Problem(what="localhost has no topology", where="network_environment.network_topology",
                          why="all services share the loopback interface", fix="another network environment")
        if options.deployment_target != "local":
            yield Problem(what=f"localhost cannot deploy to {options.deployment_target!r}",
                          where="network_environment.deployment_target", fix="local")
        if not self._ports():
            yield Problem(what="last_port is smaller than first_port", where="network_environment.last_port")
        if needs_ipv6(services) and not _has_ipv6():
            yield Problem(what="a service needs IPv6, and loopback has no ::1",
                          fix="sysctl net.ipv6.conf.lo.disable_ipv6=0")

    def _ports(self) -> range:
        """Return the ports to choose from: those of the options, else those of the run."""
        first, last = self.context.port_range
        return range(self.options.first_port or first, (self.options.last_port or last) + 1)

    def plan_addresses(self, services: Sequence[ServiceSpec]) -> Mapping[str, Endpoint]:
        """Reserve an address for every service, or ports of a shared one where that is asked for or IPv6 is needed."""
        self._reserved = Reservations(self.context.case_id)
        ipv6 = needs_ipv6(services)
        endpoints: Mapping[str, Endpoint] = {}
        if self.options.addresses == "loopback" and not ipv6:
            endpoints = self._reserved.own_addresses(services)
            if services and not endpoints:
                self._note("info", "the protocol's own ports are taken or need a privilege: other ports are used")
        if not endpoints:
            endpoints = self._reserved.shared_address(services, self._ports(), ipv6=ipv6 or _has_ipv6())
        for each in endpoints.values():
            self._note("debug", f"{each.name} is at {each.ip} {dict(each.ports)}")
        return endpoints

    def setup_environment(self, config: NetworkPlan | Mapping[str, Any]) -> None:
        """Create nothing: loopback is always there."""

    def start_service(self, launch: ServiceLaunch) -> Process:
        """Start one service and return at once."""
        former = self._services.get(launch.name)
        if former is not None:
            self._former.append(former.process)
        elif self._reserved is not None:
            self._reserved.let_go(launch.name)
        offsets = sizes_of(launch.folder)
        command = limited(launch.command, launch.limits, len(self._services))
        process = self.context.launcher.start(command, name=launch.name, folder=launch.folder,
                                              output_limit=launch.output_limit)
        self._services[launch.name] = _Running(launch, process, offsets)
        self._note("debug", f"{launch.name} is process {process.pid}")
        return process

    def wait_for_service_ready(self, service_name: str, timeout: float | None = None) -> None:
        """Return when the service can be talked to; raise ServiceNotReadyError when it never will."""
        running = self._running(service_name)
        Watch(running.launch, running.process, self.context, dict(running.offsets)).wait(timeout)

    def deploy_services(self, service_configs: Iterable[ServiceLaunch]) -> None:
        """Start services so that each comes after those it depends on and these are ready."""
        launches = {launch.name: launch for launch in service_configs}
        order: TopologicalSorter[str] = TopologicalSorter()
        for name, launch in launches.items():
            needed = (*launch.depends_on, *self.options.service_dependencies.get(name, ()))
            order.add(name, *(each for each in needed if each in launches))
        super().deploy_services([launches[name] for name in order.static_order()])

    def execute(self, service_name: str, command: ShellCommand) -> CommandResult:
        """Run a command to its end in the folder and with the variables of the service."""
        launch = self._running(service_name).launch
        program = launch.command.program
        placed = attrs.evolve(command, working_dir=command.working_dir or program.working_dir or str(launch.folder),
                              env={**program.env, **command.env})
        return self.command_processor.execute(placed, log_dir=self.context.folder, name=f"{service_name}-execute")

    def teardown_environment(self) -> None:
        """End what still runs and give the addresses back."""
        for process in self._processes():
            process.kill()
        if self._reserved is not None:
            self._reserved.release()

    def verify_clean(self) -> Iterable[str]:
        """Yield every process of the case that is still alive."""
        for process in self._processes():
            for pid in process.pids():
                yield f"process {pid} of service {process.name}"

    def get_environment_status(self) -> Mapping[str, Any]:
        """Return the state of every service that was started."""
        return {"name": self.get_name(), "services": {
            name: str(each.process.exit or "running") for name, each in self._services.items()}}

    def _running(self, service_name: str) -> _Running:
        if service_name not in self._services:
            started = ", ".join(self._services) or "none"
            raise TestExecutionError(f"service {service_name} was not started (started: {started})")
        return self._services[service_name]

    def _processes(self) -> list[Process]:
        return [*self._former, *(each.process for each in self._services.values())]

    def _note(self, level: str, text: str) -> None:
        if _LEVELS.index(level) >= _LEVELS.index(self.options.logging_level):
            self.context.note(text)


def _strangers(options: LocalhostOptions, known: set[str]) -> Iterator[Problem]:
    """Yield a problem for each option that speaks of a service which does not exist."""
    limited_names = {name for name in options.resource_limits if name != "*"}
    dependencies = options.service_dependencies
    ordered = {*dependencies, *(each for needed in dependencies.values() for each in needed)}
    for key, names in (("resource_limits", limited_names), ("service_dependencies", ordered)):
        for name in sorted(names - known):
            yield Problem(what=f"{key} names the service {name!r}, which this case does not have",
                          where=f"network_environment.{key}", fix=f"one of {', '.join(sorted(known))}")


def _has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True
