"""The base of network environments whose services are processes of this machine, in whatever namespace."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, ClassVar

import attrs

from panther_hookspecs._limits import GroupedProcess, grouped, limited, unfit
from panther_hookspecs.commands import CommandResult, Process, ServiceCommand, ShellCommand
from panther_hookspecs.errors import EnvironmentUnavailableError, TestExecutionError
from panther_hookspecs.groups import PREFIX, ControlGroup
from panther_hookspecs.networks import NetworkEnvironmentInterface, NetworkPlan, ServiceLaunch, ServiceSpec
from panther_hookspecs.readiness import ReadinessWatch
from panther_hookspecs.values import Problem


@attrs.define
class _Running:
    """A service that was started."""

    launch: ServiceLaunch
    process: Process
    watch: ReadinessWatch


@attrs.define(slots=False)
class LocalNetworkEnvironment(NetworkEnvironmentInterface):
    """Starts services as processes, watches their readiness, limits and ends them; it knows nothing of addresses.

    An environment gives ``plan_addresses`` and ``setup_environment``, and replaces ``place`` if a service has to be
    moved somewhere: everything that runs for a service goes through it.
    """

    can_keep: ClassVar[bool] = False
    """Whether something of the case can outlive it where ``cleanup_on_exit: false`` asks for that."""
    _services: dict[str, _Running] = attrs.field(factory=dict, init=False)
    _former: list[Process] = attrs.field(factory=list, init=False)
    _groups: list[ControlGroup] = attrs.field(factory=list, init=False)

    def place(self, command: ServiceCommand, launch: ServiceLaunch) -> ServiceCommand:
        """Return ``command`` so that it runs where the service runs."""
        return command

    def spawn(self, launch: ServiceLaunch) -> Process:
        """Start the program of a service; to be replaced where it is not a process of this machine."""
        group = self.group_of(launch, os.getpid())
        command = self.place(limited(launch.command, launch.limits, len(self._services), group), launch)
        process = self.context.launcher.start(
            command, name=launch.name, folder=launch.folder, output_limit=launch.output_limit
        )
        return GroupedProcess(process, group) if group is not None else process

    def group_of(self, launch: ServiceLaunch, pid: int, *, for_all: bool = False) -> ControlGroup | None:
        """Make the control group of a service where that of ``pid`` is; None if its limits need none or can do without.

        ``for_all`` says that no limit can do without. It is removed when everything is taken down.
        """
        digest = hashlib.blake2b(f"{launch.folder} {len(self._groups)}".encode(), digest_size=6).hexdigest()
        make = ControlGroup.beside if for_all else grouped
        try:
            group = make(pid, f"{PREFIX}{self.context.run_id}-{digest}", launch.limits)
        except OSError as error:
            raise EnvironmentUnavailableError(
                f"{self.get_name()} cannot keep the limits of {launch.name}\n"
                f"  because {error.strerror}: {error.filename}"
            ) from error
        if group is not None and group.folders:
            self._groups.append(group)
            self.note("debug", f"the limits of {launch.name} are kept by {', '.join(map(str, group.folders.values()))}")
        return group

    def unfit_limits(self) -> Iterable[Problem]:
        """Yield a problem for each resource limit that cannot be kept."""
        return unfit(self.options.resource_limits, self.get_name())

    def advise(self, stderr: str) -> str:
        """Return what to try about a service that ended early and wrote ``stderr``; nothing if that says nothing."""
        return ""

    def preflight(self, services: Sequence[ServiceSpec]) -> Iterable[Problem]:
        """Yield what is wrong with these services, and what this machine cannot do for them."""
        yield from super().preflight(services)
        yield from self.unfit_limits()

    def mistakes(self, services: Sequence[ServiceSpec]) -> Iterable[Problem]:
        """Yield what no machine can do for these services."""
        yield from _strangers(self.options, {spec.name for spec in services})
        yield from self._unfit_images(services)
        if not (self.options.cleanup_on_exit or self.can_keep):
            yield Problem(
                what=f"{self.get_name()} cannot keep what it has made for a look",
                where="network_environment.cleanup_on_exit",
                why="it lives as long as the processes of the case; their files are kept anyway",
                fix="leave it out, or docker_compose",
            )
        if self.options.deployment_target != "local":
            yield Problem(
                what=f"{self.get_name()} cannot deploy to {self.options.deployment_target!r}",
                where="network_environment.deployment_target",
                fix="local",
            )

    def unfit_topology(self, why: str) -> Iterator[Problem]:
        """Yield a problem for every layout but the star, in which services reach each other at once."""
        if self.options.network_topology and self.options.network_topology != {"shape": "star"}:
            yield Problem(
                what=f"{self.get_name()} has no topology but shape: star",
                where="network_environment.network_topology",
                why=why,
                fix="netns",
            )

    def _unfit_images(self, services: Sequence[ServiceSpec]) -> Iterable[Problem]:
        if "images" in getattr(self.descriptor, "capabilities", ()):
            return
        for spec in services:
            if spec.plan.only_in:
                yield Problem(
                    what=f"{self.get_name()} has no images: {spec.name} runs in the image {spec.plan.only_in} alone",
                    where="network_environment",
                    fix="docker_compose",
                )

    def setup_environment(self, config: NetworkPlan | Mapping[str, Any]) -> None:
        """Create nothing."""

    def start_service(self, launch: ServiceLaunch) -> Process:
        """Start one service and return at once."""
        former = self._services.get(launch.name)
        if former is not None:
            self._former.append(former.process)
        watch = ReadinessWatch(launch, self._prober(launch), self.context.cancelled, self.advise)
        process = self.spawn(launch)
        self._services[launch.name] = _Running(launch, process, watch)
        self.note("debug", f"{launch.name} is process {process.pid}")
        return process

    def _prober(self, launch: ServiceLaunch) -> Callable[[ShellCommand], CommandResult]:
        return lambda command: self._execute(launch, command, name=f"ready-{launch.name}")

    def wait_for_service_ready(self, service_name: str, timeout: float | None = None) -> None:
        """Return when the service can be talked to; raise ServiceNotReadyError when it never will."""
        running = self._running(service_name)
        running.watch.wait(running.process, timeout)

    def execute(self, service_name: str, command: ShellCommand) -> CommandResult:
        """Run a command to its end in the folder and with the variables of the service."""
        return self._execute(self._running(service_name).launch, command, name=f"{service_name}-execute", kept=True)

    def _execute(self, launch: ServiceLaunch, command: ShellCommand, *, name: str, kept: bool = False) -> CommandResult:
        program = launch.command.program
        own = attrs.evolve(
            command,
            working_dir=command.working_dir or program.working_dir or str(launch.folder),
            env={**program.env, **command.env},
        )
        argv = self.place(ServiceCommand(program=own), launch).argv
        placed = attrs.evolve(own, command=argv[0], args=argv[1:])
        return self.command_processor.execute(placed, log_dir=self.context.folder if kept else None, name=name)

    def teardown_environment(self) -> None:
        """End what still runs."""
        for process in self._processes():
            process.kill()
        self.remove_groups()

    def remove_groups(self) -> None:
        """Remove the control groups of services that have ended."""
        for group in self._groups:
            group.remove()

    def verify_clean(self) -> Iterable[str]:
        """Yield every process of the case that is still alive."""
        for process in self._processes():
            for pid in process.pids():
                yield f"process {pid} of service {process.name}"
        for group in self._groups:
            yield from group.left()

    def get_environment_status(self) -> Mapping[str, Any]:
        """Return the state of every service that was started."""
        states = {name: str(each.process.exit or "running") for name, each in self._services.items()}
        return {"name": self.get_name(), "services": states}

    def _running(self, service_name: str) -> _Running:
        if service_name not in self._services:
            started = ", ".join(self._services) or "none"
            raise TestExecutionError(f"service {service_name} was not started (started: {started})")
        return self._services[service_name]

    def _processes(self) -> list[Process]:
        return [*self._former, *(each.process for each in self._services.values())]


def _strangers(options: Any, known: set[str]) -> Iterator[Problem]:
    """Yield a problem for each option that speaks of a service which does not exist."""
    limited_names = {name for name in options.resource_limits if name != "*"}
    dependencies = options.service_dependencies
    ordered = {*dependencies, *(each for needed in dependencies.values() for each in needed)}
    for key, names in (("resource_limits", limited_names), ("service_dependencies", ordered)):
        for name in sorted(names - known):
            yield Problem(
                what=f"{key} names the service {name!r}, which this case does not have",
                where=f"network_environment.{key}",
                fix=f"one of {', '.join(sorted(known))}",
            )
