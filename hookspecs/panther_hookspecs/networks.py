"""Network environments: where the services of a case run and what lies between them."""

from __future__ import annotations

import abc
from collections.abc import Callable, Iterable, Mapping, Sequence
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any, ClassVar

import attrs

from panther_hookspecs.commands import CommandResult, Process, ServiceCommand, ShellCommand
from panther_hookspecs.environments import Context, EnvironmentInterface, EnvironmentOptions
from panther_hookspecs.errors import TestExecutionError
from panther_hookspecs.events import ServiceDeploymentEvent, ServiceReadyEvent
from panther_hookspecs.impairments import LinkChange, LinkSpec
from panther_hookspecs.plugins import Descriptor, option
from panther_hookspecs.services import Readiness, ServicePlan
from panther_hookspecs.units import Bytes, Seconds
from panther_hookspecs.values import Artifact, CheckResult, Finding, Measurement, Problem


class ServiceNotReadyError(TestExecutionError):
    """A service ended or stayed silent where it should have become ready; the message says which and why."""


@attrs.frozen(kw_only=True)
class ResourceLimits:
    """Most that one service may take; 0 means no limit."""

    cpu: float = option(0.0, help="Processors, may be a fraction.")
    memory: Bytes = option(Bytes(0), help="Memory of the whole service.")
    processes: int = option(0, help="Processes and threads.")
    files: int = option(0, help="Open files of each process.")


@attrs.frozen(kw_only=True)
class NetworkEnvironmentOptions(EnvironmentOptions):
    """Options that every network environment has."""

    network_topology: Mapping[str, Any] = option(
        factory=dict, help="Layout of nodes and connections, as far as the environment has one."
    )
    deployment_target: str = option("local", help="Where to deploy: local, or a name the environment knows.")
    resource_limits: Mapping[str, ResourceLimits] = option(factory=dict, help="Limits by service name; * for all.")
    service_dependencies: Mapping[str, tuple[str, ...]] = option(
        factory=dict, help="Which services must be ready before a service starts."
    )
    capture_limit: Bytes = option(Bytes(256 << 20), help="Size at which the recording of a service stops growing.")
    capture_length: int = option(
        65535,
        help="Bytes of each packet that are recorded.",
        validator=[attrs.validators.ge(64), attrs.validators.le(65535)],
    )


@attrs.frozen(kw_only=True)
class ServiceSpec:
    """A planned service, before addresses are known."""

    name: str
    role: str
    plan: ServicePlan
    ports: Mapping[str, int] = attrs.field(factory=dict)
    transport: str = "udp"
    target: str = ""
    image: str = ""
    packages: tuple[str, ...] = ()
    """Debian packages that its instruments need where it runs."""


@attrs.frozen(kw_only=True)
class Endpoint:
    """Where a service will be found, known before anything starts."""

    name: str
    ip: str
    ip6: str = ""
    hostname: str = ""
    ports: Mapping[str, int] = attrs.field(factory=dict)
    folder: str = ""
    """The service's folder as the service itself sees it."""

    def __str__(self) -> str:
        """Return it as notes tell it."""
        return ", ".join([f"{self.name} is at {self.ip}", *(f"{name} {port}" for name, port in self.ports.items())])


@attrs.frozen(kw_only=True)
class ServiceLaunch:
    """A service ready to start: every placeholder replaced, every instrument around it."""

    name: str
    command: ServiceCommand
    folder: Path
    endpoint: Endpoint
    ready: Readiness = Readiness()
    depends_on: tuple[str, ...] = ()
    """The services that must be ready first, wherever the experiment says so."""
    ends_by_itself: bool = False
    stop_signal: int = 15
    stop_grace: Seconds = Seconds(3)
    limits: ResourceLimits = ResourceLimits()
    output_limit: int = 16 << 20


@attrs.frozen(kw_only=True)
class NetworkPlan:
    """All that an environment needs to set itself up for one attempt."""

    services: tuple[ServiceLaunch, ...] = ()
    links: Mapping[str, LinkSpec] = attrs.field(factory=dict)
    capture: bool = False
    capture_optional: bool = False
    """Whether the case goes on without recordings where they are not possible: nobody but its scenario wants them."""
    changes_links: bool = False
    """Whether any link may be changed while services talk over it, also one that does nothing at first."""
    timeout: Seconds = Seconds(60)
    """Longest time of the case, as its author wrote it."""


@attrs.frozen(kw_only=True)
class Observations:
    """What an environment itself has to say about a case that is over, besides the files that it gathered."""

    checks: tuple[CheckResult, ...] = ()
    measurements: tuple[Measurement, ...] = ()
    findings: tuple[Finding, ...] = ()


@attrs.frozen(kw_only=True)
class Leftover:
    """Something that a run has left on the machine, and how to remove it."""

    what: str
    run_id: str
    remove: Callable[[], None]
    cache: bool = False
    """Whether it was left on purpose, to make later runs faster; it is removed only where that is asked for."""


