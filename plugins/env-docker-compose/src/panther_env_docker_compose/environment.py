"""The environment itself: a compose project for one attempt."""

from __future__ import annotations

import contextlib
import os
import signal
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs
from panther_lib_containers.base import ContainerEnvironment
from panther_lib_containers.hostroot import HOST
from panther_lib_containers.process import ContainerProcess
from panther_lib_containers.where import has_command_plugin

from panther_env_docker_compose.addresses import Reservation, needs_ipv6, reserve
from panther_env_docker_compose.composefile import Box, compose_file
from panther_env_docker_compose.options import DockerComposeOptions
from panther_env_docker_compose.project import create
from panther_hookspecs import (
    Artifact,
    CommandResult,
    DockerComposeException,
    Endpoint,
    NetworkPlan,
    Problem,
    Process,
    ServiceLaunch,
    ServiceSpec,
    ShellCommand,
    TestExecutionError,
)

_MARK = "PANTHER_EXECUTE"


@attrs.define(slots=False)
class DockerComposeEnvironment(ContainerEnvironment):
    """Runs every service of one case in a container of its own."""

    options: Any = attrs.field(factory=DockerComposeOptions)
    _reserved: Reservation | None = attrs.field(default=None, init=False)

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
        guard = self.begin()
        names = [launch.name for launch in config.services]
        host = self.host_image() if HOST in map(self.image, names) else ""
        boxes = [self._box(launch, host) for launch in config.services]
        file = self.context.folder / "compose.yaml"
        text = compose_file(guard.project, boxes, self._reserved, guard.labels, options=self.options, user=self.user())
        file.write_text(text, encoding="utf-8")
        if boxes:
            guard.watch()
            create(file, self.engine)
        self.note("debug", f"compose project {guard.project} on {self._reserved.subnet}")

    def _box(self, launch: ServiceLaunch, host: str) -> Box:
        image = self.image(launch.name)
        return Box(
            launch=launch,
            image=host if image == HOST else image,
            mounts=self.mounts(launch),
            environment={"PATH": os.environ.get("PATH", os.defpath)} if image == HOST else {},
            read_only=image == HOST,
        )

    def _container(self, service: str) -> str:
        """Return the name that Compose gives to the container of a service."""
        if self.guard is None:
            raise TestExecutionError(f"service {service} has no container: the network was not set up for it")
        return f"{self.guard.project}-{service}-1"

    def spawn(self, launch: ServiceLaunch) -> Process:
        """Start the container of a service, its output going into the service's folder."""
        process = ContainerProcess(
            launch.name,
            self._container(launch.name),
            self.engine,
            launch.folder,
            launch.output_limit,
            launch.command.forks,
        )
        process.begin()
        return process

    def _execute(self, launch: ServiceLaunch, command: ShellCommand, *, name: str, kept: bool = False) -> CommandResult:
        """Run a command in the container of a service; at its time limit all that it has started is ended."""
        program, mark = launch.command.program, uuid.uuid4().hex
        folder = command.working_dir or program.working_dir or str(launch.folder)
        env = {**program.env, **command.env, _MARK: mark}
        settings = [word for key, value in env.items() for word in ("--env", f"{key}={value}")]
        words = self.engine.command("exec", "--workdir", folder, *settings, self._container(launch.name), *command.argv)
        asked = ShellCommand(words[0], words[1:], timeout=command.timeout)
        result = self.command_processor.execute(asked, log_dir=self.context.folder if kept else None, name=name)
        if result.exit.reason == "timeout":
            self._end_marked(launch.name, f"{_MARK}={mark}".encode())
        return attrs.evolve(result, command=command)

    def _end_marked(self, service: str, mark: bytes) -> None:
        """End what was executed in a container: it does not end with the call that has started it."""
        for pid in self._running(service).process.pids():
            with contextlib.suppress(OSError):  # it ended while we looked
                if mark in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0"):
                    os.kill(pid, signal.SIGKILL)

    def collect(self) -> Iterable[Artifact]:
        """Yield the compose file besides what all containers have."""
        if self.guard is not None:
            yield Artifact(path="compose.yaml", kind="log", title="compose file")
            yield from super().collect()

    def teardown_environment(self) -> None:
        """Remove everything, and give the addresses back."""
        try:
            super().teardown_environment()
        finally:
            if self._reserved is not None:
                self._reserved.release()
