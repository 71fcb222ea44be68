"""The environment itself: a compose project for one attempt."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import signal
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs

from panther_env_docker_compose.addresses import Reservation, needs_ipv6, reserve
from panther_env_docker_compose.composefile import Box, compose_file
from panther_env_docker_compose.docker import Docker, local
from panther_env_docker_compose.image import HOST, host_image
from panther_env_docker_compose.mounts import mounts_of
from panther_env_docker_compose.options import DockerComposeOptions
from panther_env_docker_compose.process import ContainerProcess
from panther_env_docker_compose.project import Project
from panther_hookspecs import (
    Artifact,
    CommandResult,
    DockerComposeException,
    Endpoint,
    LocalNetworkEnvironment,
    NetworkPlan,
    Problem,
    Process,
    ServiceCommand,
    ServiceLaunch,
    ServiceSpec,
    ShellCommand,
    TestExecutionError,
)

_OLDEST = (20, 10)
_MARK = "PANTHER_EXECUTE"


@attrs.define(slots=False)
class DockerComposeEnvironment(LocalNetworkEnvironment):
    """Runs every service of one case in a container of its own."""

    options: Any = attrs.field(factory=DockerComposeOptions)
    _reserved: Reservation | None = attrs.field(default=None, init=False)
    _project: Project | None = attrs.field(default=None, init=False)
    _images: dict[str, str] = attrs.field(factory=dict, init=False)
    _visible: dict[str, set[Path]] = attrs.field(factory=dict, init=False)

    @property
    def _docker(self) -> Docker:
        return Docker(float(self.options.timeout))

    def preflight(self, services: Sequence[ServiceSpec]) -> Iterable[Problem]:
        """Yield what Docker cannot do for these services."""
        yield from super().preflight(services)
        if self.options.network_topology:
            yield Problem(
                what=f"{self.get_name()} has no topology",
                where="network_environment.network_topology",
                why="all services are on one network",
                fix="netns",
            )
        if not local():
            yield Problem(
                what="the Docker engine is on another machine",
                where=f"DOCKER_HOST={os.environ['DOCKER_HOST']}",
                why="services share folders with PANTHER, and their processes are looked at",
                fix="unset DOCKER_HOST",
            )
            return
        try:
            yield from self._unfit_engine(self._docker.info(), services)
        except DockerComposeException as error:
            yield Problem(what=str(error))

    def _unfit_engine(self, info: Any, services: Sequence[ServiceSpec]) -> Iterator[Problem]:
        errors = info.get("ServerErrors") or []
        if errors:
            yield Problem(what="the Docker engine does not answer", why=errors[0], fix="start it, or set DOCKER_HOST")
            return
        version = str(info.get("ServerVersion", ""))
        numbers = tuple(int(each) for each in version.split(".")[:2] if each.isdigit())
        if numbers < _OLDEST:
            yield Problem(what=f"the Docker engine {version} is too old", fix="an engine from 20.10 on")
        plugins = {each["Name"] for each in info.get("ClientInfo", {}).get("Plugins") or []}
        if "compose" not in plugins:
            yield Problem(what="Docker has no Compose plugin", fix="install Compose, version 2")
        if self.options.pull == "never":
            for name in sorted({each.image or self.options.image for each in services} - {HOST}):
                if not self._docker.has_image(name):
                    yield Problem(what=f"the image {name} is not there", fix=f"docker pull {name}, or pull: missing")

    def unfit_limits(self) -> Iterable[Problem]:
        """Yield nothing: containers keep every limit."""
        return ()

    def plan_addresses(self, services: Sequence[ServiceSpec]) -> Mapping[str, Endpoint]:
        """Reserve a network that neither Docker nor this machine uses, and give every service an address in it."""
        try:
            taken = self._docker.subnets()
        except DockerComposeException as error:
            self.note("debug", f"addresses are planned without asking Docker: {error}")
            taken = ()
        self._reserved = reserve(self.context.case_id, self.options.pool, taken)
        self._images = {each.name: each.image or self.options.image for each in services}
        return self._reserved.endpoints(services, ipv6=needs_ipv6(services))

    def visible_path(self, service: str, path: Path) -> str:
        """Return the path itself: a container sees what it needs of this machine where this machine has it."""
        self._visible.setdefault(service, set()).add(path)
        return str(path)

    def setup_environment(self, config: NetworkPlan | Mapping[str, Any]) -> None:
        """Write the compose file and create what stands in it; start nothing."""
        if self._reserved is None or not isinstance(config, NetworkPlan):
            raise TestExecutionError(f"{self.get_name()}: addresses have to be planned before the network is set up")
        folder, context = self.context.folder, self.context
        name = "panther-" + hashlib.blake2b(f"{context.run_id} {folder}".encode(), digest_size=6).hexdigest()
        labels = {"panther.run": context.run_id, "panther.case": context.case_id, "panther.project": name}
        user = self.options.user or f"{os.getuid()}:{os.getgid()}"
        host = host_image(self._docker, folder) if HOST in self._images.values() else ""
        boxes = [self._box(launch, host) for launch in config.services]
        file = folder / "compose.yaml"
        text = compose_file(name, boxes, self._reserved, labels, options=self.options, user=user)
        file.write_text(text, encoding="utf-8")
        self._project = Project(name, file, self._docker)
        if boxes:
            self._project.create()
        self.note("debug", f"compose project {name} on {self._reserved.subnet}")

    def _box(self, launch: ServiceLaunch, host: str) -> Box:
        image = self._images.get(launch.name, self.options.image)
        profiles = self.context.folder.parent / "profiles" / launch.name
        seen = [*self._visible.get(launch.name, ()), *map(Path, self.options.mounts)]
        return Box(
            launch=launch,
            image=host if image == HOST else image,
            mounts=mounts_of(launch, seen, profiles, host=image == HOST),
            environment={"PATH": os.environ.get("PATH", os.defpath)} if image == HOST else {},
            read_only=image == HOST,
        )

    def _container(self, service: str) -> str:
        if self._project is None:
            raise TestExecutionError(f"service {service} has no container: the network was not set up for it")
        return self._project.container(service)

    def spawn(self, launch: ServiceLaunch) -> Process:
        """Start the container of a service, its output going into the service's folder."""
        container = self._container(launch.name)
        words = ("start", "--attach", container)
        attached = self.context.launcher.start(
            ServiceCommand(program=ShellCommand("docker", words)),
            name=launch.name,
            folder=launch.folder,
            output_limit=launch.output_limit,
        )
        process = ContainerProcess(
            launch.name, container, self._docker, attached, launch.folder / "stderr", launch.command.forks
        )
        process.begin(float(self.options.timeout))
        return process

    def _execute(self, launch: ServiceLaunch, command: ShellCommand, *, name: str, kept: bool = False) -> CommandResult:
        """Run a command in the container of a service; at its time limit all that it has started is ended."""
        program, mark = launch.command.program, uuid.uuid4().hex
        folder = command.working_dir or program.working_dir or str(launch.folder)
        env = {**program.env, **command.env, _MARK: mark}
        settings = [word for key, value in env.items() for word in ("--env", f"{key}={value}")]
        words = ("exec", "--workdir", folder, *settings, self._container(launch.name), *command.argv)
        asked = ShellCommand("docker", words, timeout=command.timeout)
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
        """Yield the compose file, and what Docker knows of the containers."""
        if self._project is not None:
            yield Artifact(path="compose.yaml", kind="log", title="compose file")
            found = self._docker.inspect(self._project.containers())
            (self.context.folder / "inspect.json").write_text(json.dumps(found, indent=1), encoding="utf-8")
            yield Artifact(path="inspect.json", kind="log", title="containers as Docker sees them")

    def teardown_environment(self) -> None:
        """Remove containers, network and volumes, or only end the programs where all is to be kept."""
        project = self._project
        try:
            if project is not None and self.options.cleanup_on_exit:
                project.remove()
            elif project is not None:
                super().teardown_environment()
                self.note("warning", f"kept for a look: docker compose --project-name {project.name} ps --all")
                project.farewell()
        finally:
            if self._reserved is not None:
                self._reserved.release()

    def verify_clean(self) -> Iterable[str]:
        """Yield everything of the case that is still there; what was to be kept is not asked for."""
        if self._project is not None and self.options.cleanup_on_exit:
            yield from self._project.left()

    def get_environment_status(self) -> Mapping[str, Any]:
        """Return the state of every service that was started, and the name of the compose project."""
        return {**super().get_environment_status(), "project": self._project.name if self._project else ""}
