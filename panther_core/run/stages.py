"""Takes a case through the stages of its test type. What one stage does wrong stays with that stage."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

import attrs

from panther_core.checks.judge import STAGE
from panther_core.run import evidence
from panther_core.run.control import Control
from panther_core.run.engine import CancelledError
from panther_core.run.record import Attempt
from panther_hookspecs import CheckResult, Stage, StageResult, TestExecutionError, Verdict

PATIENCE = 5.0
"""Seconds that a stage may go on after its time is over before it is given up."""


def drive(attempt: Attempt, control: Control) -> None:
    """Run the stages that belong between the start and the stop of the services."""
    _run_all(attempt, control, [each for each in attempt.case.stages if each.moment == "during"])


def begin(attempt: Attempt, control: Control) -> None:
    """Run the stages that come before the network is set up; raise what keeps the case from going on."""
    _run_all(attempt, control, [each for each in attempt.case.stages if each.moment == "before"])
    if attempt.stages and attempt.stages[-1]["status"] != Verdict.PASS.value:
        failed = attempt.stages[-1]
        raise TestExecutionError(f"stage {failed['name']} failed before anything was started: {failed['error']}")


def finish(attempt: Attempt, control: Control, kill: Callable[[], None]) -> None:
    """Run the stages that come after the services were stopped, once, however the case has gone."""
    if control.closed:
        return
    after = [attrs.evolve(each, always=True) for each in attempt.case.stages if each.moment == "after"]
    try:
        if after:
            kill()
            _run_all(attempt, control, after)
    finally:
        control.closed = "the case is over"
        attempt.measurements += control.measurements
        attempt.findings += control.findings


def _run_all(attempt: Attempt, control: Control, stages: list[Stage]) -> None:
    """Run stages one after the other; after one that went wrong only those that always run."""
    going, cancelled = True, False
    for stage in stages:
        if not (going or stage.always):
            continue
        since = time.monotonic()
        with attempt.timed(f"stage.{stage.name}"):
            try:
                result = _result(attempt, control, stage)
            except CancelledError:
                going, cancelled = False, True
                continue
        control.values[stage.name] = result.values
        attempt.stages.append(_record(stage, result, time.monotonic() - since))
        if result.status is not Verdict.PASS:
            going = False
            attempt.checks.append(
                CheckResult(name=f"{STAGE}{stage.name}", verdict=result.status, evidence=result.error)
            )
    if cancelled:
        raise CancelledError("cancelled")


def _record(stage: Stage, result: StageResult, seconds: float) -> Mapping[str, Any]:
    return {"name": stage.name, "status": result.status.value, "error": result.error, "seconds": round(seconds, 6)}


def _result(attempt: Attempt, control: Control, stage: Stage) -> StageResult:
    """Run one stage within its time; an exception becomes its result, and its traceback evidence."""
    try:
        with control.limited(stage.timeout):
            return StageResult.of(_in_time(attempt, control, stage))
    except CancelledError:
        raise
    except TimeoutError as error:
        return StageResult(status=Verdict.FAIL, error=str(error) or "it took too long")
    except Exception as error:
        if attempt.engine.cancelled():
            raise CancelledError("cancelled") from error
        attempt.error = attempt.error or error
        attempt.engine.hooks.on_test_case_error(attempt.info, error)
        return StageResult(status=Verdict.ERROR, error=evidence.explain(error, attempt.folder))


def _in_time(attempt: Attempt, control: Control, stage: Stage) -> object:
    """Run the function of a stage in a thread of its own, so that one which never returns cannot hold the run."""
    ended = threading.Event()
    outcome: list[object] = []
    raised: list[BaseException] = []

    def run() -> None:
        try:
            outcome.append(stage.run(control))
        except BaseException as error:  # noqa: BLE001 - raised again in the thread that waits
            raised.append(error)
        finally:
            ended.set()

    threading.Thread(target=run, name=f"stage-{stage.name}", daemon=True).start()
    over = time.monotonic() + max(0.0, control.remaining()) + PATIENCE
    while not ended.wait(min(1.0, max(0.0, over - time.monotonic()))):
        if attempt.engine.cancelled():
            over = min(over, time.monotonic() + PATIENCE)
        if time.monotonic() >= over:
            raise TestExecutionError(f"it had not returned {PATIENCE:g} s after its time was over, and was given up")
    if raised:
        raise raised[0]
    return outcome[0]