@attrs.define(slots=False)
class NetworkEnvironmentInterface(EnvironmentInterface):
    """What a network environment does, in the order in which the engine asks for it."""

    options: Any = attrs.field(factory=NetworkEnvironmentOptions)

    def mistakes(self, services: Sequence[ServiceSpec]) -> Iterable[Problem]:
        """Yield what is wrong with the case as it was written, on whatever machine it runs.

        `panther validate` asks for it too: nothing may be started, asked or made for it.
        """
        return ()

    def preflight(self, services: Sequence[ServiceSpec]) -> Iterable[Problem]:
        """Yield what keeps these services from running here, mistakes included; called before anything is created."""
        return self.mistakes(services)

    def adapt_plan(self, spec: ServiceSpec) -> ServicePlan:
        """Return the plan of a service as it is carried out here: an environment with images takes what is in them."""
        return spec.plan

    def prepare_services(self, services: Sequence[ServiceSpec]) -> None:
        """Make ready what the services run in, which may take long; called after the preflight, before addresses."""

    def expect_links(self, links: Mapping[str, LinkSpec], *, changes: bool) -> None:
        """Learn which links the case has, before anything else, and whether they will be changed."""

    @abc.abstractmethod
    def plan_addresses(self, services: Sequence[ServiceSpec]) -> Mapping[str, Endpoint]:
        """Return the endpoint of every service. May reserve addresses, must not create anything else."""

    def endpoint_seen(self, viewer: str, endpoint: Endpoint) -> Endpoint:
        """Return where ``viewer`` has to look for a service: elsewhere than it is, where something stands between."""
        return endpoint

    def visible_path(self, service: str, path: Path) -> str:
        """Return how ``service`` sees a path of the host, which must be reachable for it."""
        return str(path)

    @abc.abstractmethod
    def setup_environment(self, config: NetworkPlan | Mapping[str, Any]) -> None:
        """Create the network for the services of the plan; start none of them."""

    @abc.abstractmethod
    def start_service(self, launch: ServiceLaunch) -> Process:
        """Start one service and return at once."""

    @abc.abstractmethod
    def wait_for_service_ready(self, service_name: str, timeout: float | None = None) -> None:
        """Return when the service can be talked to; raise ServiceNotReadyError when it never will."""

    def run_batch(self, timeout: float) -> None:
        """Run all services that were started to their ends: for an environment that carries a case out as a whole.

        Called once, after ``start_service`` of every service, if the descriptor says ``batch``. When it returns, every
        process has ended. It looks at ``context.cancelled``, and raises TestExecutionError after ``timeout`` seconds.
        """

    def deploy_services(self, service_configs: Iterable[ServiceLaunch]) -> None:
        """Start services one after the other, each when the one before and those it depends on are ready."""
        launches = {launch.name: launch for launch in service_configs}
        order: TopologicalSorter[str] = TopologicalSorter()
        for name, launch in launches.items():
            order.add(name, *(each for each in launch.depends_on if each in launches))
        for launch in map(launches.__getitem__, order.static_order()):
            self.emit_event(
                ServiceDeploymentEvent(
                    service_name=launch.name, environment_name=self.get_name(), deployment_type=type(self).__name__
                )
            )
            self.start_service(launch)
            self.wait_for_service_ready(launch.name)
            self.emit_event(ServiceReadyEvent(service_name=launch.name, environment_name=self.get_name()))

    @abc.abstractmethod
    def execute(self, service_name: str, command: ShellCommand) -> CommandResult:
        """Run a command to its end where the service runs, with its view of network and files."""

    def change_link(self, directions: Sequence[tuple[str, str]], change: LinkChange) -> float:
        """Change what happens to packets from the first to the second service of each pair, now.

        Return the monotonic time at which it took effect. May be called from any thread while services run.
        """
        raise TestExecutionError(f"{self.get_name()} cannot change links while services talk over them")

    def collect(self) -> Iterable[Artifact]:
        """Yield evidence that the environment itself has gathered; called after the services have ended."""
        return ()

    def observe(self) -> Observations:
        """Return what is to be judged, measured and found beside what services and instruments give; after collect."""
        return Observations()

    def verify_clean(self) -> Iterable[str]:
        """Yield a description of everything that is still there after tear-down; nothing is the only good answer."""
        return ()


BaseNetworkEnvironment = NetworkEnvironmentInterface
"""The name that the environments page uses for the base of network environments."""


@attrs.frozen(kw_only=True)
class NetworkEnvironmentDescriptor(Descriptor):
    """Announces a network environment."""

    KIND: ClassVar[str] = "network_environment"

    factory: Callable[[Context, Any], NetworkEnvironmentInterface]
    """Takes the context and the options value."""
    options: type[Any] = NetworkEnvironmentOptions
    capabilities: frozenset[str] = frozenset()
    """Of IMPAIRMENTS and ``links proxied_links ipv6 capture limits images rootless deterministic_time``; ``links``
    stands for all that the installed link mechanisms can do, ``proxied_links`` for what proxies among them can. A case
    that asks for more is refused. Numbers from one with ``deterministic_time`` are labelled as simulated."""
    batch: bool = False
    """Whether it carries a case out as a whole: ``start_service`` only hands a service over, ``run_batch`` runs all of
    them. It orders them by what they depend on; nobody sees when one is ready, and no stage can touch one that runs."""
    instruments: frozenset[str] | None = None
    """The only execution environments that can watch services there; None where any can."""
    leftovers: Callable[[], Iterable[Leftover]] | None = None
    """Finds what killed runs have left behind, for `panther clean`."""
