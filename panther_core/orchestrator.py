"""The pool: hands waiting tests to free systems, the longest first."""

from __future__ import annotations

import heapq
import itertools
import os
import platform
import statistics
import threading
from collections import deque
from collections.abc import Callable, Iterator

import attrs

from panther_core.hooks import Hooks
from panther_core.plan.cases import PlannedCase
from panther_hookspecs import Provisioner, System, TestCandidate


@attrs.frozen(kw_only=True)
class Work:
    """A case that waits for its next attempt."""

    case: PlannedCase
    attempt: int = 1
    expected_seconds: float | None = None

    def candidate(self) -> TestCandidate:
        """Return the work as plugins see it when they choose."""
        return TestCandidate(
            case_id=self.case.case_id,
            name=self.case.described(),
            labels=self.case.labels,
            expected_seconds=self.expected_seconds,
            exclusive=self.case.exclusive,
        )


Entry = tuple[int, float, int, Work]
"""Waiting work with its rank: repetitions stay interleaved whatever is known, the longest first within each."""

RunTest = Callable[[Work, System], Work | None]
"""Runs one attempt on a borrowed system; returns the work of another attempt if one is due."""


@attrs.define
class LocalSlots(Provisioner):
    """Slots of this machine: as many cases at a time as there are workers."""

    _numbers: Iterator[int] = attrs.field(factory=lambda: itertools.count(1))

    def reserve(self) -> System:
        """Return a fresh slot; there is always one."""
        labels = {"local", platform.machine(), platform.system().lower()} | ({"root"} if os.geteuid() == 0 else set())
        return System(name=f"local-{next(self._numbers)}", labels=frozenset(labels))

    def release(self, system: System) -> None:
        """Take the slot back; nothing is held for it."""


