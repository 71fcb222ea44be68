"""Which case would run when and where: a prediction by the rule that the pool follows."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence

import attrs

from panther_core.plan.cases import PlannedCase
from panther_core.pool.backlog import Backlog
from panther_core.pool.work import Work
from panther_hookspecs import System


@attrs.frozen
class Slot:
    """A case in a timetable; times are seconds from the beginning."""

    case: PlannedCase
    system: System
    start: float
    end: float

    @property
    def late(self) -> bool:
        """Whether its deadline would be over before it could start."""
        return self.case.deadline is not None and self.start > self.case.deadline


@attrs.define
class Summary:
    """What a timetable comes to; filled while it is walked."""

    cases: int = 0
    work: float = 0.0
    """Seconds that all cases take together."""
    longest: float = 0.0
    end: float = 0.0
    """When the last case has ended."""
    unplaced: list[PlannedCase] = attrs.field(factory=list)
    """Cases that none of the systems can run."""

    def bound(self, systems: int) -> float:
        """Return the time below which no schedule can get: the work spread evenly, or the longest case."""
        return max(self.work / max(1, systems), self.longest)


def predict(
    cases: Iterable[PlannedCase],
    seconds: Callable[[PlannedCase], float],
    systems: Sequence[System],
    *,
    known: Callable[[PlannedCase], float | None] | None = None,
    window: int = 1000,
    summary: Summary | None = None,
) -> Iterator[Slot]:
    """Yield the timetable in the order in which cases start; it holds no more of a plan than the pool does.

    ``seconds`` is how long a case takes, ``known`` how long the pool expects it to take, which is the same if left out.
    """
    told = summary if summary is not None else Summary()
    backlog = Backlog((Work(case=case) for case in cases), None, known or seconds, window)
    busy: list[tuple[float, int, Work[PlannedCase], System]] = []
    order, now = itertools.count(), 0.0
    idle = list(systems)
    while True:
        idle, started = _start(backlog, idle)
        for work, system in started:
            took = seconds(work.case)
            heapq.heappush(busy, (now + took, next(order), work, system))
            _count(told, took, now)
            yield Slot(work.case, system, now, now + took)
        if not busy:
            break
        now, _, work, system = heapq.heappop(busy)
        backlog.done(work, system)
        idle.append(system)
    told.unplaced += [work.case for work in backlog.waiting()]


def _start(
    backlog: Backlog[PlannedCase], idle: list[System]
) -> tuple[list[System], list[tuple[Work[PlannedCase], System]]]:
    """Let idle systems take what they can; of systems that are alike the first that gets nothing speaks for all."""
    still: list[System] = []
    started: list[tuple[Work[PlannedCase], System]] = []
    refused: set[tuple[str, frozenset[str]]] = set()
    for system in idle:
        alike = (system.host, system.labels)
        work = backlog.take(system) if alike not in refused else None
        if work is None:
            refused.add(alike)
            still.append(system)
        else:
            started.append((work, system))
    return still, started


def _count(summary: Summary, took: float, now: float) -> None:
    summary.cases += 1
    summary.work += took
    summary.longest = max(summary.longest, took)
    summary.end = max(summary.end, now + took)
