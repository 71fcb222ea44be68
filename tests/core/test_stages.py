"""Stages: chosen in the file, run in order, each with its own error, and cleaning up always happens."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from panther_core.run import stages as running
from panther_core.testing import MakeProject, Outcome
from panther_core.testing.dummy import DummyPlugin
from panther_hookspecs import (
    CaseControl,
    CaseOutline,
    Measurement,
    Problem,
    Stage,
    StageResult,
    TestTypeDescriptor,
    Verdict,
    hookimpl,
)

EXPERIMENT = """
name: stages
protocol: dummy
network_environment: dummy
timeout: 5s
test_cases:
  - name: talk
    type: {type: tried%s}
    services: {server: {implementation: dummy}, client: {implementation: dummy}}
"""


class Tried:
    """A test type of the given stages."""

    def __init__(self, *stages: Stage, more: tuple[Stage, ...] = (), refuse: Any = None) -> None:
        self.descriptor = TestTypeDescriptor(name="tried", summary="Tries", stages=stages, more=more, refuse=refuse)

    @hookimpl
    def panther_register_test_types(self) -> Iterator[TestTypeDescriptor]:
        yield self.descriptor


def stage(name: str, log: list[str], then: Callable[[CaseControl], object] = lambda case: None, **more: Any) -> Stage:
    def run(case: CaseControl) -> object:
        log.append(name)
        return then(case)

    return Stage(name, run, **more)


def fail(_case: CaseControl) -> None:
    raise ValueError("the stage's own mistake")


def run(make: MakeProject, tried: Tried, written: str = "", command: str = "run") -> Outcome:
    return make({"x.yaml": EXPERIMENT % written}, plugins=[DummyPlugin(), tried]).run(f"{command} x.yaml")


def test_an_error_stays_with_its_stage_and_cleaning_up_happens(panther_project: MakeProject) -> None:
    log: list[str] = []
    tried = Tried(
        stage("one", log),
        stage("two", log, fail),
        stage("three", log),
        stage("tidy", log, fail, always=True),
        stage("last", log, moment="after"),
        stage("first", log, moment="before"),
    )
    outcome = run(panther_project, tried)
    assert log == ["first", "one", "two", "tidy", "last"]
    seen = {each["name"]: (each["status"], each["error"]) for each in outcome.cases()[0]["stages"]}
    assert seen["one"] == ("pass", "")
    assert seen["two"][0] == seen["tidy"][0] == "error"
    assert outcome.cases()[0]["why"].startswith("stage two: ValueError: the stage's own mistake")
    assert "the stage's own mistake" in outcome.text("traceback.txt")
    assert outcome.cases()[0]["services"]["server"]["reason"] == "stopped"


def test_a_stage_that_fails_before_the_start_starts_nothing_and_is_tidied_up(panther_project: MakeProject) -> None:
    log: list[str] = []
    tried = Tried(stage("disk", log, fail, moment="before"), stage("undo", log, moment="after"), stage("work", log))
    outcome = run(panther_project, tried)
    assert log == ["disk", "undo"]
    outcome.assert_verdicts({"talk": "error"})
    assert "stage disk failed before anything was started: ValueError" in outcome.cases()[0]["why"]


def test_stages_run_as_the_file_lists_them_and_cleaning_up_need_not_be_listed(panther_project: MakeProject) -> None:
    log: list[str] = []
    tried = Tried(stage("one", log), stage("two", log), stage("tidy", log, always=True), more=(stage("extra", log),))
    outcome = run(panther_project, tried, ", stages: [extra, two, functional.exchange, one]")
    outcome.assert_ok()
    assert log == ["extra", "two", "one", "tidy"]
    plain = run(panther_project, tried)
    assert plain.cases()[0]["case"] != outcome.cases()[0]["case"]


def test_an_unknown_stage_is_named_with_its_place(panther_project: MakeProject) -> None:
    outcome = run(panther_project, Tried(stage("one", [])), ", stages: [won]", "validate")
    outcome.assert_exit(2, "x.yaml:8:34", "tried has no stage 'won' - did you mean 'one'?")


def test_a_test_type_refuses_before_the_run_what_cannot_be_done(panther_project: MakeProject) -> None:
    def refuse(outline: CaseOutline) -> Iterator[Problem]:
        assert outline.services == {"server": "dummy", "client": "dummy"}
        yield Problem(what=f"{outline.network_environment} has no links", why="it is empty", fix="netns", where="type")

    outcome = run(panther_project, Tried(stage("one", []), refuse=refuse))
    outcome.assert_exit(2, "x.yaml:8:18", "dummy has no links - because it is empty - try: netns")
    assert not outcome.runs


@pytest.mark.parametrize(
    ("returned", "status"),
    [
        (None, Verdict.PASS),
        (StageResult(status=Verdict.INCONCLUSIVE), Verdict.INCONCLUSIVE),
        ({"status": "success", "result": 1}, Verdict.PASS),
        ({"status": "error", "message": "no luck"}, Verdict.ERROR),
        ({"status": "failed"}, Verdict.FAIL),
        ({"status": "fine"}, Verdict.ERROR),
        ({"result": 1}, Verdict.ERROR),
        (False, Verdict.ERROR),
    ],
)
def test_only_a_good_result_counts_as_one(returned: object, status: Verdict) -> None:
    result = Stage("any", lambda _: returned).execute("given")
    assert result.status is status
    assert bool(result.error) == (status not in (Verdict.PASS, Verdict.INCONCLUSIVE))


def test_what_is_measured_and_no_number_is_left_out_and_named(panther_project: MakeProject) -> None:
    def measure(case: CaseControl) -> None:
        for name, value in (("good", 1.0), ("ratio", math.nan), ("rate", math.inf)):
            case.measure(Measurement(name=name, value=value, labels={"what": "the first fault"}))

    tried = Tried(stage("one", [], measure))
    project = panther_project({"x.yaml": EXPERIMENT % ""}, plugins=[DummyPlugin(), tried])
    outcome = project.run("run x.yaml")
    shown = project.run(f"show {outcome.run} --case talk")
    shown.assert_exit(0, "good", "the first fault", "ratio was measured as nan, which is no number")
    assert "NaN" not in (outcome.run / "results.jsonl").read_text()
    assert outcome.measurements()["good"] == 1
    assert not {"ratio", "rate"} & set(outcome.measurements())
    assert outcome.cases()[0]["notes"] == [
        "ratio was measured as nan, which is no number: it was left out",
        "rate was measured as inf, which is no number: it was left out",
    ]


def test_a_stage_that_is_too_slow_fails_and_one_that_never_returns_is_given_up(
    panther_project: MakeProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running, "PATIENCE", 0.2)
    log: list[str] = []

    def late(case: CaseControl) -> None:
        case.process("server").wait(case.remaining())
        raise TimeoutError(f"{case.remaining():.0f} s left")

    forever = threading.Event()
    tried = Tried(
        stage("late", log, late, timeout=0.1, always=True),
        stage("stuck", log, lambda _: forever.wait(), timeout=0.1, always=True),
        stage("tidy", log, always=True),
    )
    outcome = run(panther_project, tried)
    forever.set()
    seen = {each["name"]: (each["status"], each["error"]) for each in outcome.cases()[0]["stages"]}
    assert seen["late"][0] == "fail"
    assert seen["stuck"] == ("error", "it had not returned 0.2 s after its time was over, and was given up")
    assert log == ["late", "stuck", "tidy"]
