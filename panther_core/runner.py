"""Runs the attempts at cases on borrowed systems, records each the moment it ends, and decides what follows."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import attrs

from panther_core.checks.judge import over_attempts
from panther_core.elsewhere import Elsewhere, unfinished
from panther_core.plan import PlannedCase
from panther_core.pool.work import Loss, Work
from panther_core.results.directory import History
from panther_core.results.durations import Durations
from panther_core.run.attempt import carry_out
from panther_core.run.engine import Engine
from panther_core.run.fastfail import FastFail, raise_if_exhausted
from panther_core.run.record import is_retryable
from panther_core.tally import Tally
from panther_hookspecs import EnvironmentUnavailableError, System, SystemLostError, TestEvent, Verdict

PlannedWork = Work[PlannedCase]

_SHOWN = ("name", "cell", "repetition", "attempt", "final", "expected", "as_expected", "why", "seconds", "folder")


@attrs.define
class Runner:
    """Carries works out for the orchestrator. One for each run; its methods are called by all workers."""

    engine: Engine
    tally: Tally
    durations: Durations
    fast_fail: FastFail
    history: Mapping[str, History]
    """What an earlier session of this run has recorded, by case."""
    is_settled: Callable[[History], bool]
    unexpected: Callable[[], None]
    """Called when a case has not come out as expected."""
    elsewhere: Elsewhere
    """What carries cases out on other systems."""
    begun: float = attrs.field(factory=time.monotonic)
    """When the run began, on the clock that deadlines count on."""
    _tries: dict[str, list[Verdict]] = attrs.field(factory=dict)

    def works(self, cases: Iterable[PlannedCase]) -> Iterator[PlannedWork]:
        """Yield the cases that still have to run, and count those that an earlier session has settled."""
        for case in cases:
            before = self.history.get(case.case_id)
            if before is None:
                yield Work(case=case)
                continue
            final = before.final
            if final is not None and self.is_settled(before):
                verdict = over_attempts(before.verdicts)
                self.tally.ended(case.name, verdict, expected=final["as_expected"])
                continue
            if final is None:
                self._tries[case.case_id] = [each for each in before.verdicts if each is not Verdict.CANCELLED]
            yield Work(case=case, attempt=before.attempts + 1)

    def run_test(self, work: PlannedWork, system: System) -> PlannedWork | None:
        """Run one attempt and record it; return the work of another one if it is due."""
        try:
            return self._run_test(work, system)
        except OSError as error:
            raise_if_exhausted(error)
            raise

    def _run_test(self, work: PlannedWork, system: System) -> PlannedWork | None:
        case = work.case
        self.tally.began(case.name)
        self._tell_start(work, system)
        interrupted = self.engine.run.was_begun(case.case_id, work.attempt) and not work.losses
        record, error = self._carry_out(work, system)
        if interrupted:
            record["losses"] = ["PANTHER itself ended while it ran"]
        return self._keep(work, system.name, record, error)

    def _keep(
        self, work: PlannedWork, system: str, record: dict[str, Any], error: BaseException | None
    ) -> PlannedWork | None:
        """Record an attempt; return the work of another one if it is due."""
        case = work.case
        verdict = Verdict(record["verdict"])
        tries = self._tries.setdefault(case.case_id, [])
        tries.append(verdict)
        again = is_retryable(verdict) and verdict not in case.expect and len(tries) <= case.retry_count
        overall = over_attempts(tries)
        record |= {
            "final": not again and verdict is not Verdict.CANCELLED,
            "system": system,
            "as_expected": overall in case.expect,
        }
        record |= {"losses": [str(each) for each in work.losses]} if work.losses else {}
        self.engine.run.record(record)
        if verdict is not Verdict.CANCELLED:
            self.durations.saw(case, record["seconds"])
        self._tell_end(work, record, overall, again=again)
        self.fast_fail.look(record, error)
        if again:
            return attrs.evolve(work, attempt=work.attempt + 1, losses=())
        del self._tries[case.case_id]
        self._settle(case, overall, record, error)
        return None

    def _carry_out(self, work: PlannedWork, system: System) -> tuple[dict[str, Any], BaseException | None]:
        too_late = self._too_late(work.case)
        if system.executor is None or too_late or work.case.unsupported:
            with self.engine.turns.coming(work.case.case_id, work.case.priority, work.expected_seconds):
                return carry_out(work.case, work.attempt, self.engine, too_late)
        return self.elsewhere.carry_out(work.case, work.attempt, self.engine, system.executor)

    def lost(self, work: PlannedWork, loss: Loss) -> PlannedWork | None:
        """Return the work to run once more elsewhere; what was lost a second time is recorded as an error."""
        again = work.after(loss)
        if not again.lost_twice:
            about = {"name": work.case.name, "attempt": work.attempt, "system": loss.system, "why": loss.why}
            self.engine.emit(TestEvent(test_case_id=work.case.case_id, action="lost", metadata=about))
            return again
        error = SystemLostError("; ".join(map(str, again.losses)))
        record = unfinished(work.case, work.attempt, self.engine, error)
        return self._keep(again, loss.system, record, error)

    def _too_late(self, case: PlannedCase) -> str:
        """Return why a case is not started any more, or nothing."""
        since = time.monotonic() - self.begun
        if case.deadline is None or since <= case.deadline:
            return ""
        return (
            f"not started: its deadline was {case.deadline:g} s after the beginning, now it is {since:.3g} s after it"
        )

    def _settle(
        self, case: PlannedCase, verdict: Verdict, record: Mapping[str, Any], error: BaseException | None
    ) -> None:
        expected = record["as_expected"]
        unavailable = isinstance(error, EnvironmentUnavailableError)
        self.tally.ended(case.name, verdict, expected=expected, unavailable=unavailable)
        if not expected:
            self.unexpected()

    def _tell_start(self, work: PlannedWork, system: System) -> None:
        case = work.case
        about = {
            "name": case.name,
            "cell": dict(case.cell),
            "axes": list(case.cell),  # in the order of the experiment, which the journal does not keep in a mapping
            "repetition": case.repetition,
            "attempt": work.attempt,
            "system": system.name,
            "foreseen": round(self.durations.foreseen(case), 3),
        }
        self.engine.emit(TestEvent(test_case_id=case.case_id, action="started", metadata=about))

    def _tell_end(self, work: PlannedWork, record: Mapping[str, Any], overall: Verdict, *, again: bool) -> None:
        self.engine.emit(
            TestEvent(
                test_case_id=work.case.case_id,
                action="retried" if again else "completed",
                status=overall.value,
                duration_ms=round(record["seconds"] * 1000),
                metadata={
                    "verdict": overall.value,
                    "axes": list(work.case.cell),
                    **{key: record[key] for key in _SHOWN},
                },
            )
        )
