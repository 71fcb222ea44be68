"""The environment itself: one container, and the services started in it."""

from __future__ import annotations

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
from panther_env_localhost_single_container.recordings import Recorders
from panther_hookspecs import (
    Artifact,
    Endpoint,
    NetworkPlan,
    Problem,
    Process,
    ServiceLaunch,
    ServiceSpec,
    TestExecutionError,
)

_REQUEST = "container.json"
_MOST = 250


@attrs.define(slots=False)
class SingleContainerEnvironment(ContainerEnvironment):
    """Runs all services of one case in one container."""

    _recorders: Recorders | None = attrs.field(default=None, init=False)

    def preflight(self, services: Sequence[ServiceSpec]) -> Iterable[Problem]:
        """Yield what one container cannot be for all these services."""
        yield from super().preflight(services)
        images = sorted({self.given_image(each) for each in services})
        if len(images) > 1:
            yield Problem(
                what=f"one container cannot be made of several images: {', '.join(images)}",
                why="all services share it",
                fix="docker_compose, or one base_image",
            )
        if len(services) > _MOST:
            yield Problem(what=f"{len(services)} services are too many for one container ({_MOST})")

    def unfit_limits(self) -> Iterable[Problem]:
        """Yield a problem for each limit that is meant for one service."""
        for name in self.options.resource_limits:
            if name != "*":
                yield Problem(
                    what=f"{self.get_name()} cannot limit the service {name} alone",
                    where=f"network_environment.resource_limits.{name}",
                    why="all services share one container",
                    fix='"*", which limits all of them together, or docker_compose',
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
        return endpoints

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
        guard.watch()
        self.engine.create(guard.project, request)
        self.engine.start(guard.project)
        if config.capture:
            options = self.options
            self._recorders = Recorders(self.context, launches, int(options.capture_limit), int(options.capture_length))
            self._recorders.start(int(self.engine.inspect(guard.project)["State"]["Pid"]))

    def container(self, service: str) -> str:
        """Return the name of the one container."""
        if self.guard is None:
            raise TestExecutionError(f"service {service} has no container: the network was not set up for it")
        return self.guard.project

    def spawn(self, launch: ServiceLaunch) -> Process:
        """Start a service in the container, its output going into the service's folder."""
        process = ExecutedProcess(
            launch.name,
            self.container(launch.name),
            self.engine,
            launch.folder,
            launch.output_limit,
            launch.command.forks,
            command=launch.command,
        )
        process.begin()
        return process

    def collect(self) -> Iterable[Artifact]:
        """Yield what the engine was asked for, besides what all containers have."""
        if self.guard is not None and (self.context.folder / _REQUEST).exists():
            yield Artifact(path=_REQUEST, kind="log", title="the container as it was asked for")
        yield from super().collect()
        if self._recorders is not None:
            yield from self._recorders.collect()

    def teardown_environment(self) -> None:
        """End the recorders, then everything else."""
        try:
            if self._recorders is not None:
                self._recorders.end()
        finally:
            super().teardown_environment()


def _free(port: int, taken: set[int]) -> int:
    while port in taken:
        port += 1
    return port
