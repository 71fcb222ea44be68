"""Each hook does in a real run what its documentation says: one test (or more) for each, named after it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import attrs
import pytest

from panther_core.testing import HookRecorder, MakeProject, Outcome
from panther_core.testing.dummy import PROTOCOL, DummyPlugin
from panther_hookspecs import (
    BaseEvent,
    CommandDescriptor,
    DiscoveryDescriptor,
    ExperimentPhase,
    Message,
    Observer,
    ObserverContext,
    ObserverDescriptor,
    ProtocolDescriptor,
    Provisioner,
    ProvisionerDescriptor,
    ReportDescriptor,
    RunView,
    ScenarioEvidence,
    Stage,
    System,
    TestCandidate,
    TestTypeDescriptor,
    Verdict,
    hookimpl,
)

pytest_plugins = ["panther_core.testing.plugin"]

SERVICES = """
    services:
      server: {implementation: dummy}
      client: {implementation: dummy}
"""
EXPERIMENT = f"""
name: hooks
protocol: dummy
network_environment: dummy
test_cases:
  - name: talk{SERVICES}"""


def _run(make: MakeProject, *plugins: object, text: str = EXPERIMENT) -> Outcome:
    project = make({"hooks.yaml": text}, plugins=[DummyPlugin(), *plugins])
    return project.run("run hooks.yaml --jobs 1")


def _recorded(make: MakeProject, text: str = EXPERIMENT) -> tuple[Outcome, HookRecorder]:
    recorder = HookRecorder()
    return _run(make, recorder, text=text), recorder


def _calls(recorder: HookRecorder, hook: str) -> list[dict[str, Any]]:
    return [dict(call.arguments) for call in recorder.calls if call.hook == hook]


def _listed(make: MakeProject, *plugins: object) -> str:
    return make({}, plugins=plugins).run("plugins --json").stdout


# ------------------------------------------------------------------------------------------------ register


def test_panther_register_protocols_makes_the_protocol_usable(panther_project: MakeProject) -> None:
    _run(panther_project).assert_verdicts({"talk": "pass"})
    panther_project({"hooks.yaml": EXPERIMENT}).run("run hooks.yaml").assert_exit(2, "'dummy'")


def test_panther_register_services_makes_the_implementation_usable(panther_project: MakeProject) -> None:
    outcome = _run(
        panther_project, text=EXPERIMENT.replace("client: {implementation: dummy}", "client: {implementation: other}")
    )
    outcome.assert_exit(2, "other", "dummy")


def test_panther_register_network_environments_makes_the_network_usable(panther_project: MakeProject) -> None:
    plugin = DummyPlugin()
    panther_project({"hooks.yaml": EXPERIMENT}, plugins=[plugin]).run("run hooks.yaml").assert_ok()
    assert "setup_environment" in plugin.calls.methods("network")


def test_panther_register_execution_environments_makes_the_instrument_usable(panther_project: MakeProject) -> None:
    plugin = DummyPlugin()
    text = EXPERIMENT.replace("test_cases:", "execution_environments: [dummy]\ntest_cases:")
    panther_project({"hooks.yaml": text}, plugins=[plugin]).run("run hooks.yaml").assert_ok()
    assert "wrap" in plugin.calls.methods("instrument")


class _TestType:
    @hookimpl
    def panther_register_test_types(self) -> Iterable[TestTypeDescriptor]:
        def settle(case: Any) -> None:
            (case.folder / "settled").touch()
            case.wait()

        yield TestTypeDescriptor(name="patient", summary="Waits for all", stages=(Stage("settle", settle),))


def test_panther_register_test_types_makes_the_type_usable(panther_project: MakeProject) -> None:
    outcome = _run(panther_project, _TestType(), text=EXPERIMENT.replace("test_cases:", "type: patient\ntest_cases:"))
    outcome.assert_verdicts({"talk": "pass"})
    assert (outcome.folder() / "settled").exists()


class _Desk(Provisioner):
    def reserve(self) -> System | None:
        return System(name="desk")

    def release(self, system: System) -> None:
        pass


class _ProvisionerPlugin:
    @hookimpl
    def panther_register_provisioners(self) -> Iterable[ProvisionerDescriptor]:
        yield ProvisionerDescriptor(name="desk", summary="One system", factory=lambda _options: _Desk())


def test_panther_register_provisioners_lists_the_source_of_systems(panther_project: MakeProject) -> None:
    assert '"desk"' in _listed(panther_project, _ProvisionerPlugin())
    assert '"desk"' not in _listed(panther_project)


@attrs.define
class _Counter(Observer):
    names: list[str] = attrs.field(factory=list)
    closed: bool = False

    def handle_event(self, event: BaseEvent) -> None:
        self.names.append(event.name)

    def close(self) -> None:
        self.closed = True


@attrs.define(eq=False)
class _ObserverPlugin:
    counter: _Counter = attrs.field(factory=_Counter)

    def _make(self, _context: ObserverContext) -> Observer:
        return self.counter

    @hookimpl
    def panther_register_observers(self) -> Iterable[ObserverDescriptor]:
        yield ObserverDescriptor(name="counter", summary="Counts events", factory=self._make, default=True)


def test_panther_register_observers_gives_the_observer_every_event(panther_project: MakeProject) -> None:
    plugin = _ObserverPlugin()
    _run(panther_project, plugin).assert_ok()
    assert "test.completed" in plugin.counter.names
    assert plugin.counter.closed


class _ReportPlugin:
    @hookimpl
    def panther_register_reports(self) -> Iterable[ReportDescriptor]:
        def write(run: RunView, target: Any, _options: object) -> None:
            target.write_text("\n".join(case["verdict"] for case in run.cases()))

        yield ReportDescriptor(name="verdicts", summary="One verdict a line", filename="v.txt", write=write)


def test_panther_register_reports_makes_the_report_available(panther_project: MakeProject) -> None:
    project = panther_project({"hooks.yaml": EXPERIMENT}, plugins=[DummyPlugin(), _ReportPlugin()])
    run = project.run("run hooks.yaml").run
    project.run("report last --format verdicts").assert_ok()
    assert (run / "v.txt").read_text() == "pass"


class _CommandPlugin:
    @hookimpl
    def panther_register_commands(self) -> Iterable[CommandDescriptor]:
        def run(_args: object, context: Any) -> int:
            context.say("hello")
            return 7

        yield CommandDescriptor(name="hello", summary="Say hello", configure=lambda _parser: None, run=run)


def test_panther_register_commands_adds_the_command_to_the_console(panther_project: MakeProject) -> None:
    panther_project({}, plugins=[_CommandPlugin()]).run("hello").assert_exit(7, "hello")


# ------------------------------------------------------------------------------------------------ notify


def test_panther_before_phase_is_told_of_each_phase_in_order(panther_project: MakeProject) -> None:
    _, recorder = _recorded(panther_project)
    assert [each["phase"] for each in _calls(recorder, "panther_before_phase")] == list(ExperimentPhase)


def test_panther_before_phase_that_raises_ends_the_run_and_cleans_up(panther_project: MakeProject) -> None:
    class Refusing:
        @hookimpl
        def panther_before_phase(self, phase: ExperimentPhase) -> None:
            if phase is ExperimentPhase.TEST_EXECUTION:
                raise RuntimeError("no room for a run")

    recorder = HookRecorder()
    outcome = _run(panther_project, Refusing(), recorder)
    assert outcome.exit_code != 0
    assert "no room for a run" in outcome.stdout + outcome.stderr
    assert ExperimentPhase.CLEANUP in [each["phase"] for each in _calls(recorder, "panther_after_phase")]


def test_panther_after_phase_is_told_of_every_phase_that_was_entered(panther_project: MakeProject) -> None:
    _, recorder = _recorded(panther_project)
    assert {each["phase"] for each in _calls(recorder, "panther_after_phase")} == set(ExperimentPhase)


def test_panther_on_phase_error_comes_between_the_error_and_after_phase(panther_project: MakeProject) -> None:
    class Refusing:
        @hookimpl
        def panther_before_phase(self, phase: ExperimentPhase) -> None:
            if phase is ExperimentPhase.SERVICE_SETUP:
                raise RuntimeError("no room")

    recorder = HookRecorder()
    _run(panther_project, Refusing(), recorder)
    phase = {"phase": ExperimentPhase.SERVICE_SETUP}
    recorder.assert_order([("panther_on_phase_error", phase), ("panther_after_phase", phase)])


def test_panther_before_test_case_knows_the_attempt_and_its_folder(panther_project: MakeProject) -> None:
    outcome, recorder = _recorded(panther_project)
    (told,) = _calls(recorder, "panther_before_test_case")
    assert (told["case"].name, told["case"].attempt) == ("talk", 1)
    assert told["case"].folder == outcome.folder()
    assert set(told["case"].services) == {"server", "client"}


def test_panther_before_test_case_that_raises_makes_the_verdict_an_error(panther_project: MakeProject) -> None:
    class Refusing:
        @hookimpl
        def panther_before_test_case(self) -> None:
            raise RuntimeError("not today")

    outcome = _run(panther_project, Refusing())
    outcome.assert_verdicts({"talk": "error"})
    assert "not today" in outcome.cases()[0]["why"]


def test_panther_after_test_case_is_told_the_verdict(panther_project: MakeProject) -> None:
    _, recorder = _recorded(panther_project)
    assert [each["verdict"] for each in _calls(recorder, "panther_after_test_case")] == [Verdict.PASS]


def test_panther_after_test_case_that_raises_leaves_the_verdict_and_is_reported(panther_project: MakeProject) -> None:
    class Failing:
        @hookimpl
        def panther_after_test_case(self) -> None:
            raise RuntimeError("the mirror is full")

    outcome = _run(panther_project, Failing())
    outcome.assert_verdicts({"talk": "pass"})
    assert "the mirror is full" in outcome.stdout + outcome.stderr


def _failing(where: str) -> str:
    return EXPERIMENT.replace("network_environment: dummy", f"network_environment: {{type: dummy, fail_in: {where}}}")


def test_panther_on_test_case_error_comes_before_the_environment_is_taken_down(panther_project: MakeProject) -> None:
    outcome, recorder = _recorded(panther_project, _failing("start_service"))
    outcome.assert_verdicts({"talk": "error"})
    recorder.assert_order(
        ["panther_on_test_case_error", "panther_after_environment_teardown", "panther_after_test_case"]
    )


def test_panther_before_environment_setup_comes_before_anything_is_created(panther_project: MakeProject) -> None:
    plugin, recorder = DummyPlugin(), HookRecorder()
    created: list[list[str]] = []

    class Looking:
        @hookimpl
        def panther_before_environment_setup(self) -> None:
            created.append(plugin.calls.methods("network"))

    project = panther_project({"hooks.yaml": EXPERIMENT}, plugins=[plugin, Looking(), recorder])
    project.run("run hooks.yaml").assert_ok()
    assert len(created) == 1
    assert "plan_addresses" in created[0]
    assert "setup_environment" not in created[0]
    assert [each["environment"] for each in _calls(recorder, "panther_before_environment_setup")] == ["dummy"]


def test_panther_after_environment_teardown_is_told_what_could_not_be_removed(panther_project: MakeProject) -> None:
    text = EXPERIMENT.replace("network_environment: dummy", "network_environment: {type: dummy, leftovers: [veth7]}")
    _, recorder = _recorded(panther_project, text)
    assert [list(each["leftovers"]) for each in _calls(recorder, "panther_after_environment_teardown")] == [["veth7"]]


def test_panther_after_environment_teardown_is_told_even_if_setting_up_failed(panther_project: MakeProject) -> None:
    _, recorder = _recorded(panther_project, _failing("setup_environment"))
    recorder.assert_order(["panther_before_environment_setup", "panther_after_environment_teardown"])


@pytest.mark.parametrize("where", ["setup_environment", "teardown_environment"])
def test_panther_on_environment_error_is_told_what_happened(panther_project: MakeProject, where: str) -> None:
    _, recorder = _recorded(panther_project, _failing(where))
    told = _calls(recorder, "panther_on_environment_error")
    assert any(where in str(each["error"]) for each in told)


def test_panther_on_event_is_told_every_event_in_order(panther_project: MakeProject) -> None:
    outcome, recorder = _recorded(panther_project)
    told = [each["event"].name for each in _calls(recorder, "panther_on_event")]
    stored = json.dumps(outcome.events())
    assert [name for name in told if name.startswith("test.")] == ["test.started", "test.completed"]
    assert "test.started" in stored


# ------------------------------------------------------------------------------------------------ choose

TWO = f"""
name: two
protocol: dummy
network_environment: dummy
test_cases:
  - name: first{SERVICES}  - name: second{SERVICES}"""


def _order(outcome: Outcome) -> list[str]:
    return [attempt["name"] for attempt in outcome.attempts()]


class _LastFirst:
    @hookimpl
    def panther_choose_next_test(self, waiting: list[TestCandidate]) -> TestCandidate | None:
        return waiting[-1]


def test_panther_choose_next_test_decides_the_order(panther_project: MakeProject) -> None:
    assert _order(_run(panther_project, text=TWO)) == ["first", "second"]
    assert _order(_run(panther_project, _LastFirst(), text=TWO)) == ["second", "first"]


class _Nowhere:
    @hookimpl
    def panther_choose_applicable(self, test: TestCandidate) -> bool | None:
        return False if test.name == "talk" else None


def test_panther_choose_applicable_keeps_a_test_from_a_system(panther_project: MakeProject) -> None:
    outcome = _run(panther_project, _Nowhere())
    assert outcome.exit_code != 0
    assert outcome.attempts() == []


class _SecondFits:
    @hookimpl
    def panther_choose_fitness(self, test: TestCandidate) -> float | None:
        return 10.0 if test.name == "second" else None


def test_panther_choose_fitness_runs_the_fittest_test_first(panther_project: MakeProject) -> None:
    assert _order(_run(panther_project, _SecondFits(), text=TWO)) == ["second", "first"]


def test_panther_choose_port_range_is_asked_once_for_a_run(panther_project: MakeProject) -> None:
    outcome, recorder = _recorded(panther_project, TWO)
    (asked,) = _calls(recorder, "panther_choose_port_range")
    assert asked["run"].folder == outcome.run


def test_a_protocol_whose_messages_cannot_be_told_costs_a_note_and_no_verdict(panther_project: MakeProject) -> None:
    def messages(_seen: ScenarioEvidence) -> Iterable[Message]:
        raise ValueError("half a line")

    class Talkative(DummyPlugin):
        @hookimpl
        def panther_register_protocols(self) -> Iterable[ProtocolDescriptor]:
            yield attrs.evolve(PROTOCOL, messages=messages)

    project = panther_project({"hooks.yaml": EXPERIMENT}, plugins=[Talkative()])
    outcome = project.run("run hooks.yaml")
    outcome.assert_verdicts({"talk": "pass"})
    assert outcome.cases()[0]["notes"] == ["the messages could not be told: ValueError: half a line"]


def test_of_many_messages_the_first_are_kept(panther_project: MakeProject) -> None:
    def messages(_seen: ScenarioEvidence) -> Iterable[Message]:
        yield from (
            Message(time=float(number), source="client", target="server", label="word") for number in range(600)
        )

    class Talkative(DummyPlugin):
        @hookimpl
        def panther_register_protocols(self) -> Iterable[ProtocolDescriptor]:
            yield attrs.evolve(PROTOCOL, messages=messages)

    outcome = panther_project({"hooks.yaml": EXPERIMENT}, plugins=[Talkative()]).run("run hooks.yaml")
    assert len(outcome.text("messages.jsonl").splitlines()) == 500
    assert [each["title"] for each in outcome.cases()[0]["artifacts"] if each["kind"] == "messages"] == [
        "the first 500 messages between the services"
    ]


class _DiscoveryPlugin:
    @hookimpl
    def panther_register_discoveries(self) -> Iterable[DiscoveryDescriptor]:
        def find(_options: object, folder: Path) -> Iterable[Mapping[str, Any]]:
            for path in sorted(folder.glob("*.sh")):
                yield {
                    "name": path.stem,
                    "services": {"one": {"implementation": "command", "argv": ["sh", str(path)]}},
                    "tags": ["script"],
                }

        yield DiscoveryDescriptor(name="scripts", summary="Scripts in a folder", find=find)


def test_panther_register_discoveries_brings_test_cases_that_join_those_of_the_file(
    panther_project: MakeProject,
) -> None:
    experiment = """
name: joined
network_environment: localhost
timeout: 7s
discover: [scripts]
test_cases: [{name: own, services: {one: {implementation: command, argv: ["true"]}}}]
"""
    files = {"all.yaml": experiment, "good.sh": "true", "bad.sh": "exit 3"}
    project = panther_project(files, plugins=[_DiscoveryPlugin()])
    outcome = project.run("run all.yaml")
    outcome.assert_verdicts({"own": "pass", "good": "pass", "bad": "fail"})
    project.run("plan all.yaml -k tags=script").assert_exit(0, "good", "bad", "2 cases, nothing was started")
    project.run(f"resume {outcome.run}")
    assert sorted(each["name"] for each in outcome.attempts()) == ["bad", "bad", "good", "own"]
