"""Tests of apps from a Python program: every stage counts, and nothing that went wrong passes."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from panther_core.apps import (
    App,
    AppTestFacade,
    SequentialTest,
    Test,
    TestExecutionFactory,
    TestExecutionStrategy,
    TestFactory,
    calculate_metrics_stage,
    connect_stage,
)
from panther_core.apps.stages import summary
from panther_hookspecs import ExperimentInitializationError, PluginValidationError, Stage, StageResult, Verdict

EXPERIMENT = """
name: app
network_environment: localhost
test_cases:
  - name: sleep
    services: {sleeper: {implementation: command, argv: [sleep, "30"], ready: {kind: none}, ends_by_itself: false}}
    checks: [{log: {service: sleeper, matches: none, absent: true}}]
"""


@pytest.fixture(autouse=True)
def kinds(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Leave the tables of the process as they were."""
    monkeypatch.setattr(TestFactory, "_kinds", {})
    monkeypatch.setattr(TestExecutionFactory, "_strategies", {})
    monkeypatch.chdir(tmp_path)
    (tmp_path / "MyApp.yaml").write_text(EXPERIMENT)


def outcome_of(*stages: Stage) -> Any:
    TestFactory.register("tried", SequentialTest)
    facade = AppTestFacade()
    facade.register_app("MyApp", {"tried": stages})
    return facade.run_all_tests()["MyApp"]["tried"]


def test_stages_run_while_the_services_of_the_app_do() -> None:
    def work(results: Any) -> dict[str, Any]:
        return {"status": "success", "response_times": [0.00016, 0.00017], "services": results["connect"].values}

    def seen(app: App) -> dict[str, Any]:
        assert app.case.process("sleeper").exit is None
        return dict(connect_stage(app))

    outcome = outcome_of(
        Stage("connect", seen), Stage("work", work), Stage("calculate_metrics", calculate_metrics_stage)
    )
    assert [each.error for each in outcome.stages.values()] == ["", "", ""]
    metrics = outcome.stages["calculate_metrics"].values["metrics"]
    assert metrics["response_times"]["median"] == pytest.approx(0.000165)
    assert metrics["response_times"]["needed"] == 6
    assert outcome.run is not None
    assert (outcome.run / "results.jsonl").is_file()


@pytest.mark.parametrize(
    ("returned", "verdict"), [(False, "error"), ({"status": "error"}, "error"), ({"status": "failed"}, "fail")]
)
def test_a_stage_that_goes_wrong_fails_the_test_and_tidying_up_still_happens(returned: object, verdict: str) -> None:
    tidied: list[str] = []
    outcome = outcome_of(
        Stage("connect", lambda app: returned),
        Stage("never", lambda results: tidied.append("never")),
        Stage("tidy", lambda results: tidied.append("tidy"), always=True),
    )
    assert outcome.stages["connect"].status is Verdict(verdict)
    assert outcome.verdict == "fail"
    assert tidied == ["tidy"]


def test_a_kind_of_test_is_called_by_its_strategy() -> None:
    class Custom(Test):
        def run(self, app_name: str, stages: list[Stage], **kwargs: Any) -> dict[str, StageResult]:
            return {each.name: each.execute(kwargs["custom_data"]) for each in stages}

    class Strategy(TestExecutionStrategy):
        def execute(self, test: Test, app_name: str, stages: list[Stage]) -> Any:
            return test.run(app_name, stages, custom_data={"key": "value"})

    TestFactory.register("custom", Custom)
    TestExecutionFactory.register_strategy("custom", Strategy())
    facade = AppTestFacade()
    facade.register_app("MyApp", {"custom": [Stage("show", lambda data: {"status": "ok", **data})]})
    outcome = facade.run_all_tests()["MyApp"]["custom"]
    assert outcome.stages["show"].values["key"] == "value"


def test_what_does_not_exist_is_named_with_what_does() -> None:
    TestFactory.register("performance", SequentialTest)
    with pytest.raises(PluginValidationError, match=r"no test type 'speed' is registered \(registered: performance\)"):
        AppTestFacade().register_app("MyApp", {"speed": []})
    with pytest.raises(ExperimentInitializationError, match="the app 'Other' has no experiment: there is no file"):
        AppTestFacade().register_app("Other", {})
    assert Stage("connect", connect_stage).execute("MyApp").status is Verdict.ERROR


def test_a_test_that_runs_no_stage_is_an_error() -> None:
    outcome = outcome_of()
    assert outcome.verdict == "fail"
    assert outcome.results == ()


def test_few_equal_and_missing_numbers_are_summarized_honestly() -> None:
    assert summary([])["count"] == 0
    assert summary([math.nan]) == {"count": 0, "not_numbers": 1}
    assert summary([5.0])["interval"] is None
    equal = summary([2.0] * 8 + [math.inf])
    assert (equal["median"], equal["interval"], equal["not_numbers"]) == (2.0, [2.0, 2.0], 1)
