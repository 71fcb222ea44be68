"""A plugin that brings one of each: protocol, service, network environment and instrument, all called ``dummy``.

There is no network, but the programs are real processes of the launcher. Every call to a part is written down in order
and any part can be told to fail in any method, so the order and the error paths of the engine can be tested with it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import attrs

from panther_hookspecs import (
    Artifact,
    CheckResult,
    CommandResult,
    Context,
    Endpoint,
    ExecutionEnvironmentDescriptor,
    ExecutionEnvironmentInterface,
    ExecutionEnvironmentOptions,
    InstrumentTarget,
    Layer,
    LayerRole,
    Measurement,
    MonitoringData,
    NetworkEnvironmentDescriptor,
    NetworkEnvironmentInterface,
    NetworkEnvironmentOptions,
    NetworkPlan,
    Problem,
    Process,
    ProtocolDescriptor,
    Role,
    ScenarioEvidence,
    ServiceCommand,
    ServiceContext,
    ServiceDescriptor,
    ServiceLaunch,
    ServiceManager,
    ServiceNotReadyError,
    ServicePlan,
    ServiceSpec,
    ShellCommand,
    TestScenario,
    Verdict,
    hookimpl,
    option,
)

NAME = "dummy"
_FAIL_HELP = "Name of the method that raises DummyError."


class DummyError(Exception):
    """Raised where ``fail_in`` says so: an exception that nobody foresees."""


@attrs.frozen
class DummyCall:
    """One call of a method of a dummy."""

    part: str
    """``network``, ``instrument`` or ``service``."""
    method: str
    subject: str = ""
    """The service that the call was about."""


@attrs.define
class DummyCalls:
    """All calls to the dummies of one plugin object, in order; shared by the threads of a run."""

    calls: list[DummyCall] = attrs.field(factory=list)

    def add(self, part: str, method: str, subject: str, fail_in: str) -> None:
        """Write a call down, then raise DummyError if it is the one that shall fail."""
        self.calls.append(DummyCall(part, method, subject))
        if method == fail_in:
            raise DummyError(f"{part}.{method} was told to fail")

    def methods(self, part: str = "") -> list[str]:
        """Return the methods called, of one part or of all."""
        return [call.method for call in self.calls if part in ("", call.part)]


@attrs.frozen(kw_only=True)
class DummyParameters:
    """Parameters of the scenario ``talk``."""

    count: int = option(1, help="Words that the client says.", validator=attrs.validators.ge(0))


def check_talk(seen: ScenarioEvidence) -> Iterator[CheckResult]:
    """Judge ``talk``: the output of every client must hold the word ``talked`` as often as it was to say it."""
    for client in seen.named("client"):
        talked = seen.evidence.text(client).count("talked")
        good = talked == seen.parameters.count
        yield CheckResult(
            name=f"{client} talked",
            verdict=Verdict.PASS if good else Verdict.FAIL,
            evidence=f"{talked} words, wanted {seen.parameters.count}",
            proves_exchange=talked > 0,
        )


PROTOCOL = ProtocolDescriptor(
    name=NAME,
    summary="A client says words to itself",
    roles=(
        Role(name="server", ports={"port": 7}, transport="tcp"),
        Role(name="client", transport="tcp", target="server"),
    ),
    scenarios=(
        TestScenario(name="talk", summary="the client says its words", check=check_talk, parameters=DummyParameters),
    ),
)
"""The protocol of the dummies."""


@attrs.frozen(kw_only=True)
class DummyServiceOptions:
    """Options of the dummy service."""

    argv: tuple[str, ...] = option((), help="Program to run instead of the role's own; may hold placeholders.")
    fail_in: str = option("", help=_FAIL_HELP, validator=attrs.validators.in_(("", "plan")))


@attrs.frozen
class DummyService(ServiceManager):
    """Plans ``sleep`` for a server and one ``echo`` for a client."""

    options: DummyServiceOptions
    calls: DummyCalls

    def plan(self, context: ServiceContext) -> ServicePlan:
        """Return the program of the role, or the one of the options."""
        self.calls.add("service", "plan", context.name, self.options.fail_in)
        words = ["talked"] * int(context.parameters.get("count", 1))
        default = ("sleep", "3600") if context.role == "server" else ("echo", *words)
        program, *arguments = self.options.argv or default
        return ServicePlan(run=ShellCommand(program, arguments), ends_by_itself=context.role != "server")


_NETWORK_METHODS = (
    "",
    "preflight",
    "plan_addresses",
    "setup_environment",
    "start_service",
    "wait_for_service_ready",
    "execute",
    "collect",
    "teardown_environment",
    "verify_clean",
)


@attrs.frozen(kw_only=True)
class DummyNetworkOptions(NetworkEnvironmentOptions):
    """Options of the dummy network environment."""

    fail_in: str = option("", help=_FAIL_HELP, validator=attrs.validators.in_(_NETWORK_METHODS))
    fail_for: str = option("", help="Fail only in calls about this service; in all if left out.")
    refuse: str = option("", help="What preflight names as a problem; nothing if left out.")
    leftovers: tuple[str, ...] = option((), help="What verify_clean pretends to find.")


@attrs.define(slots=False)
class DummyNetwork(NetworkEnvironmentInterface):
    """A network environment without a network. Addresses are from the range reserved for documentation."""

    options: Any = attrs.field(factory=DummyNetworkOptions)
    calls: DummyCalls = attrs.field(factory=DummyCalls, kw_only=True)
    _launches: dict[str, ServiceLaunch] = attrs.field(factory=dict, init=False)
    _processes: dict[str, Process] = attrs.field(factory=dict, init=False)

    def _called(self, method: str, subject: str = "") -> None:
        meant = self.options.fail_for in ("", subject)
        self.calls.add("network", method, subject, self.options.fail_in if meant else "")

    def preflight(self, services: Sequence[ServiceSpec]) -> Iterable[Problem]:
        """Name the problem of the options."""
        self._called("preflight")
        return (Problem(what=self.options.refuse),) if self.options.refuse else ()

    def plan_addresses(self, services: Sequence[ServiceSpec]) -> Mapping[str, Endpoint]:
        """Give each service an address and the usual ports of its role."""
        self._called("plan_addresses")
        return {
            each.name: Endpoint(name=each.name, ip=f"192.0.2.{number}", hostname=each.name, ports=dict(each.ports))
            for number, each in enumerate(services, 1)
        }

    def setup_environment(self, config: NetworkPlan | Mapping[str, Any]) -> None:
        """Create nothing."""
        self._called("setup_environment")

    def start_service(self, launch: ServiceLaunch) -> Process:
        """Start the program as a plain process."""
        self._called("start_service", launch.name)
        process = self.context.launcher.start(
            launch.command, name=launch.name, folder=launch.folder, output_limit=launch.output_limit
        )
        self._launches[launch.name], self._processes[launch.name] = launch, process
        return process

    def wait_for_service_ready(self, service_name: str, timeout: float | None = None) -> None:
        """Return at once, whatever the readiness says; a server that has ended already is not ready."""
        self._called("wait_for_service_ready", service_name)
        status = self._processes[service_name].exit
        if status is not None and not self._launches[service_name].ends_by_itself:
            raise ServiceNotReadyError(f"{service_name} ended before it was ready: {status}")

    def execute(self, service_name: str, command: ShellCommand) -> CommandResult:
        """Run the command as a plain process."""
        self._called("execute", service_name)
        return self.command_processor.execute(command, log_dir=self.context.folder, name=f"execute-{service_name}")

    def collect(self) -> Iterable[Artifact]:
        """Give no evidence."""
        self._called("collect")
        return ()

    def teardown_environment(self) -> None:
        """End whatever still runs."""
        for process in self._processes.values():
            process.kill()
        self._called("teardown_environment")

    def verify_clean(self) -> Iterable[str]:
        """Name the leftovers of the options."""
        self._called("verify_clean")
        return tuple(self.options.leftovers)


_INSTRUMENT_METHODS = ("", "check", "wrap", "start_monitoring", "stop_monitoring", "get_monitoring_data")


@attrs.frozen(kw_only=True)
class DummyInstrumentOptions(ExecutionEnvironmentOptions):
    """Options of the dummy instrument."""

    fail_in: str = option("", help=_FAIL_HELP, validator=attrs.validators.in_(_INSTRUMENT_METHODS))
    refuse: str = option("", help="What check names as a problem; nothing if left out.")
    missing: str = option("", help="What get_monitoring_data names as a problem; nothing if left out.")


@attrs.define(slots=False)
class DummyInstrument(ExecutionEnvironmentInterface):
    """An instrument that sets a variable in the program's environment and measures how often it was called."""

    options: Any = attrs.field(factory=DummyInstrumentOptions)
    calls: DummyCalls = attrs.field(factory=DummyCalls, kw_only=True)
    _service: str = attrs.field(default="", init=False)
    _own: int = attrs.field(default=0, init=False)

    def _called(self, method: str) -> None:
        self._own += 1
        self.calls.add("instrument", method, self._service, self.options.fail_in)

    def check(self, target: InstrumentTarget) -> Iterable[Problem]:
        """Name the problem of the options."""
        self._service = target.service
        self._called("check")
        return (Problem(what=self.options.refuse),) if self.options.refuse else ()

    def wrap(self, command: ServiceCommand) -> ServiceCommand:
        """Set ``PANTHER_DUMMY`` for the program."""
        self._called("wrap")
        return command.wrapped(Layer(role=LayerRole.INSTRUMENT, by=NAME, env={"PANTHER_DUMMY": "1"}))

    def start_monitoring(self, target_process: Process) -> None:
        """Watch nothing."""
        self._called("start_monitoring")

    def stop_monitoring(self) -> None:
        """Stop watching nothing."""
        self._called("stop_monitoring")

    def get_monitoring_data(self) -> MonitoringData:
        """Return the number of calls, or the problem of the options."""
        self._called("get_monitoring_data")
        problems = (Problem(what=self.options.missing),) if self.options.missing else ()
        return MonitoringData(
            measurements=(Measurement(name="dummy.calls", value=self._own, service=self._service),), problems=problems
        )