@attrs.define
class Orchestrator:
    """Runs works on the systems of its provisioners until none is left; event-driven, nothing polls."""

    run_test: RunTest
    hooks: Hooks
    expected_seconds: Callable[[PlannedCase], float | None] = lambda _case: None
    window: int = 1000
    """How many cases of a lazy plan are looked at to find the longest."""
    unplaced: list[Work] = attrs.field(factory=list)
    """Works for which no system was applicable."""
    _provisioners: list[tuple[Provisioner, int]] = attrs.field(factory=list)
    _source: Iterator[Work] = attrs.field(factory=lambda: iter(()))
    _waiting: list[Entry] = attrs.field(factory=list)
    _exclusive: deque[Work] = attrs.field(factory=deque)
    _order: Iterator[int] = attrs.field(factory=itertools.count)
    _known: list[float] = attrs.field(factory=list)
    _running: int = 0
    _alone: bool = False
    _stopped: bool = False
    _exhausted: bool = False
    _failure: BaseException | None = None
    _serving: int = 0
    _changed: threading.Condition = attrs.field(factory=threading.Condition)

    def add_provisioner(self, provisioner: Provisioner, max_workers: int = 1) -> None:
        """Use at most ``max_workers`` systems of ``provisioner`` at a time."""
        self._provisioners.append((provisioner, max_workers))

    def run(self, works: Iterator[Work]) -> None:
        """Run all works; return when the last is done, or raise what ended the run early."""
        self._source = works
        threads = [
            threading.Thread(target=self._serve, args=(provisioner,), name=f"slot-{number}", daemon=True)
            for provisioner, workers in self._provisioners
            for number in range(1, workers + 1)
        ]
        self._serving = len(threads)
        for thread in threads:
            thread.start()
        try:
            self.wait()
        except BaseException:
            self.stop()
            raise
        if self._failure is not None:
            raise self._failure
        self.unplaced += [work for *_, work in self._waiting] if not self._stopped else []

    def wait(self) -> None:
        """Return when every worker has ended.

        Not with Thread.join: in Python 3.11 an interrupt there marks a thread as ended that still runs.
        """
        with self._changed:
            self._changed.wait_for(lambda: not self._serving)

    def stop(self) -> None:
        """Hand out no more work; what runs is left to whoever runs it."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()

    def _serve(self, provisioner: Provisioner) -> None:
        """Be one worker: borrow a system, run tests on it until none applies, give it back."""
        system: System | None = None
        try:
            system = provisioner.reserve()
            while system is not None:
                work = self._next(system)
                if work is None:
                    break
                again: Work | None = None
                try:
                    again = self.run_test(work, system)
                finally:
                    self._done(work, again)
                if not provisioner.is_alive(system):
                    provisioner.release(system)
                    system = provisioner.reserve()
        except BaseException as error:  # noqa: BLE001 - raised again by run() in the thread that waits for it
            self._fail(error)
        finally:
            if system is not None:
                provisioner.release(system)
            with self._changed:
                self._serving -= 1
                self._changed.notify_all()

    def _next(self, system: System) -> Work | None:
        """Wait for work that applies to ``system``; None when there will be none."""
        with self._changed:
            while not self._stopped:
                self._fill()
                work = self._choose(system)
                if work is not None:
                    self._running += 1
                    self._alone = work.case.exclusive
                    return work
                if self._running == 0 and not self._exclusive:
                    self._changed.notify_all()
                    return None
                self._changed.wait()
        return None

    def _choose(self, system: System) -> Work | None:
        """Take the best waiting work; exclusive work only when nothing else runs or waits."""
        if self._alone:
            return None
        if self._waiting and len(self._exclusive) < self.window:
            work = self._choose_ordinary(system)
            if work is not None:
                return work
        if self._exclusive and self._running == 0:
            return self._exclusive.popleft()
        return None

    def _choose_ordinary(self, system: System) -> Work | None:
        hooks = self.hooks
        if not any(
            map(hooks.implemented, ("panther_choose_next_test", "panther_choose_applicable", "panther_choose_fitness"))
        ):
            if self._waiting[0][-1].case.labels <= system.labels:
                return heapq.heappop(self._waiting)[-1]
            return self._take_first(lambda work: work.case.labels <= system.labels)
        candidates = {
            work.case.case_id: (entry, work.candidate())
            for entry in sorted(self._waiting, key=_rank)
            for work in (entry[-1],)
        }
        fitting = [each for _, each in candidates.values() if hooks.choose_applicable(each, system)]
        if not fitting:
            return None
        fitting.sort(key=lambda each: -hooks.choose_fitness(each, system))
        chosen = hooks.choose_next_test(fitting, system) or fitting[0]
        return self._take_first(lambda work: work.case.case_id == chosen.case_id)

    def _take_first(self, wanted: Callable[[Work], bool]) -> Work | None:
        found = next((entry for entry in sorted(self._waiting, key=_rank) if wanted(entry[-1])), None)
        if found is None:
            return None
        self._waiting.remove(found)
        heapq.heapify(self._waiting)
        return found[-1]

    def _fill(self) -> None:
        """Take cases from the plan until the window is full."""
        while not self._exhausted and len(self._waiting) + len(self._exclusive) < self.window:
            work = next(self._source, None)
            if work is None:
                self._exhausted = True
            else:
                self._put(work)

    def _put(self, work: Work) -> None:
        if work.case.exclusive:
            self._exclusive.append(work)
            return
        expected = self.expected_seconds(work.case)
        if expected is not None:
            self._known.append(expected)
        elif self._known:
            expected = statistics.median_low(self._known[-100:])
        work = attrs.evolve(work, expected_seconds=expected)
        heapq.heappush(self._waiting, (work.case.repetition, -(expected or 0.0), next(self._order), work))

    def _done(self, work: Work, again: Work | None) -> None:
        with self._changed:
            self._running -= 1
            if work.case.exclusive:
                self._alone = False
            if again is not None:
                self._put(again)
            self._changed.notify_all()

    def _fail(self, error: BaseException) -> None:
        with self._changed:
            self._failure = self._failure or error
            self._stopped = True
            self._changed.notify_all()


def _rank(entry: Entry) -> tuple[int, float, int]:
    return entry[:3]
