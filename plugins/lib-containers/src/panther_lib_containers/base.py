"""What is the same for all network environments with containers: images, paths, the engine, and what is left."""

from __future__ import annotations

import abc
import contextlib
import hashlib
import json
import os
import signal
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import attrs

from panther_hookspecs import (
    Artifact,
    CommandResult,
    ControlGroup,
    DockerComposeException,
    EnvironmentUnavailableError,
    LinkSpec,
    LocalNetworkEnvironment,
    Problem,
    ServiceLaunch,
    ServicePlan,
    ServiceSpec,
    ShellCommand,
)
from panther_lib_containers.engine import Engine
from panther_lib_containers.executed import MARK, marked
from panther_lib_containers.guard import Guard
from panther_lib_containers.hostroot import HOST, host_image
from panther_lib_containers.images import ImageBuilder, step_of_service, step_of_tools, step_of_trust
from panther_lib_containers.mounts import Mount, mounts_of
from panther_lib_containers.namespaces import lacking_rights
from panther_lib_containers.options import ContainerOptions
from panther_lib_containers.shims import behind_shim
from panther_lib_containers.where import engine_host, is_local

OLDEST = (20, 10)
IMAGES = "images.json"


@attrs.define(slots=False)
class ContainerEnvironment(LocalNetworkEnvironment):
    """Base of network environments whose services run in containers of an engine on this machine."""

    can_keep: ClassVar[bool] = True
    options: Any = attrs.field(factory=ContainerOptions)
    images: dict[str, str] = attrs.field(factory=dict, init=False)
    """The image of each service's container; HOST for one that shows this machine's programs."""
    guard: Guard | None = attrs.field(default=None, init=False)
    _builder: ImageBuilder | None = attrs.field(default=None, init=False)
    _visible: dict[str, set[Path]] = attrs.field(factory=dict, init=False)
    links: Mapping[str, LinkSpec] = attrs.field(factory=dict, init=False)
    changes: bool = attrs.field(default=False, init=False)

    @property
    def engine(self) -> Engine:
        """The engine that the options mean."""
        return Engine(engine_host(self.options.host), float(self.options.timeout))

    def expect_links(self, links: Mapping[str, LinkSpec], *, changes: bool) -> None:
        """Learn between which services something has to be done to packets."""
        self.links, self.changes = links, changes

    def mistakes(self, services: Sequence[ServiceSpec]) -> Iterable[Problem]:
        """Yield what containers cannot have, on any machine."""
        yield from super().mistakes(services)
        yield from self.unfit_topology("all services are on one network")

    def preflight(self, services: Sequence[ServiceSpec]) -> Iterable[Problem]:
        """Yield what the engine of this machine cannot do for these services, besides."""
        yield from super().preflight(services)
        if self.changes or any(each.used() for each in self.links.values()):
            yield from lacking_rights(self.get_name())
        bundle = self.options.docker.build.ca_bundle
        if bundle and not Path(bundle).is_file():
            yield Problem(what=f"there is no file {bundle}", where="network_environment.docker.build.ca_bundle")
        if not is_local(self.engine.host):
            yield Problem(
                what="the Docker engine is on another machine",
                where=f"DOCKER_HOST={self.engine.host}",
                why="services share folders with PANTHER, and their processes are looked at",
                fix="unset DOCKER_HOST",
            )
            return
        try:
            yield from self.unfit_engine(services)
        except DockerComposeException as error:
            yield Problem(what=str(error))

    def unfit_engine(self, services: Sequence[ServiceSpec]) -> Iterator[Problem]:
        """Yield what this engine cannot do."""
        version = self.engine.version()
        numbers = tuple(int(each) for each in version.split(".")[:2] if each.isdigit())
        if self.options.host == "" and numbers < OLDEST:
            yield Problem(what=f"the Docker engine {version} is too old", fix="an engine from 20.10 on")
        for name, pull in sorted(self._wanted(services).items()):
            if pull == "never" and self.engine.image(name) is None:
                yield Problem(what=f"the image {name} is not there", fix=f"docker pull {name}, or pull: missing")

    def _wanted(self, services: Sequence[ServiceSpec]) -> dict[str, str]:
        """Return the images that have to be there before anything is built, and whether they may be fetched."""
        names = {self.given_image(each) for each in services} - {HOST}
        base, build = self.options.docker.base_image, self.options.docker.build
        return dict.fromkeys(names, self.options.pull) | ({base: build.pull} if base else {})

    def given_image(self, spec: ServiceSpec) -> str:
        """Return the image that a service gets, or that its own is built on."""
        return spec.image or self.options.docker.base_image or str(self.options.image)

    def unfit_limits(self) -> Iterable[Problem]:
        """Yield nothing: containers keep every limit."""
        return ()

    def adapt_plan(self, spec: ServiceSpec) -> ServicePlan:
        """Return the plan for the image that is going to be built, if one is; else without shims."""
        if self._builds(spec):
            return spec.plan.in_image()
        if self.given_image(spec) != HOST:
            return spec.plan
        return attrs.evolve(spec.plan, run=behind_shim(spec.plan.run))

    def _builds(self, spec: ServiceSpec) -> bool:
        return bool(self.options.docker.base_image and spec.plan.image and not spec.image)

    def prepare_services(self, services: Sequence[ServiceSpec]) -> None:
        """Fetch and build the images that are missing."""
        for name in sorted(self._wanted(services)):
            self.builder.fetch(name)
        self.ensure_service_images_available(services)
        if self._builder is not None and self._builder.made:
            content = [attrs.asdict(each) for each in self._builder.made]
            (self.context.folder / IMAGES).write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")

    def ensure_service_images_available(self, services: Sequence[ServiceSpec]) -> None:
        """Give every service an image that holds it and the tools of its instruments."""
        for spec in services:
            image = self.on_service_image(self.build_base_service_image(spec), spec)
            self.images[spec.name] = self.build_environment_image(image, spec.packages)

    def build_base_service_image(self, spec: ServiceSpec) -> str:
        """Return the image that those of services are built on."""
        given, bundle = self.given_image(spec), self.options.docker.build.ca_bundle
        return self.builder.on(given, step_of_trust(Path(bundle))) if bundle and given != HOST else given

    def on_service_image(self, base: str, spec: ServiceSpec) -> str:
        """Return an image with the service on top of ``base``."""
        recipe = spec.plan.image
        if recipe is None or not self._builds(spec):
            return base
        return self.builder.on(base, step_of_service(recipe))

    def build_environment_image(self, image: str, packages: tuple[str, ...]) -> str:
        """Return an image with the tools of instruments on top of ``image``; this machine's own has what it has."""
        return self.builder.on(image, step_of_tools(packages)) if packages and image != HOST else image

    @property
    def builder(self) -> ImageBuilder:
        """What builds images for this case."""
        if self._builder is None:
            self._builder = ImageBuilder(
                self.engine,
                self.command_processor,
                self.context.folder,
                self.options.docker.build,
                {"panther.run": self.context.run_id, "panther.environment": self._environment},
                self.context.cancelled,
                self.context.failed,
                self.context.known,
                self.context.emit,
            )
        return self._builder

    @property
    def _environment(self) -> str:
        return self.descriptor.name if self.descriptor else type(self).__name__

    def visible_path(self, service: str, path: Path) -> str:
        """Return the path itself: a container sees what it needs of this machine where this machine has it."""
        self._visible.setdefault(service, set()).add(path)
        return str(path)

    def mounts(self, launch: ServiceLaunch) -> list[Mount]:
        """Return the paths of this machine that a service sees."""
        profiles = self.context.folder.parent / "profiles" / launch.name
        seen = [*self._visible.get(launch.name, ()), *map(Path, self.options.mounts)]
        return mounts_of(launch, seen, profiles, host=self.image(launch.name) == HOST)

    def image(self, service: str) -> str:
        """Return the image of a service, HOST for this machine's own."""
        return self.images.get(service, str(self.options.image))

    def host_image(self) -> str:
        """Return the name of the image that stands for HOST."""
        return host_image(self.engine, self.context.folder)

    @contextlib.contextmanager
    def telling_lost_images(self, names: Iterable[str]) -> Iterator[None]:
        """Say which image is not there any more where containers cannot be made of it; later cases get it again."""
        try:
            yield
        except DockerComposeException as error:
            try:
                lost = [each for each in dict.fromkeys(names) if self.builder.is_lost(each)]
            except DockerComposeException:  # the engine does not answer either, as the first error says
                raise error from None
            if not lost:
                raise
            raise EnvironmentUnavailableError(
                f"the image {', '.join(lost)} is not there any more\n"
                "  because somebody has removed it since this run has found or made it\n"
                "  try: the run again; what PANTHER builds is built again, what it may fetch is fetched, "
                "else docker pull or docker load"
            ) from error

    def user(self) -> str:
        """Return as whom programs run."""
        return self.options.user or f"{os.getuid()}:{os.getgid()}"

    def begin(self) -> Guard:
        """Begin to have things in the engine."""
        context = self.context
        digest = hashlib.blake2b(f"{context.run_id} {context.folder}".encode(), digest_size=6).hexdigest()
        self.guard = Guard(
            f"panther-{digest}", context.run_id, context.case_id, self._environment, self.engine, context.folder
        )
        return self.guard

    @abc.abstractmethod
    def container(self, service: str) -> str:
        """Return the name of the container in which a service runs."""

    def _execute(self, launch: ServiceLaunch, command: ShellCommand, *, name: str, kept: bool = False) -> CommandResult:
        """Run a command in the container of a service; at its time limit all that it has started is ended."""
        program, mark, container = launch.command.program, uuid.uuid4().hex, self.container(launch.name)
        folder = command.working_dir or program.working_dir or str(launch.folder)
        env = {**program.env, **command.env, MARK: mark}
        settings = [word for key, value in env.items() for word in ("--env", f"{key}={value}")]
        words = self.engine.command("exec", "--workdir", folder, *settings, container, *command.argv)
        asked = ShellCommand(words[0], words[1:], timeout=command.timeout)
        result = self.command_processor.execute(asked, log_dir=self.context.folder if kept else None, name=name)
        if result.exit.reason == "timeout":
            for pid in ControlGroup.of(int(self.engine.inspect(container)["State"]["Pid"])).pids():
                if marked(pid, mark):
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)
        return attrs.evolve(result, command=command)

    def collect(self) -> Iterable[Artifact]:
        """Yield what the engine knows of the containers, and which images were made for them."""
        if self.guard is not None:
            found = [self.engine.inspect(each) for each in self.guard.containers()]
            (self.context.folder / "inspect.json").write_text(json.dumps(found, indent=1), encoding="utf-8")
            yield Artifact(path="inspect.json", kind="log", title="containers as Docker sees them")
        if self._builder is not None and self._builder.made:
            yield Artifact(path=IMAGES, kind="log", title="images that were made for the case")

    def teardown_environment(self) -> None:
        """Remove containers, network and volumes, or only end the programs where all is to be kept."""
        if self.guard is None:
            return
        if self.options.cleanup_on_exit:
            self.guard.remove()
            self.remove_groups()
            return
        super().teardown_environment()
        label = f"label=panther.project={self.guard.project}"
        self.note("warning", f"kept for a look: docker ps --all --filter {label}")
        self.guard.farewell()

    def verify_clean(self) -> Iterable[str]:
        """Yield everything of the case that is still there; what was to be kept is not asked for."""
        if self.guard is not None and self.options.cleanup_on_exit:
            yield from self.guard.left()

    def get_environment_status(self) -> Mapping[str, Any]:
        """Return the state of every service that was started, and the name of the project."""
        return {**super().get_environment_status(), "project": self.guard.project if self.guard else ""}
