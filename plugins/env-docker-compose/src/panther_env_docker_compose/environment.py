"""The environment itself: a compose project for one attempt."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import attrs
from panther_lib_containers.addresses import needs_ipv6
from panther_lib_containers.base import ContainerEnvironment
from panther_lib_containers.hostroot import HOST
from panther_lib_containers.namespaces import refuse_without_rights
from panther_lib_containers.process import ContainerProcess
from panther_lib_containers.where import has_command_plugin

from panther_env_docker_compose.addresses import Reservation, reserve
from panther_env_docker_compose.composefile import HOLDER, Box, compose_file
from panther_env_docker_compose.links import Wiring, is_wired
from panther_env_docker_compose.options import DockerComposeOptions
from panther_env_docker_compose.project import create
from panther_hookspecs import (
    Artifact,
    DockerComposeException,
    Endpoint,
    LinkChange,
    NetworkPlan,
    Problem,
    Process,
    ServiceLaunch,
    ServiceSpec,
    TestExecutionError,
)


@attrs.define(slots=False)
class DockerComposeEnvironment(ContainerEnvironment):
    """Runs every service of one case in a container of its own."""

    options: Any = attrs.field(factory=DockerComposeOptions)
    _reserved: Reservation | None = attrs.field(default=None, init=False)
    _wiring: Wiring | None = attrs.field(default=None, init=False)

    def unfit_engine(self, services: Sequence[ServiceSpec]) -> Iterator[Problem]:
        """Yield what this engine cannot do, or that Compose is missing."""
        yield from super().unfit_engine(services)
        if not has_command_plugin("compose"):
            try:
                self.engine.run("compose", "version")
            except DockerComposeException:
                yield Problem(what="Docker has no Compose plugin", fix="install Compose, version 2")

    def plan_addresses(self, services: Sequence[ServiceSpec]) -> Mapping[str, Endpoint]:
        """Reserve a network that neither Docker nor this machine uses, and give every service an address in it."""
        try:
            taken = tuple(self.engine.subnets())
        except DockerComposeException as error:
            self.note("debug", f"addresses are planned without asking Docker: {error}")
            taken = ()
        self._reserved = reserve(self.context.case_id, self.options.pool, taken)
        return self._reserved.endpoints(services, ipv6=needs_ipv6(services))

    def setup_environment(self, config: NetworkPlan | Mapping[str, Any]) -> None:
        """Write the compose file and create what stands in it; start nothing."""
        if self._reserved is None or not isinstance(config, NetworkPlan):
            raise TestExecutionError(f"{self.get_name()}: addresses have to be planned before the network is set up")
        guard, wired = self.begin(), is_wired(config)
        if wired:
            refuse_without_rights(self.get_name())
        names = [launch.name for launch in config.services]
        host = self.host_image() if wired or HOST in map(self.image, names) else ""
        boxes = [self._box(launch, host) for launch in config.services]
        file = self.context.folder / "compose.yaml"
        text = compose_file(
            guard.project,
            boxes,
            self._reserved,
            guard.labels,
            options=self.options,
            user=self.user(),
            holder=host if wired else "",
        )
        file.write_text(text, encoding="utf-8")
        if boxes:
            images = [*(each.image for each in boxes), *filter(None, [host])]
            with guard.making(), self.telling_lost_images(images):
                create(file, self.engine)
        self.note("debug", f"compose project {guard.project} on {self._reserved.subnet}")
        if wired:
            self._wire(config, self._reserved)

    def _wire(self, config: NetworkPlan, reserved: Reservation) -> None:
        """Start what holds the networks of the services, and put links and recorders into these."""
        self._wiring = wiring = Wiring(self.context, self.options, config, reserved, self.engine.host)
        pids = {}
        for launch in config.services:
            holder = self.container(launch.name + HOLDER)
            self.engine.start(holder)
            pids[launch.name] = int(self.engine.inspect(holder)["State"]["Pid"])
        wiring.set_up(pids)
        if wiring.flows:
            self.note("info", wiring.told())

    def _box(self, launch: ServiceLaunch, host: str) -> Box:
        image = self.image(launch.name)
        return Box(
            launch=launch,
            image=host if image == HOST else image,
            mounts=self.mounts(launch),
            environment={"PATH": os.environ.get("PATH", os.defpath)} if image == HOST else {},
            read_only=image == HOST,
        )

    def container(self, service: str) -> str:
        """Return the name that Compose gives to the container of a service."""
        if self.guard is None:
            raise TestExecutionError(f"service {service} has no container: the network was not set up for it")
        return f"{self.guard.project}-{service}-1"

    def spawn(self, launch: ServiceLaunch) -> Process:
        """Start the container of a service, its output going into the service's folder."""
        process = ContainerProcess(
            launch.name,
            self.container(launch.name),
            self.engine,
            launch.folder,
            launch.output_limit,
            launch.command.forks,
        )
        process.begin()
        return process

    def change_link(self, directions: Sequence[tuple[str, str]], change: LinkChange) -> float:
        """Let the mechanism on these directions do something else from now on."""
        if self._wiring is None:
            raise TestExecutionError(f"{self.get_name()}: there are no links that could be changed")
        return self._wiring.change(directions, change)

    def collect(self) -> Iterable[Artifact]:
        """Yield the compose file besides what all containers have."""
        if self.guard is not None:
            yield Artifact(path="compose.yaml", kind="log", title="compose file")
            yield from super().collect()
        if self._wiring is not None:
            yield from self._wiring.collect()

    def teardown_environment(self) -> None:
        """Remove everything, and give the addresses back."""
        try:
            if self._wiring is not None:
                self._wiring.end()
            super().teardown_environment()
        finally:
            if self._reserved is not None:
                self._reserved.release()
