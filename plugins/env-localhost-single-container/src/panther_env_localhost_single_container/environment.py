"""The environment itself: one container, and the services started in it."""

from __future__ import annotations

import functools
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import attrs
from panther_lib_containers.addresses import needs_ipv6
from panther_lib_containers.base import ContainerEnvironment
from panther_lib_containers.executed import ExecutedProcess
from panther_lib_containers.hostroot import HOST
from panther_lib_containers.namespaces import refuse_without_rights

from panther_env_localhost_single_container.container import container_of
from panther_env_localhost_single_container.helpers import Helpers
from panther_env_localhost_single_container.options import SingleContainerOptions
from panther_hookspecs import (
    Artifact,
    ControlGroup,
    Endpoint,
    LinkChange,
    NetworkPlan,
    Problem,
    Process,
    Proxy,
    ResourceLimits,
    ServiceLaunch,
    ServiceSpec,
    TestExecutionError,
    door_problems,
    doors_of,
    loopback_recordings,
    why_not,
)

_REQUEST = "container.json"
_MOST = 250
_ALIASES = tuple(f"127.0.1.{number}" for number in range(1, 9))
"""From where a proxy may talk to a service in the name of another one."""
_BESIDE = 10_000
"""Distance from a service's port to that of what stands before it."""


@attrs.define(slots=False)
class SingleContainerEnvironment(ContainerEnvironment):
    """Runs all services of one case in one container."""

    options: Any = attrs.field(factory=SingleContainerOptions)
    _endpoints: Mapping[str, Endpoint] = attrs.field(factory=dict, init=False)
    _proxy: Proxy = attrs.field(factory=Proxy, init=False)
    _helpers: Helpers | None = attrs.field(default=None, init=False)

    def mistakes(self, services: Sequence[ServiceSpec]) -> Iterable[Problem]:
        """Yield what one container cannot be for all these services."""
        yield from super().mistakes(services)
        images = sorted({self.given_image(each) for each in services})
        if len(images) > 1:
            yield Problem(
                what=f"one container cannot be made of several images: {', '.join(images)}",
                why="all services share it",
                fix="docker_compose, or one base_image",
            )
        if len(services) > _MOST:
            yield Problem(what=f"{len(services)} services are too many for one container ({_MOST})")
        mechanisms = self.context.links
        yield from door_problems(self.get_name(), self.links, services, mechanisms, changes=self.changes)
        for name, wanted in self.options.resource_limits.items():
            if wanted.files and name != "*":
                yield Problem(
                    what=f"{self.get_name()} cannot limit the open files of {name} alone",
                    where=f"network_environment.resource_limits.{name}.files",
                    why="the engine sets that limit for a whole container",
                    fix='"*", or docker_compose',
                )

    def unfit_limits(self) -> Iterable[Problem]:
        """Yield a problem for each limit that cannot be kept for one service among others."""
        for name, wanted in self.options.resource_limits.items():
            where = f"network_environment.resource_limits.{name}"
            lacking = why_not(wanted)
            if lacking:
                yield Problem(
                    what=f"{self.get_name()} cannot limit single services here", where=where, why=lacking, fix="root"
                )

    def ensure_service_images_available(self, services: Sequence[ServiceSpec]) -> None:
        """Build one image with all services and the tools of all instruments on top of each other."""
        if not services:
            return
        image = self.build_base_service_image(services[0])
        recipes = {each.plan.image.name: each for each in services if each.plan.image is not None}
        for _, spec in sorted(recipes.items()):
            image = self.on_service_image(image, spec)
        image = self.build_environment_image(
            image, tuple(sorted({each for spec in services for each in spec.packages}))
        )
        self.images = dict.fromkeys((spec.name for spec in services), image)

    def plan_addresses(self, services: Sequence[ServiceSpec]) -> Mapping[str, Endpoint]:
        """Give every service an address of the container's loopback, and ports that differ where they share ::1."""
        ipv6 = needs_ipv6(services)
        taken: set[int] = set()
        endpoints = {}
        for number, spec in enumerate(services, 2):
            ports = {name: _free(port, taken) if ipv6 else port for name, port in spec.ports.items()}
            taken.update(ports.values())
            endpoints[spec.name] = Endpoint(
                name=spec.name, ip=f"127.0.0.{number}", ip6="::1" if ipv6 else "", hostname=spec.name, ports=ports
            )
        place = functools.partial(_beside, taken)
        self._endpoints = endpoints
        self._proxy = Proxy(doors_of(self.links, services, endpoints, place, _ALIASES, changes=self.changes))
        return endpoints

    def endpoint_seen(self, viewer: str, endpoint: Endpoint) -> Endpoint:
        """Return the door of the proxy, where there is one in front of a service."""
        return self._proxy.seen_by(viewer, endpoint)

    def setup_environment(self, config: NetworkPlan | Mapping[str, Any]) -> None:
        """Start the container; none of the services."""
        if not isinstance(config, NetworkPlan):
            raise TestExecutionError(f"{self.get_name()}: addresses have to be planned before the network is set up")
        guard, launches = self.begin(), config.services
        if not launches:
            return
        if config.capture:
            refuse_without_rights(self.get_name())
        image = self.image(launches[0].name)
        ours = image == HOST
        request = container_of(
            launches,
            [mount for launch in launches for mount in self.mounts(launch)],
            guard.labels,
            image=self.host_image() if ours else image,
            user=self.user(),
            path=os.environ.get("PATH", os.defpath) if ours else "",
        )
        (self.context.folder / _REQUEST).write_text(json.dumps(request, indent=1) + "\n", encoding="utf-8")
        with guard.making(), self.telling_lost_images([request["Image"]]):
            self.engine.create(guard.project, request)
        self.engine.start(guard.project)
        self._helpers = Helpers(self.context, self._first_process())
        told = self._proxy.begin(self.context, self.options.link_mechanism, self._helpers.start, changes=self.changes)
        if told:
            self.note("info", told)
        if config.capture:
            self._record(self._helpers)

    def _first_process(self) -> int:
        return int(self.engine.inspect(self.container("*"))["State"]["Pid"])

    def _record(self, helpers: Helpers) -> None:
        """Start a recorder for each service."""
        folder = self.context.folder / "capture"
        folder.mkdir(exist_ok=True)
        limits = int(self.options.capture_limit), int(self.options.capture_length)
        for name, recording in loopback_recordings(self._endpoints, self._proxy.doors.seen, folder, *limits):
            helpers.record(name, recording)

    def change_link(self, directions: Sequence[tuple[str, str]], change: LinkChange) -> float:
        """Let the proxy do something else from now on."""
        return self._proxy.change(self.context, directions, change)

    def container(self, service: str) -> str:
        """Return the name of the one container."""
        if self.guard is None:
            raise TestExecutionError(f"service {service} has no container: the network was not set up for it")
        return self.guard.project

    def spawn(self, launch: ServiceLaunch) -> Process:
        """Start a service in the container, its output going into the service's folder."""
        group = (
            self.group_of(launch, self._first_process(), for_all=True) if launch.limits != ResourceLimits() else None
        )
        process = ExecutedProcess(
            launch.name,
            self.container(launch.name),
            self.engine,
            launch.folder,
            launch.output_limit,
            launch.command.forks,
            command=launch.command,
            group=group or ControlGroup({}),
        )
        process.begin()
        return process

    def collect(self) -> Iterable[Artifact]:
        """Yield what the engine was asked for, besides what all containers have."""
        if self.guard is not None and (self.context.folder / _REQUEST).exists():
            yield Artifact(path=_REQUEST, kind="log", title="the container as it was asked for")
        yield from super().collect()
        if self._helpers is None:
            return
        self._helpers.finish()
        yield from self._proxy.report(self.context.folder)
        yield from self._helpers.recordings()

    def teardown_environment(self) -> None:
        """End what runs beside the services, then everything else."""
        try:
            if self._helpers is not None:
                self._helpers.end()
        finally:
            super().teardown_environment()


def _free(port: int, taken: set[int]) -> int:
    while port in taken:
        port += 1
    return port


def _beside(taken: set[int], key: str, service: Endpoint, _transport: str) -> Endpoint:
    """Return other ports at the address of a service, which nobody has at the address that they share."""
    ports = {name: _free((port + _BESIDE) % 65536 or 1, taken) for name, port in service.ports.items()}
    taken.update(ports.values())
    return attrs.evolve(service, name=key, ports=ports)
