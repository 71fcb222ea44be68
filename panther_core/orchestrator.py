"""The pool: hands waiting tests to free systems, the longest first."""

from __future__ import annotations

import heapq
import itertools
import os
import platform
import statistics
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import attrs

from panther_core.hooks import Hooks
from panther_hookspecs import Provisioner, System, SystemLostError, TestCandidate


@attrs.frozen
class Loss:
    """A system that went away while something ran on it."""

    system: str
    why: str

    def __str__(self) -> str:
        """Return both in one line."""
        return f"it was lost with {self.system}: {self.why}"


@attrs.frozen(kw_only=True)
class Work:
    """A case that waits for its next attempt."""

    case: Any
    """A PlannedCase, or what has its ``case_id``, ``labels``, ``exclusive``, ``repetition``, ``described()``."""
    attempt: int = 1
    expected_seconds: float | None = None
    losses: tuple[Loss, ...] = ()
    """The systems that went away while it ran."""

    def after(self, loss: Loss) -> Work:
        """Return the work of the same attempt at another place."""
        return attrs.evolve(self, losses=(*self.losses, loss))

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

RunLost = Callable[[Work, Loss], Work | None]
"""Told that the system of a work is gone; returns the work that follows from it, if any."""

_CHOICES = ("panther_choose_next_test", "panther_choose_applicable", "panther_choose_fitness")


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
    expected_seconds: Callable[[Any], float | None] = lambda _case: None
    prepare: Callable[[System], System] = lambda system: system
    """Called with each system just reserved: connects to it, finds out its labels."""
    leave: Callable[[System], None] = lambda _system: None
    """Called with each prepared system before it is released."""
    lost: RunLost = lambda work, loss: work.after(loss) if not work.losses else None
    """Says what follows a loss; the first time, the work runs once more."""
    window: int = 1000
    """How many cases of a lazy plan are looked at to find the longest."""
    unplaced: list[Work] = attrs.field(factory=list)
    """Works for which no system was applicable."""
    failures: list[str] = attrs.field(factory=list)
    """What was wrong with systems and their provisioners."""
    pauses: Sequence[float] = (0.5, 2.0, 5.0)
    """How long to wait before a provisioner that failed is asked again, each time; after that it is out."""
    _provisioners: list[tuple[Provisioner, int]] = attrs.field(factory=list)
    _source: Iterator[Work] = attrs.field(factory=lambda: iter(()))
    _waiting: list[Entry] = attrs.field(factory=list)
    _exclusive: deque[Work] = attrs.field(factory=deque)
    _order: Iterator[int] = attrs.field(factory=itertools.count)
    _known: list[float] = attrs.field(factory=list)
    _running: list[Work] = attrs.field(factory=list)
    _alone: bool = False
    _stopped: bool = False
    _exhausted: bool = False
    _failure: BaseException | None = None
    _serving: int = 0
    _changed: threading.Condition = attrs.field(factory=threading.Condition)

    def add_provisioner(self, provisioner: Provisioner | Callable[[], Provisioner], max_workers: int = 1) -> None:
        """Use at most ``max_workers`` systems of ``provisioner``, or of what that class makes, at a time."""
        made = provisioner if isinstance(provisioner, Provisioner) else provisioner()
        self._provisioners.append((made, max_workers))

    def run(self, works: Iterable[Work]) -> None:
        """Run all works; return when the last is done, or raise what ended the run early."""
        self._source = iter(works)
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
        if not self._stopped:
            with self._changed:
                self._fill()
            self.unplaced += [*(work for *_, work in sorted(self._waiting, key=_rank)), *self._exclusive]

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
        """Be one worker: borrow a system, run tests on it until none applies, give it back; replace one that died."""
        unlucky = 0
        try:
            while unlucky <= len(self.pauses) and (system := self._obtain(provisioner)) is not None:
                done, wanted = self._use(provisioner, system)
                if not wanted:
                    return
                unlucky = 0 if done else unlucky + 1
                if unlucky > len(self.pauses):
                    self._complain(f"{type(provisioner).__name__}: its systems are lost again and again: given up")
        except BaseException as error:  # noqa: BLE001 - raised again by run() in the thread that waits for it
            self._fail(error)
        finally:
            with self._changed:
                self._serving -= 1
                self._changed.notify_all()

    def _obtain(self, provisioner: Provisioner) -> System | None:
        """Return a system that is ready; None if there is none to be had, or no more work."""
        for pause in (0.0, *self.pauses):
            with self._changed:
                if self._changed.wait_for(self._over, pause):
                    return None
            system: System | None = None
            try:
                system = provisioner.reserve()
                return self.prepare(system) if system is not None else None
            except Exception as error:  # noqa: BLE001 - told at the end; the other provisioners go on
                if system is not None:
                    provisioner.release(system)
                self._complain(f"{system.name if system else type(provisioner).__name__}: {error}")
        return None

    def _use(self, provisioner: Provisioner, system: System) -> tuple[int, bool]:
        """Run tests on a system and give it back; return how many it has finished, and whether to replace it."""
        done = 0
        try:
            while (work := self._next(system)) is not None:
                again: Work | None = None
                gone = False
                try:
                    again = self.run_test(work, system)
                    done += 1
                except SystemLostError as error:
                    gone = True
                    self._complain(f"{system.name}: {error}")
                    again = self.lost(work, Loss(system.name, str(error)))
                finally:
                    self._done(work, again)
                if gone or not provisioner.is_alive(system):
                    return done, True
            return done, False
        finally:
            try:
                self.leave(system)
            finally:
                provisioner.release(system)

    def _over(self) -> bool:
        """Return whether nothing is left that a new system could do."""
        if self._stopped:
            return True
        self._fill()
        return self._exhausted and not (self._waiting or self._exclusive or self._running)

    def _next(self, system: System) -> Work | None:
        """Wait for work that applies to ``system``; None when there will be none."""
        with self._changed:
            while not self._stopped:
                self._fill()
                work = self._choose(system)
                if work is not None:
                    self._running.append(work)
                    self._alone = work.case.exclusive
                    return work
                if not self._may_come(system):
                    self._changed.notify_all()
                    return None
                self._changed.wait()
        return None

    def _may_come(self, system: System) -> bool:
        """Return whether something that applies to ``system`` waits, or runs and may have to run again."""
        if not self._exhausted and self._running:
            return True
        return any(self._fits(each, system) for each in (*self._running, *self._exclusive))

    def _fits(self, work: Work, system: System) -> bool:
        if not self.hooks.implemented("panther_choose_applicable"):
            return bool(work.case.labels <= system.labels)
        return self.hooks.choose_applicable(work.candidate(), system)

    def _choose(self, system: System) -> Work | None:
        """Take the best waiting work; exclusive work only when nothing else runs or waits."""
        if self._alone:
            return None
        if self._waiting and len(self._exclusive) < self.window:
            work = self._choose_ordinary(system)
            if work is not None:
                return work
        if self._exclusive and not self._running:
            found = next((each for each in self._exclusive if self._fits(each, system)), None)
            if found is not None:
                self._exclusive.remove(found)
            return found
        return None

    def _choose_ordinary(self, system: System) -> Work | None:
        hooks = self.hooks
        first = self._waiting[0][-1]
        if not any(map(hooks.implemented, _CHOICES)):
            if first.case.labels <= system.labels and not self._avoids(first, system):
                return heapq.heappop(self._waiting)[-1]
            return self._take_first(lambda work: work.case.labels <= system.labels and not self._avoids(work, system))
        candidates = {
            work.case.case_id: work.candidate()
            for *_, work in sorted(self._waiting, key=_rank)
            if not self._avoids(work, system)
        }
        fitting = [each for each in candidates.values() if hooks.choose_applicable(each, system)]
        if not fitting:
            return None
        fitting.sort(key=lambda each: -hooks.choose_fitness(each, system))
        chosen = hooks.choose_next_test(fitting, system) or fitting[0]
        return self._take_first(lambda work: work.case.case_id == chosen.case_id)

    def _avoids(self, work: Work, system: System) -> bool:
        """Return whether ``work`` was lost on this very system and another one may still take it."""
        return bool(work.losses) and bool(self._running) and any(each.system == system.name for each in work.losses)

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
            self._running = [each for each in self._running if each is not work]
            if work.case.exclusive:
                self._alone = False
            if again is not None:
                self._put(again)
            self._changed.notify_all()

    def _complain(self, what: str) -> None:
        with self._changed:
            self.failures.append(what)

    def _fail(self, error: BaseException) -> None:
        with self._changed:
            self._failure = self._failure or error
            self._stopped = True
            self._changed.notify_all()


def _rank(entry: Entry) -> tuple[int, float, int]:
    return entry[:3]
