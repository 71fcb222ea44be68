"""The engine asks in one order, and whatever fails in between, what was set up is taken down."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import attrs
import pytest

from panther_core.testing import MakeProject, Outcome
from panther_core.testing.dummy import DummyPlugin
from panther_hookspecs import CaseControl, Stage, TestTypeDescriptor, hookimpl

EXPERIMENT = """
name: order
protocol: dummy
network_environment: {{type: dummy{network}}}
execution_environments: [{{type: dummy, services: [server]{instrument}}}]
test_cases:
  - name: talk
    services:
      server: {{implementation: dummy}}
      client: {{implementation: dummy}}
"""


def run(make: MakeProject, *, network: str = "", instrument: str = "") -> tuple[Outcome, list[str]]:
    dummy = DummyPlugin()
    text = EXPERIMENT.format(network=network and f", {network}", instrument=instrument and f", {instrument}")
    outcome = make({"order.yaml": text}, plugins=[dummy]).run("run order.yaml")
    return outcome, dummy.calls.methods()


def test_a_case_goes_through_its_steps_in_one_order(panther_project: MakeProject) -> None:
    outcome, calls = run(panther_project)
    outcome.assert_ok()
    assert calls == [
        *("plan", "plan"),  # before anything starts: mistakes in the file are refused
        *("plan", "plan"),
        "preflight",
        "plan_addresses",
        "check",
        "wrap",
        "setup_environment",
        "start_service",
        "start_monitoring",
        "wait_for_service_ready",
        "start_service",
        "wait_for_service_ready",
        "stop_monitoring",
        "get_monitoring_data",
        "collect",
        "teardown_environment",
        "verify_clean",
    ]
    assert outcome.measurements()["server.dummy.calls"] == 5


@pytest.mark.parametrize(
    "step", ["plan_addresses", "setup_environment", "start_service", "wait_for_service_ready", "collect"]
)
def test_an_environment_that_fails_in_any_step_is_taken_down(panther_project: MakeProject, step: str) -> None:
    outcome, calls = run(panther_project, network=f"fail_in: {step}")
    outcome.assert_exit(1)
    outcome.assert_verdicts({"talk": "error"})
    assert calls[-2:] == ["teardown_environment", "verify_clean"]
    assert f"network.{step} was told to fail" in outcome.cases()[0]["why"]


def test_an_unexpected_exception_of_a_plugin_leaves_its_traceback_as_evidence(panther_project: MakeProject) -> None:
    outcome, _ = run(panther_project, network="fail_in: setup_environment")
    assert "DummyError" in outcome.text("traceback.txt")


@pytest.mark.parametrize("step", ["check", "wrap", "start_monitoring", "stop_monitoring", "get_monitoring_data"])
def test_an_instrument_that_fails_makes_the_case_an_error_never_a_run_without_it(
    panther_project: MakeProject, step: str
) -> None:
    outcome, calls = run(panther_project, instrument=f"fail_in: {step}")
    outcome.assert_verdicts({"talk": "error"})
    assert f"instrument.{step} was told to fail" in outcome.cases()[0]["why"]
    assert calls[-2:] == ["teardown_environment", "verify_clean"]


def test_a_result_that_an_instrument_could_not_deliver_is_an_error(panther_project: MakeProject) -> None:
    outcome, _ = run(panther_project, instrument="missing: the profile is empty")
    outcome.assert_verdicts({"talk": "error"})
    assert outcome.cases()[0]["why"] == "dummy on server: the profile is empty"


def test_what_an_environment_or_instrument_refuses_starts_nothing(panther_project: MakeProject) -> None:
    for option in ({"network": "refuse: no kernel module"}, {"instrument": "refuse: the program is static"}):
        outcome, calls = run(panther_project, **option)
        outcome.assert_verdicts({"talk": "error"})
        assert "start_service" not in calls
        assert next(iter(option.values())).partition(": ")[2] in outcome.cases()[0]["why"]


def test_what_an_environment_leaves_behind_is_an_error_that_names_it(panther_project: MakeProject) -> None:
    outcome, _ = run(panther_project, network="leftovers: [veth0]")
    outcome.assert_verdicts({"talk": "error"})
    assert outcome.cases()[0]["why"] == "dummy left behind: veth0"


def test_an_error_while_taking_down_does_not_hide_the_first_one(panther_project: MakeProject) -> None:
    outcome, _ = run(panther_project, network="fail_in: teardown_environment", instrument="fail_in: start_monitoring")
    (case,) = outcome.cases()
    assert "start_monitoring" in case["why"]
    assert any("teardown_environment" in problem for problem in case["problems"])


class Restarts:
    """Brings a test type that kills the server and starts it again."""

    @hookimpl
    def panther_register_test_types(self) -> Iterator[TestTypeDescriptor]:
        yield TestTypeDescriptor(name="again", summary="restarts the server", stages=(Stage("again", _again),))


def _again(case: CaseControl) -> None:
    case.process("server").kill()
    case.restart("server")


def test_a_service_that_a_stage_restarts_is_watched_again_and_may_have_ended(panther_project: MakeProject) -> None:
    dummy = DummyPlugin()
    text = EXPERIMENT.format(network="", instrument="").replace("- name: talk", "- name: talk\n    type: again")
    outcome = panther_project({"order.yaml": text}, plugins=[dummy, Restarts()]).run("run order.yaml")
    outcome.assert_ok()
    assert dummy.calls.methods().count("start_monitoring") == 2
    assert dummy.calls.methods("network").count("start_service") == 3


PATIENCE = 60.0


@attrs.define(eq=False)
class Meets:
    """Brings a test type whose cases last until as many as there are jobs run, and others are prepared."""

    jobs: int
    prepared: int
    networks: int = 0
    begun: int = 0
    running: int = 0
    most: int = 0
    set_up: list[int] = attrs.field(factory=list)
    """Networks that there were when programs ran."""
    changed: threading.Condition = attrs.field(factory=threading.Condition)

    @hookimpl
    def panther_register_test_types(self) -> Iterator[TestTypeDescriptor]:
        yield TestTypeDescriptor(name="meet", summary="waits for others", stages=(Stage("meet", self._meet),))

    @hookimpl
    def panther_before_environment_setup(self) -> None:
        with self.changed:
            self.networks += 1
            self.changed.notify_all()

    def _meet(self, case: CaseControl) -> None:
        case.wait()
        with self.changed:
            self.begun += 1
            self.running += 1
            self.most = max(self.most, self.running)
            self.changed.notify_all()
            self.changed.wait_for(lambda: self.begun >= self.jobs and self.networks >= self.prepared, PATIENCE)
            self.set_up.append(self.networks)
            self.running -= 1


@pytest.mark.parametrize(("jobs", "prepared"), [(1, 1), (2, 4)])
def test_cases_are_prepared_while_the_programs_of_others_run_but_not_beside_a_single_job(
    panther_project: MakeProject, jobs: int, prepared: int
) -> None:
    meets = Meets(jobs, prepared)
    text = EXPERIMENT.format(network="", instrument="").replace("- name: talk", "- name: talk\n    type: meet")
    text = text.replace("execution_environments: [{type: dummy, services: [server]}]", "repeat: 4")
    outcome = panther_project({"order.yaml": text}, plugins=[DummyPlugin(), meets]).run(f"run order.yaml --jobs {jobs}")
    outcome.assert_ok()
    assert meets.most == jobs
    assert meets.set_up == ([1, 2, 3, 4] if jobs == 1 else [4] * 4)
    assert all("turn" in each["timings"] for each in outcome.cases())
