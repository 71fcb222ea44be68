"""The pool: hands waiting tests to free systems; what a system takes next is the backlog's rule."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterable, Sequence
from typing import Generic

import attrs

from panther_core.hooks import Hooks
from panther_core.pool.backlog import Backlog
from panther_core.pool.trouble import Trouble
from panther_core.pool.work import CaseT, Loss, Work
from panther_hookspecs import (
    EnvironmentUnavailableError,
    PantherExperimentError,
    Provisioner,
    System,
    SystemLostError,
)

_WINDOW_OF_A_SLOT = 100
_GLANCE = 0.5

Prepare = Callable[[System, Callable[[], bool]], System]
"""Makes a system ready that was just reserved: connects to it, finds out its labels; may ask whether it is alive."""

RunTest = Callable[[Work[CaseT], System], Work[CaseT] | None]
"""Runs one attempt on a borrowed system; returns the work of another attempt if one is due."""

RunLost = Callable[[Work[CaseT], Loss], Work[CaseT] | None]
"""Told that the system of a work is gone; returns the work that follows from it, if any."""


@attrs.define(eq=False)
class Source:
    """A provisioner, and how it has done so far."""

    provisioner: Provisioner
    workers: int
    proven: bool = False
    """Whether one of its systems was ever made ready."""

    def is_hopeless(self, error: Exception, *, given: bool) -> bool:
        """Return whether there is no use in asking again.

        What has worked before, or has other systems than the one that it has ``given``, may only have given a bad one.
        """
        lasting = isinstance(error, EnvironmentUnavailableError) and error.lasting
        return lasting and not self.proven and (not given or self.workers >= self.provisioner.most())


@attrs.frozen
class Borrowed:
    """A system that one worker has for itself until it gives it back."""

    source: Source
    given: System
    """As the provisioner knows it."""
    system: System
    """As everybody else does: under a name of its own, connected."""

    def is_alive(self) -> bool:
        """Return whether the provisioner still counts on it; one that cannot tell has not said no."""
        try:
            return self.source.provisioner.is_alive(self.given)
        except Exception:  # noqa: BLE001 - whoever supplies it has trouble, which tells nothing about the system
            return True


@attrs.define
class Orchestrator(Generic[CaseT]):
    """Runs works on the systems of its provisioners until none is left; event-driven, no worker polls."""

    run_test: RunTest[CaseT]
    hooks: Hooks
    expected_seconds: Callable[[CaseT], float | None] = lambda _case: None
    prepare: Prepare = lambda system, _is_alive: system
    leave: Callable[[System], None] = lambda _system: None
    """Called with each prepared system before it is released."""
    lost: RunLost[CaseT] = lambda work, loss: None if (again := work.after(loss)).lost_twice else again
    """Says what follows a loss; the first time that it had begun, the work runs once more."""
    window: int = 1000
    """How many cases of a lazy plan are looked at to find the longest."""
    unplaced: list[Work[CaseT]] = attrs.field(factory=list)
    """Works for which no system was applicable."""
    failures: list[Trouble] = attrs.field(factory=list)
    """What was wrong with systems and their provisioners."""
    labels: frozenset[str] | None = None
    """All labels of the systems there were; None if there was no system."""
    pauses: Sequence[float] = (0.5, 2.0, 5.0)
    """How long to wait before a provisioner that failed is asked again, each time; after that it is out."""
    _sources: list[Source] = attrs.field(factory=list)
    _backlog: Backlog[CaseT] = attrs.field(factory=Backlog)
    _stopped: bool = False
    _failure: BaseException | None = None
    _serving: int = 0
    _names: set[str] = attrs.field(factory=set)
    _changed: threading.Condition = attrs.field(factory=threading.Condition)

    def add_provisioner(self, provisioner: Provisioner | Callable[[], Provisioner], max_workers: int = 0) -> None:
        """Use at most ``max_workers`` systems of ``provisioner``, or of what that class makes, at a time; all if 0."""
        made = provisioner if isinstance(provisioner, Provisioner) else provisioner()
        self._sources.append(Source(made, max_workers or made.most() or 1))

    @property
    def workers(self) -> int:
        """How many works can run at the same time."""
        return sum(each.workers for each in self._sources)

    def run(self, works: Iterable[Work[CaseT]]) -> None:
        """Run all works; return when the last is done, or raise what ended the run early."""
        window = max(self.window, _WINDOW_OF_A_SLOT * self.workers)
        self._backlog = Backlog(iter(works), self.hooks, self.expected_seconds, window)
        threads = [
            threading.Thread(target=self._serve, args=(source,), name=f"slot-{number}", daemon=True)
            for source in self._sources
            for number in range(1, source.workers + 1)
        ]
        self._serving = len(threads)
        try:
            for thread in threads:
                thread.start()
            self.wait()
        except BaseException:
            self.stop()
            self._discount(threads)
            raise
        if self._failure is not None:
            raise self._failure
        if not self._stopped:
            with self._changed:
                self.unplaced += self._backlog.waiting()

    def why_not(self, work: Work[CaseT]) -> str:
        """Return why a work was not placed, for messages."""
        if self.labels is None:
            return "there was none"
        lacking = ", ".join(sorted(work.case.labels - self.labels))
        return f"it needs {work.needs()}" + (f"; none had {lacking}" if lacking else "")

    def wait(self) -> None:
        """Return when every worker has ended.

        Not with Thread.join: in Python 3.11 an interrupt there marks a thread as ended that still runs. And a moment
        at a time: an interrupt that comes right before Python waits for a lock, or that the kernel gives to another
        thread, is seen when that wait is over.
        """
        with self._changed:
            while not self._changed.wait_for(lambda: not self._serving, _GLANCE):
                pass

    def _discount(self, threads: Sequence[threading.Thread]) -> None:
        """Do not wait for workers that an interrupt has kept from being started."""
        known = threading.enumerate()
        with self._changed:
            self._serving -= sum(each.ident is None and each not in known for each in threads)

    def stop(self) -> None:
        """Hand out no more work; what runs is left to whoever runs it."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()

    def _serve(self, source: Source) -> None:
        """Be one worker: borrow a system, run tests on it until none applies, give it back; replace one that died."""
        unlucky = 0
        try:
            while unlucky <= len(self.pauses) and (borrowed := self._obtain(source)) is not None:
                done, wanted = self._use(borrowed)
                if not wanted and (all(each.lasting for each in self.failures) or not self._waits_on(unlucky)):
                    return
                unlucky = 0 if done else unlucky + 1
                if wanted and unlucky > len(self.pauses):
                    self._complain("its systems are lost again and again: given up", type(source.provisioner).__name__)
        except BaseException as error:  # noqa: BLE001 - raised again by run() in the thread that waits for it
            self._fail(error)
        finally:
            with self._changed:
                self._serving -= 1
                self._changed.notify_all()

    def _obtain(self, source: Source) -> Borrowed | None:
        """Return a system that was made ready; None if there is none to be had, or no more work."""
        for pause in (0.0, *self.pauses):
            with self._changed:
                if self._changed.wait_for(self._over, pause):
                    return None
            borrowed: Borrowed | None = None
            try:
                if (given := source.provisioner.reserve()) is None:
                    return None
                borrowed = Borrowed(source, given, self._named(given))
                return self._ready(borrowed)
            except Exception as error:  # noqa: BLE001 - told at the end; the other provisioners go on
                if borrowed is not None:
                    self._return(borrowed)
                foreseen = isinstance(error, PantherExperimentError)
                who = borrowed.system.name if borrowed else "" if foreseen else type(source.provisioner).__name__
                hopeless = source.is_hopeless(error, given=borrowed is not None)
                self._complain(error, who, lasting=hopeless)
                if hopeless:
                    return None
        return None

    def _ready(self, borrowed: Borrowed) -> Borrowed:
        ready = self.prepare(borrowed.system, borrowed.is_alive)
        with self._changed:
            self.labels = ready.labels | (self.labels or frozenset())
            borrowed.source.proven = True
        return attrs.evolve(borrowed, system=ready)

    def _named(self, given: System) -> System:
        """Return a system under a name that no other has now: several provisioners may count alike."""
        with self._changed:
            further = (f"{given.name}.{number}" for number in itertools.count(2))
            name = next(each for each in itertools.chain([given.name], further) if each not in self._names)
            self._names.add(name)
        return given if name == given.name else attrs.evolve(given, name=name)

    def _return(self, borrowed: Borrowed) -> None:
        """Give a system back as it was given; its name is free again."""
        try:
            borrowed.source.provisioner.release(borrowed.given)
        finally:
            with self._changed:
                self._names.discard(borrowed.system.name)

    def _use(self, borrowed: Borrowed) -> tuple[int, bool]:
        """Run tests on a system and give it back; return how many it has finished, and whether to replace it."""
        done, system = 0, borrowed.system
        try:
            while (work := self._next(system)) is not None:
                again: Work[CaseT] | None = None
                gone = False
                try:
                    again = self.run_test(work, system)
                    done += 1
                except SystemLostError as error:
                    gone = True
                    self._complain(error, system.name)
                    again = self.lost(work, Loss(system.name, str(error), error.begun))
                finally:
                    self._done(work, system, again)
                if gone or not borrowed.is_alive():
                    return done, True
            return done, False
        finally:
            try:
                self.leave(system)
            finally:
                self._return(borrowed)

    def _over(self) -> bool:
        """Return whether nothing is left that a new system could do."""
        return self._stopped or self._backlog.is_over()

    def _waits_on(self, unlucky: int) -> bool:
        """Wait for what was lost: it may be able to do what this system cannot; tell if anything is left."""
        with self._changed:
            return not self._changed.wait_for(self._over, self.pauses[min(unlucky, len(self.pauses) - 1)])

    def _next(self, system: System) -> Work[CaseT] | None:
        """Wait for work that applies to ``system``; None when there will be none."""
        with self._changed:
            while not self._stopped:
                work = self._backlog.take(system)
                if work is not None:
                    return work
                if not self._backlog.may_come(system):
                    self._changed.notify_all()
                    return None
                self._changed.wait()
        return None

    def _done(self, work: Work[CaseT], system: System, again: Work[CaseT] | None) -> None:
        with self._changed:
            self._backlog.done(work, system, again)
            self._changed.notify_all()

    def _complain(self, what: object, who: str, *, lasting: bool = False) -> None:
        """Keep what is told at the end."""
        with self._changed:
            self.failures.append(Trouble(who, str(what), lasting))

    def _fail(self, error: BaseException) -> None:
        with self._changed:
            self._failure = self._failure or error
            self._stopped = True
            self._changed.notify_all()
