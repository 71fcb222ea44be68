"""Services: one implementation in one role. A service manager turns options into a plan; the engine carries it out."""

from __future__ import annotations

import abc
import signal
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar

import attrs

from panther_hookspecs.commands import ShellCommand
from panther_hookspecs.errors import ConfigurationException
from panther_hookspecs.plugins import Descriptor, IPlugin
from panther_hookspecs.units import Seconds


@attrs.frozen(kw_only=True)
class Readiness:
    """How to know that a service can be talked to. Everything watches for an early end of the process as well."""

    kind: str = attrs.field(
        default="none", validator=attrs.validators.in_(("none", "tcp", "udp", "log", "command", "delay"))
    )
    port: str | int = "port"
    """For ``tcp`` and ``udp``: the name of one of the service's ports, or a number."""
    pattern: str = ""
    """For ``log``: a regular expression looked for in both output streams."""
    command: ShellCommand | None = None
    """For ``command``: it is repeated until it exits with 0."""
    delay: Seconds = Seconds(0)
    """For ``delay``, the last resort: a fixed wait."""
    timeout: Seconds = Seconds(10)
    declines: int | None = None
    """The exit code by which it says, before it is ready, that it cannot do what is asked for: ``unsupported``."""

    def number(self, ports: Mapping[str, int]) -> int:
        """Return the number of the port to look at; raise where the service has none of that name."""
        if isinstance(self.port, int):
            return self.port
        if self.port not in ports:
            raise ConfigurationException(
                f"there is no port {self.port!r} to be ready on; "
                + (f"there are: {', '.join(sorted(ports))}" if ports else "the service has none with a name")
                + f"\n  try: the number, ready: {{kind: {self.kind}, port: 8080}}"
            )
        return ports[self.port]


@attrs.frozen(kw_only=True)
class Output:
    """A file that a service promises to write into its folder."""

    pattern: str
    kind: str
    """``transcript``, ``qlog``, ``keys``, ``download``, ``log``, ..."""
    required: bool = True


@attrs.frozen(kw_only=True)
class ImageRecipe:
    """How to make an image in which a service can run, for network environments that build images.

    The Dockerfile begins with ``ARG BASE``, and its last stage with ``FROM ${BASE}``: so it fits on any base, and the
    recipes of several services fit on top of each other.
    """

    name: str
    """Name of the image; the environment adds what tells one version of its content from another."""
    dockerfile: Path
    run: ShellCommand
    """The program as it is called inside."""
    files: tuple[Path, ...] = ()
    """Files and folders that the Dockerfile copies, each by its own name."""
    args: Mapping[str, str] = attrs.field(factory=dict)
    """Build arguments: what options and versions change."""


@attrs.frozen(kw_only=True)
class ServicePlan:
    """Everything the engine must know to prepare, run and stop one service; the six phases are here.

    The three compile phases run once per content (``build_inputs`` and the commands themselves) in a cached
    folder, ``{build}``; the other three run for each attempt in the service's own folder, ``{dir}``.
    """

    run: ShellCommand
    pre_compile: tuple[ShellCommand, ...] = ()
    compile: tuple[ShellCommand, ...] = ()
    post_compile: tuple[ShellCommand, ...] = ()
    pre_run: tuple[ShellCommand, ...] = ()
    post_run: tuple[ShellCommand, ...] = ()
    build_inputs: tuple[Path, ...] = ()
    files: Mapping[str, bytes] = attrs.field(factory=dict)
    """Files to place in ``{dir}`` before pre_run, by relative name."""
    folders: tuple[str, ...] = ()
    """Folders to make in ``{dir}`` before pre_run."""
    make_files: Callable[[Mapping[str, str]], Mapping[str, bytes]] | None = None
    """Makes more such files when addresses are known: it is given what every placeholder means to the service."""
    ready: Readiness = Readiness()
    ends_by_itself: bool = False
    """Whether the case waits for it (a client, a tester) rather than stopping it (a server)."""
    stop_signal: int = signal.SIGTERM
    stop_grace: Seconds = Seconds(3)
    outputs: tuple[Output, ...] = ()
    runtime: str = "native"
    """``native``, ``static``, ``go``, ``python``, ``node`` or ``script``: instruments refuse what they cannot watch."""
    image: ImageRecipe | None = None
    only_in: str = ""
    """The image that it runs in and nowhere else: environments without images refuse it."""
    ports: Mapping[str, int] = attrs.field(factory=dict)
    """Numbers of its ports by name, where it cannot listen on the usual ones of its role."""

    def in_image(self) -> ServicePlan:
        """Return the plan as it is carried out in the image of its recipe: nothing is compiled on this machine."""
        if self.image is None:
            return self
        return attrs.evolve(self, run=self.image.run, pre_compile=(), compile=(), post_compile=(), build_inputs=())


