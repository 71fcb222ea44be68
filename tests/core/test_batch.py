"""A network environment that carries a case out as a whole, and what it rules out for the rest of the case."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import attrs

from panther_core.testing import MakeProject, Outcome
from panther_core.testing.dummy import DummyCalls, DummyNetwork, DummyNetworkOptions, DummyPlugin
from panther_hookspecs import (
    CheckResult,
    Context,
    ExecutionEnvironmentDescriptor,
    Finding,
    Measurement,
    NetworkEnvironmentDescriptor,
    Observations,
    Verdict,
    hookimpl,
)


@attrs.define(slots=False)
class Whole(DummyNetwork):
    """Knows how every service ended before anybody asks."""

    observed: Observations = attrs.field(factory=Observations, kw_only=True)

    def run_batch(self, timeout: float) -> None:
        assert 0 < timeout <= 7, "the time that the case has left"
        self._called("run_batch")
        for name, process in self._processes.items():
            if self._launches[name].ends_by_itself:
                process.wait()
            else:
                process.stop(signal=15, grace=5)

    def observe(self) -> Observations:
        return self.observed


class Simulated(DummyPlugin):
    """The dummies, with a network environment that is called ``whole``."""

    def __init__(self, observed: Observations | None = None, **more: Any) -> None:
        super().__init__(DummyCalls())
        self.observed, self.more = observed or Observations(), more

    def _whole(self, context: Context, options: Any) -> Whole:
        return Whole(context, options, calls=self.calls, observed=self.observed)

    @hookimpl
    def panther_register_network_environments(self) -> Iterable[NetworkEnvironmentDescriptor]:
        return (
            NetworkEnvironmentDescriptor(
                name="whole",
                summary="Runs all at once",
                factory=self._whole,
                options=DummyNetworkOptions,
                batch=True,
                capabilities=frozenset({"deterministic_time"}),
                **self.more,
            ),
        )


class OnlyElsewhere:
    """An instrument for another environment."""

    @hookimpl
    def panther_register_execution_environments(self) -> Iterator[ExecutionEnvironmentDescriptor]:
        (own,) = DummyPlugin().panther_register_execution_environments()
        yield attrs.evolve(own, name="picky", networks=("moon",))


EXPERIMENT = """
name: whole
protocol: dummy
network_environment: whole
timeout: 7s
test_cases:
  - name: talk%s
    services: {server: {implementation: dummy}, client: {implementation: dummy}}
"""


def run(make: MakeProject, *plugins: object, written: str = "", command: str = "run") -> Outcome:
    return make({"e.yaml": EXPERIMENT % written}, plugins=plugins).run(f"{command} e.yaml")


def test_all_services_are_handed_over_before_the_batch_runs(panther_project: MakeProject) -> None:
    plugin = Simulated()
    outcome = run(panther_project, plugin)
    assert outcome.cases()[0]["verdict"] == "pass", str(outcome)
    calls = plugin.calls.methods("network")
    order = [each for each in calls if each in ("start_service", "run_batch", "wait_for_service_ready", "collect")]
    assert order == ["start_service", "start_service", "run_batch", "collect"]
    assert "service.ready" not in str(outcome.events()), "nobody saw a service get ready"


def test_what_the_environment_observed_is_judged_and_recorded(panther_project: MakeProject) -> None:
    seen = Observations(
        checks=(CheckResult(name="same twice", verdict=Verdict.FAIL, evidence="a differs"),),
        measurements=(Measurement(name="x", value=1), Measurement(name="y", value=2, labels={"clock": "real"})),
        findings=(Finding(source="whole", kind="odd", message="odd"),),
    )
    (record,) = run(panther_project, Simulated(seen)).cases()
    assert (record["verdict"], record["why"]) == ("fail", "same twice: a differs")
    labels = {each["name"]: each["labels"]["clock"] for each in record["measurements"] if each["name"] in "xy"}
    assert labels == {"x": "simulated", "y": "real"}
    assert (record["clock"], record["findings"][0]["kind"]) == ("simulated", "odd")


def test_a_stage_that_touches_services_is_refused(panther_project: MakeProject) -> None:
    outcome = run(panther_project, Simulated(), written="\n    type: performance", command="validate")
    outcome.assert_exit(2, "whole carries a case out as a whole", "e.yaml:8")


def test_an_instrument_that_does_not_work_there_is_refused(panther_project: MakeProject) -> None:
    written = "\n    execution_environments: [%s]"
    one = run(panther_project, Simulated(instruments=frozenset({"other"})), written=written % "dummy")
    one.assert_exit(2, "dummy cannot watch a service in whole; there other can")
    two = run(panther_project, Simulated(), OnlyElsewhere(), written=written % "picky")
    two.assert_exit(2, "picky works in moon only, not whole")


def test_an_implementation_that_declares_itself_unfit_is_unsupported(panther_project: MakeProject) -> None:
    class Unfit(Simulated):
        @hookimpl
        def panther_register_services(self) -> Any:
            (own,) = super().panther_register_services()
            return (attrs.evolve(own, unfit={"whole": "it needs sendmmsg"}),)

    (record,) = run(panther_project, Unfit()).cases()
    assert (record["verdict"], record["why"]) == ("unsupported", "dummy cannot run in whole: it needs sendmmsg")