@attrs.define(eq=False)
class DummyPlugin:
    """The plugin object. Give it to a project: ``panther_project({...}, plugins=[DummyPlugin()])``."""

    calls: DummyCalls = attrs.field(factory=DummyCalls)

    def _network(self, context: Context, options: Any) -> DummyNetwork:
        return DummyNetwork(context, options, calls=self.calls)

    def _instrument(self, context: Context, options: Any) -> DummyInstrument:
        return DummyInstrument(context, options, calls=self.calls)

    @hookimpl
    def panther_register_protocols(self) -> Iterable[ProtocolDescriptor]:
        """Bring the protocol."""
        return (PROTOCOL,)

    @hookimpl
    def panther_register_services(self) -> Iterable[ServiceDescriptor]:
        """Bring the service, which plays both roles."""
        return (
            ServiceDescriptor(
                name=NAME,
                summary="Sleeps as a server and says its words as a client",
                protocol=NAME,
                roles=("server", "client"),
                options=DummyServiceOptions,
                factory=lambda options: DummyService(options, self.calls),
            ),
        )

    @hookimpl
    def panther_register_network_environments(self) -> Iterable[NetworkEnvironmentDescriptor]:
        """Bring the network environment."""
        return (
            NetworkEnvironmentDescriptor(
                name=NAME,
                summary="Starts programs without any network",
                factory=self._network,
                options=DummyNetworkOptions,
            ),
        )

    @hookimpl
    def panther_register_execution_environments(self) -> Iterable[ExecutionEnvironmentDescriptor]:
        """Bring the instrument."""
        return (
            ExecutionEnvironmentDescriptor(
                name=NAME,
                summary="Watches nothing, and says how often it was asked",
                factory=self._instrument,
                options=DummyInstrumentOptions,
            ),
        )
