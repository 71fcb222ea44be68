"""Every hook of PANTHER, in three grammars that are never mixed.

*register* hooks are asked once and yield descriptors; *notify* hooks are told what happens and return nothing;
*choose* hooks decide, and the first answer that is not None wins.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs

from panther_hookspecs._markers import hookspec

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from panther_hookspecs.discovery import DiscoveryDescriptor
    from panther_hookspecs.events import BaseEvent
    from panther_hookspecs.instruments import ExecutionEnvironmentDescriptor
    from panther_hookspecs.links import LinkDescriptor
    from panther_hookspecs.networks import NetworkEnvironmentDescriptor
    from panther_hookspecs.outputs import CommandDescriptor, ObserverDescriptor, ReportDescriptor
    from panther_hookspecs.pool import ProvisionerDescriptor, System, TestCandidate
    from panther_hookspecs.protocols import ProtocolDescriptor
    from panther_hookspecs.services import ServiceDescriptor
    from panther_hookspecs.testtypes import TestTypeDescriptor
    from panther_hookspecs.values import ExperimentPhase, Verdict


@attrs.frozen(kw_only=True)
class RunInfo:
    """The run that a hook is called for."""

    run_id: str
    name: str
    folder: Path | None
    """None for a dry run, which has no folder."""


@attrs.frozen(kw_only=True)
class CaseInfo:
    """The attempt at a test case that a hook is called for."""

    case_id: str
    name: str
    attempt: int
    folder: Path
    protocol: str
    scenario: str
    network_environment: str
    services: tuple[str, ...]


class RegisterSpecs:
    """Asked once, when the plugins are loaded."""

    @hookspec
    def panther_register_protocols(self) -> Iterable[ProtocolDescriptor]:
        """Yield the protocols that this plugin brings.

        When: once, after all plugins were imported.
        Who: packages `panther-protocol-*`.
        Returns: descriptors with roles, scenarios and the checks that judge them.
        On exception: the plugin is listed as broken with the reason; the others work.
        Example::

            @hookimpl
            def panther_register_protocols():
                role = Role(name="peer", ports={"port": 7}, transport="tcp")
                talk = TestScenario(name="talk", summary="exchange a line", check=lambda seen: [])
                yield ProtocolDescriptor(name="chat", summary="Lines over TCP", roles=(role,), scenarios=(talk,))
        """

    @hookspec
    def panther_register_services(self) -> Iterable[ServiceDescriptor]:
        """Yield the implementations that this plugin brings.

        When: once, after all plugins were imported.
        Who: packages `panther-service-*`.
        Returns: descriptors with protocol, roles, versions, claimed scenarios, and the manager that plans a service.
        On exception: the plugin is listed as broken with the reason; the others work.
        Example::

            @hookimpl
            def panther_register_services():
                class Sleep(ServiceManager):
                    def plan(self, context):
                        return ServicePlan(run=ShellCommand("sleep", ["1"]), ends_by_itself=True)

                yield ServiceDescriptor(name="sleep", summary="Waits a second", factory=lambda options: Sleep())
        """

    @hookspec
    def panther_register_network_environments(self) -> Iterable[NetworkEnvironmentDescriptor]:
        """Yield the network environments that this plugin brings.

        When: once, after all plugins were imported.
        Who: packages `panther-env-*`.
        Returns: descriptors with the factory, and the capabilities that decide what an experiment may ask of it.
        On exception: the plugin is listed as broken with the reason; the others work.
        Example::

            @hookimpl
            def panther_register_network_environments():
                class Nowhere(NetworkEnvironmentInterface):
                    '''Give plan_addresses, start_service and the other abstract methods here.'''

                yield NetworkEnvironmentDescriptor(name="nowhere", summary="Runs nothing", factory=Nowhere)
        """

    @hookspec
    def panther_register_links(self) -> Iterable[LinkDescriptor]:
        """Yield the link mechanisms that this plugin brings.

        When: once, after all plugins were imported.
        Who: packages `panther-link-*`.
        Returns: descriptors that say what they can do to packets, and what has to be set up for it.
        On exception: the plugin is listed as broken with the reason; the others work.
        Example::

            @hookimpl
            def panther_register_links():
                def drop(task):
                    line = "qdisc add dev eth0 root netem loss 1%"
                    return LinkSetup(tc={each.port.node: (line,) for each in task.flows})

                yield LinkDescriptor(name="drop", summary="Drops", factory=drop, impairments=frozenset({"loss"}))
        """

    @hookspec
    def panther_register_execution_environments(self) -> Iterable[ExecutionEnvironmentDescriptor]:
        """Yield the instruments that this plugin brings.

        When: once, after all plugins were imported.
        Who: packages `panther-profiler-*`.
        Returns: descriptors with the factory, the tools needed, the slowdown, and what it cannot be combined with.
        On exception: the plugin is listed as broken with the reason; the others work.
        Example::

            @hookimpl
            def panther_register_execution_environments():
                class Nice(ExecutionEnvironmentInterface):
                    def wrap(self, command):
                        return command.wrapped(Layer(role=LayerRole.INSTRUMENT, by="nice", argv=("nice", "-n5")))
                    def start_monitoring(self, target_process): ...
                    def stop_monitoring(self): ...
                    def get_monitoring_data(self):
                        return MonitoringData()

                yield ExecutionEnvironmentDescriptor(name="nice", summary="Runs at low priority", factory=Nice)
        """

    @hookspec
    def panther_register_test_types(self) -> Iterable[TestTypeDescriptor]:
        """Yield the test types that this plugin brings.

        When: once, after all plugins were imported.
        Who: packages `panther-test-*`.
        Returns: descriptors with the stages that a case goes through while its services run.
        On exception: the plugin is listed as broken with the reason; the others work.
        Example::

            @hookimpl
            def panther_register_test_types():
                def settle(case):
                    case.wait()

                yield TestTypeDescriptor(name="patient", summary="Waits for all", stages=(Stage("settle", settle),))
        """

    @hookspec
    def panther_register_provisioners(self) -> Iterable[ProvisionerDescriptor]:
        """Yield the provisioners that this plugin brings.

        When: once, after all plugins were imported.
        Who: packages `panther-provisioner-*`.
        Returns: descriptors with the factory of a source of systems.
        On exception: the plugin is listed as broken with the reason; the others work.
        Example::

            @hookimpl
            def panther_register_provisioners():
                class OneDesk(Provisioner):
                    def reserve(self):
                        return System(name="desk")
                    def release(self, system): ...

                yield ProvisionerDescriptor(name="desk", summary="One system", factory=lambda options: OneDesk())
        """

    @hookspec
    def panther_register_discoveries(self) -> Iterable[DiscoveryDescriptor]:
        """Yield the sources of test cases that this plugin brings.

        When: once, after all plugins were imported.
        Who: packages `panther-discover-*`.
        Returns: descriptors with the function that finds test cases where an experiment says `discover`.
        On exception: the plugin is listed as broken with the reason; the others work.
        Example::

            @hookimpl
            def panther_register_discoveries():
                def find(options, folder):
                    for path in sorted(folder.glob("checks/*.sh")):
                        run = {"implementation": "command", "argv": ["sh", str(path)]}
                        yield {"name": path.stem, "services": {"script": run}}

                yield DiscoveryDescriptor(name="scripts", summary="Scripts in a folder", find=find)
        """

    @hookspec
    def panther_register_observers(self) -> Iterable[ObserverDescriptor]:
        """Yield the observers that this plugin brings.

        When: once, after all plugins were imported.
        Who: packages `panther-observer-*` and whoever wants to see events.
        Returns: descriptors with the factory; the observer is made for each run and closed at its end.
        On exception: the plugin is listed as broken with the reason; the others work.
        Example::

            @hookimpl
            def panther_register_observers():
                class Counter(Observer):
                    seen = 0
                    def handle_event(self, event):
                        self.seen += 1

                yield ObserverDescriptor(name="counter", summary="Counts events", factory=lambda context: Counter())
        """

    @hookspec
    def panther_register_reports(self) -> Iterable[ReportDescriptor]:
        r"""Yield the reports that this plugin brings.

        When: once, after all plugins were imported.
        Who: packages `panther-report-*`.
        Returns: descriptors with the function that turns a run directory into one file.
        On exception: the plugin is listed as broken with the reason; the others work.
        Example::

            @hookimpl
            def panther_register_reports():
                def write(run, target, options):
                    target.write_text("\n".join(case["verdict"] for case in run.cases()))

                yield ReportDescriptor(name="verdicts", summary="One verdict a line", filename="v.txt", write=write)
        """

    @hookspec
    def panther_register_commands(self) -> Iterable[CommandDescriptor]:
        """Yield subcommands of the console that this plugin brings.

        When: once, after all plugins were imported.
        Who: any package.
        Returns: descriptors with the arguments and the function of the command.
        On exception: the plugin is listed as broken with the reason; the others work.
        Example::

            @hookimpl
            def panther_register_commands():
                def run(args, context):
                    context.say("hello")
                    return 0

                yield CommandDescriptor(name="hello", summary="Say hello", configure=lambda parser: None, run=run)
        """


class PhaseSpecs:
    """Told when an experiment enters and leaves one of its phases."""

    @hookspec
    def panther_before_phase(self, run: RunInfo, phase: ExperimentPhase) -> None:
        """Tell that an experiment is about to enter a phase.

        When: at the start of each of the five phases, in their order.
        Who: who prepares something for a whole run.
        Arguments: run: the run; phase: the phase that begins.
        Returns: nothing.
        On exception: the run ends with an error that names the plugin; clean-up still happens.
        Example::

            @hookimpl
            def panther_before_phase(run, phase):
                if phase is ExperimentPhase.TEST_EXECUTION:
                    print(f"{run.name} begins")
        """

    @hookspec
    def panther_after_phase(self, run: RunInfo, phase: ExperimentPhase) -> None:
        """Tell that a phase of an experiment is over, whether it went well or not.

        When: at the end of each phase that was entered.
        Who: who puts away what it prepared.
        Arguments: run: the run; phase: the phase that ended.
        Returns: nothing.
        On exception: it is reported at the end of the run, and the other plugins are still told.
        Example::

            @hookimpl
            def panther_after_phase(run, phase):
                if phase is ExperimentPhase.CLEANUP:
                    print(f"{run.name} is over")
        """

    @hookspec
    def panther_on_phase_error(self, run: RunInfo, phase: ExperimentPhase, error: BaseException) -> None:
        """Tell that a phase was ended by an error.

        When: between the error and panther_after_phase.
        Who: who reports failures elsewhere.
        Arguments: run: the run; phase: the phase; error: what ended it.
        Returns: nothing.
        On exception: it is reported at the end of the run, and the first error stays the one that counts.
        Example::

            @hookimpl
            def panther_on_phase_error(run, phase, error):
                print(f"{phase.value} failed: {error}")
        """


class CaseSpecs:
    """Told about each attempt at a test case, in the thread that runs it."""

    @hookspec
    def panther_before_test_case(self, case: CaseInfo) -> None:
        """Tell that an attempt at a test case begins.

        When: after its folder was made, before its environment is set up.
        Who: who prepares something for every case.
        Arguments: case: the attempt.
        Returns: nothing.
        On exception: the attempt's verdict is error and names the plugin.
        Example::

            @hookimpl
            def panther_before_test_case(case):
                (case.folder / "note.txt").write_text(case.name)
        """

    @hookspec
    def panther_after_test_case(self, case: CaseInfo, verdict: Verdict) -> None:
        """Tell that an attempt is over and judged.

        When: after everything was torn down, before the result is recorded.
        Who: who adds to or mirrors the evidence.
        Arguments: case: the attempt; verdict: what it showed.
        Returns: nothing.
        On exception: it is reported at the end of the run; the verdict stays.
        Example::

            @hookimpl
            def panther_after_test_case(case, verdict):
                print(case.name, verdict.value)
        """

    @hookspec
    def panther_on_test_case_error(self, case: CaseInfo, error: BaseException) -> None:
        """Tell that an attempt was ended by an error instead of a judgement.

        When: before its environment is torn down, while there is still something to look at.
        Who: who gathers more evidence of failures.
        Arguments: case: the attempt; error: what ended it.
        Returns: nothing.
        On exception: it is reported at the end of the run; the first error stays.
        Example::

            @hookimpl
            def panther_on_test_case_error(case, error):
                print(case.name, error)
        """


class EnvironmentSpecs:
    """Told about the network environment of each attempt."""

    @hookspec
    def panther_before_environment_setup(self, case: CaseInfo, environment: str) -> None:
        """Tell that a network environment is about to be set up.

        When: after addresses were planned, before anything is created.
        Who: who prepares the machine.
        Arguments: case: the attempt; environment: the environment's name.
        Returns: nothing.
        On exception: the attempt's verdict is error and names the plugin.
        Example::

            @hookimpl
            def panther_before_environment_setup(case, environment):
                print("setting up", environment)
        """

    @hookspec
    def panther_after_environment_teardown(self, case: CaseInfo, environment: str, leftovers: Sequence[str]) -> None:
        """Tell that a network environment was taken down.

        When: after tear-down and the check for leftovers, even if setting up had failed.
        Who: who checks that the machine is clean.
        Arguments: case: the attempt; environment: its name; leftovers: what could not be removed.
        Returns: nothing.
        On exception: it is reported at the end of the run.
        Example::

            @hookimpl
            def panther_after_environment_teardown(case, environment, leftovers):
                assert not leftovers
        """

    @hookspec
    def panther_on_environment_error(self, case: CaseInfo, environment: str, error: BaseException) -> None:
        """Tell that setting up, running or taking down an environment failed.

        When: at once.
        Who: who gathers the state of the machine.
        Arguments: case: the attempt; environment: its name; error: what happened.
        Returns: nothing.
        On exception: it is reported at the end of the run; the first error stays.
        Example::

            @hookimpl
            def panther_on_environment_error(case, environment, error):
                print(environment, error)
        """


class EventSpecs:
    """Told about every event. Observers are cheaper and can choose; this hook is for tracing."""

    @hookspec
    def panther_on_event(self, event: BaseEvent) -> None:
        """Tell that an event was emitted.

        When: for each event, in order, after the observers.
        Who: who wants to trace everything with one function.
        Arguments: event: the event.
        Returns: nothing.
        On exception: it is counted and reported at the end of the run; with --strict the run fails.
        Example::

            @hookimpl
            def panther_on_event(event):
                print(event.name)
        """


class ChooseSpecs:
    """The first plugin that returns something else than None decides."""

    @hookspec(firstresult=True)
    def panther_choose_next_test(self, waiting: Sequence[TestCandidate], system: System) -> TestCandidate | None:
        """Choose the test that a free system runs next.

        When: whenever a system is free and tests wait that are applicable to it.
        Who: who knows better than longest-first.
        Arguments: waiting: the applicable candidates, longest first; system: the free system.
        Returns: one of ``waiting``, or None to leave it to the next plugin and at last to the engine (the first).
        On exception: the engine chooses and the error is reported at the end of the run.
        Example::

            @hookimpl
            def panther_choose_next_test(waiting, system):
                return min(waiting, key=lambda test: test.name)
        """

    @hookspec(firstresult=True)
    def panther_choose_applicable(self, test: TestCandidate, system: System) -> bool | None:
        """Decide whether a test may run on a system.

        When: for each pair that the scheduler considers.
        Who: who labels systems by other means.
        Arguments: test: the candidate; system: the system.
        Returns: True or False, or None for the engine's rule: the system has all labels of the test.
        On exception: the engine's rule is used and the error is reported.
        Example::

            @hookimpl
            def panther_choose_applicable(test, system):
                return False if system.name == "broken-host" else None
        """

    @hookspec(firstresult=True)
    def panther_choose_fitness(self, test: TestCandidate, system: System) -> float | None:
        """Say how well a test fits a system; the highest number runs first.

        When: for each applicable pair, if any plugin implements it.
        Who: who prefers systems that are already prepared.
        Arguments: test: the candidate; system: the system.
        Returns: a number from -inf (never) to +inf (now), or None for 0.
        On exception: it counts as 0 and is reported.
        Example::

            @hookimpl
            def panther_choose_fitness(test, system):
                return 10.0 if "snapshot" in system.labels else None
        """

    @hookspec(firstresult=True)
    def panther_choose_port_range(self, run: RunInfo) -> tuple[int, int] | None:
        """Choose the ports from which environments of the host take theirs.

        When: once for each run, before addresses are planned.
        Who: who shares the machine with fixed services.
        Arguments: run: the run.
        Returns: the first and the last port, or None for the engine's range.
        On exception: the run ends with an error that names the plugin.
        Example::

            @hookimpl
            def panther_choose_port_range(run):
                return (20000, 29999)
        """


SPECIFICATIONS: tuple[type[Any], ...] = (
    RegisterSpecs,
    PhaseSpecs,
    CaseSpecs,
    EnvironmentSpecs,
    EventSpecs,
    ChooseSpecs,
)
"""All specification classes, in the order in which the documentation shows them."""