@attrs.frozen(kw_only=True)
class ServiceContext:
    """What a service manager is told. Addresses are not known yet: it writes placeholders."""

    name: str
    role: str
    options: Any
    protocol: str = ""
    version: str = ""
    scenario: str = ""
    parameters: Mapping[str, Any] = attrs.field(factory=dict)
    """Parameters of the scenario, defaults filled in (``count``, ``files``, ...)."""
    target: str = ""
    """The service it talks to, for a role that has one."""
    transport: str = ""
    """``udp`` or ``tcp``, as the role of the target listens (or its own role, where it has no target)."""
    ports: Mapping[str, int] = attrs.field(factory=dict)
    """Usual port numbers of whom it talks to (or its own, where it has no target)."""
    encrypted: bool = False
    """Whether packets of the protocol cannot be sent again."""
    dialect: Path | None = None
    """The dialect of the protocol, if it has one."""
    speaker: Path | None = None
    """The program that asks single requests of the protocol, if it has one."""
    roles: Mapping[str, str] = attrs.field(factory=dict)
    """Role of every service of the case by its name."""
    seed: int = 0
    attempt: int = 1


class ServiceManager(abc.ABC):
    """Knows how to run one implementation. Pure: it plans, the engine acts."""

    @abc.abstractmethod
    def plan(self, context: ServiceContext) -> ServicePlan:
        """Return the plan for the service described by ``context``."""


class IServicePlugin(IPlugin):
    """A service as the engine finds it by name; :class:`ServiceDescriptor` is one."""

    @abc.abstractmethod
    def create_service_manager(self, config: Any) -> ServiceManager:
        """Return a manager for these options (the options value, or a mapping of its fields)."""

    @abc.abstractmethod
    def get_docker_image(self) -> str:
        """Return the image that holds the implementation, or an empty text if it has none."""


@attrs.frozen(kw_only=True)
class ServiceDescriptor(Descriptor, IServicePlugin):
    """Announces an implementation: which protocol, roles, versions and scenarios it claims to support."""

    KIND: ClassVar[str] = "service"

    factory: Callable[[Any], ServiceManager]
    """Takes the options value."""
    protocol: str = ""
    """Name of the protocol it speaks; empty for one that fits any."""
    roles: tuple[str, ...] = ()
    versions: tuple[str, ...] = ()
    """Versions of the implementation that the plugin has data for; the first is the default."""
    scenarios: Mapping[str, tuple[str, ...]] | None = None
    """Scenarios supported, by role; None claims all. What is not claimed is ``unsupported``, never tried."""
    claims: Mapping[str, Mapping[str, tuple[str, ...]]] = attrs.field(factory=dict)
    """Values of scenario parameters that it claims, by role and parameter: ``{"server": {"encoding": ("gzip",)}}``.

    A case that asks for another one is ``unsupported``. Where the value is ``auto``, the first one in the parameter's
    order of preference that all services of the case claim is taken. Parameters that are not named here are no matter
    of claims."""
    image: str = ""
    unfit: Mapping[str, str] = attrs.field(factory=dict)
    """Network environments in which it cannot run, with the reason: ``{"shadow_ns": "it needs sendmmsg"}``. A case that
    asks for one is ``unsupported``."""

    def create_service_manager(self, config: Any) -> ServiceManager:
        """Return a manager for these options (the options value, or a mapping of its fields)."""
        return self.factory(self.options(**config) if isinstance(config, Mapping) else config)

    def get_docker_image(self) -> str:
        """Return the image that holds the implementation, or an empty text if it has none."""
        return self.image
