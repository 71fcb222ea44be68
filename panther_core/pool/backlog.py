"""What waits to run, and what of it a free system takes next: one rule for real pools and for predictions."""

from __future__ import annotations

import heapq
import itertools
import math
import statistics
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Generic

import attrs

from panther_core.hooks import Hooks
from panther_core.pool.work import CaseT, Work
from panther_hookspecs import System

_CHOICES = ("panther_choose_next_test", "panther_choose_applicable", "panther_choose_fitness")
_REMEMBERED = 100
_AT_ONCE = 1000
_ENOUGH = 1e-9
"""Shares of a resource are compared with this tolerance: a third and two thirds make one."""

Rank = tuple[float, float, bool, int, float, float, int]
Entry = tuple[Rank, Work[CaseT]]
Need = tuple[frozenset[str], frozenset[tuple[str, float]], bool]
"""Labels, uses, and whether exclusive: works in which they are equal can run on the same systems."""


@attrs.define
class Backlog(Generic[CaseT]):
    """Waiting works, taken from a lazy plan a window at a time. Not safe by itself: its owner holds a lock.

    Priority decides first, then the latest moment at which a work with a deadline must start, then repetitions stay
    interleaved, then the longest comes first: what is not known counts as the median of what is, and before everything
    as long as nothing is; a longer timeout settles what is equal. Exclusive works come after the others.
    A work whose resources are taken keeps works of lower rank from taking them: nothing big waits forever.
    """

    source: Iterator[Work[CaseT]] = attrs.field(factory=lambda: iter(()))
    hooks: Hooks | None = None
    """Asked for a choice where plugins have an opinion."""
    expected_seconds: Callable[[CaseT], float | None] = lambda _case: None
    window: int = 1000
    """How many cases of the plan are looked at to find the best."""
    _running: dict[int, Work[CaseT]] = attrs.field(factory=dict)
    _exhausted: bool = False
    _classes: dict[Need, list[Entry[CaseT]]] = attrs.field(factory=dict)
    _count: int = 0
    _order: Iterator[int] = attrs.field(factory=itertools.count)
    _known: deque[float] = attrs.field(factory=lambda: deque(maxlen=_REMEMBERED))
    _on_host: Counter[str] = attrs.field(factory=Counter)
    _alone: set[str] = attrs.field(factory=set)
    _taken: dict[tuple[str | None, str], float] = attrs.field(factory=dict)

    def take(self, system: System) -> Work[CaseT] | None:
        """Take the best work that can start on ``system`` now, and what it uses of the system's host."""
        entry = None
        while entry is None and self._fill():
            entry = self._best(system)
        entry = entry or self._best(system)
        if entry is None:
            return None
        self._remove(entry)
        work = entry[1]
        self._running[id(work)] = work
        self._on_host[system.host] += 1
        if work.case.exclusive:
            self._alone.add(system.host)
        for name, amount in work.case.uses.items():
            account = _account(system, name)
            self._taken[account] = self._taken.get(account, 0.0) + amount
        return work

    def done(self, work: Work[CaseT], system: System, again: Work[CaseT] | None = None) -> None:
        """Give back what a work has used; ``again`` is put in for another attempt."""
        del self._running[id(work)]
        self._on_host[system.host] -= 1
        if work.case.exclusive:
            self._alone.discard(system.host)
        for name, amount in work.case.uses.items():
            self._taken[_account(system, name)] -= amount
        if again is not None:
            self.put(again)

    def put(self, work: Work[CaseT]) -> None:
        """Let a work wait."""
        case = work.case
        expected = self.expected_seconds(case)
        if expected is not None:
            self._known.append(expected)
        elif self._known:
            expected = statistics.median_low(self._known)
        long = math.inf if expected is None else expected
        latest = math.inf if case.deadline is None else case.deadline - (expected or 0.0)
        rank = (-case.priority, latest, case.exclusive, case.repetition, -long, -case.timeout, next(self._order))
        heap = self._classes.setdefault(_need(work), [])
        heapq.heappush(heap, (rank, attrs.evolve(work, expected_seconds=expected)))
        self._count += 1

    def waiting(self) -> list[Work[CaseT]]:
        """Return what waits, the best first, without the part of the plan that was not looked at."""
        return [work for _, work in sorted(itertools.chain.from_iterable(self._classes.values()), key=_rank)]

    def running(self) -> list[Work[CaseT]]:
        """Return what was taken and is not done."""
        return list(self._running.values())

    def is_over(self) -> bool:
        """Return whether nothing waits and nothing runs."""
        self._fill()
        return self._exhausted and not self._count and not self._running

    def may_come(self, system: System) -> bool:
        """Return whether ``system`` could take something when what runs now has ended."""
        if not self._running or not self._exhausted:
            return bool(self._running)
        waiting = (heap[0][1] for heap in self._classes.values()) if not self._asks() else self.waiting()
        return any(self._fits(work, system) for work in itertools.chain(self._running.values(), waiting))

    def _fill(self) -> bool:
        """Take some more of the plan, so that the first case need not wait for the whole window; tell if there was."""
        count = min(self.window - self._count, _AT_ONCE)
        more = list(itertools.islice(self.source, count)) if count > 0 and not self._exhausted else []
        self._exhausted = self._exhausted or (count > 0 and len(more) < count)
        for work in more:
            self.put(work)
        return bool(more)

    def _best(self, system: System) -> Entry[CaseT] | None:
        return self._chosen(system) if self._asks() else next(self._startable(system, self._heads()), None)

    def _asks(self) -> bool:
        return self.hooks is not None and any(map(self.hooks.implemented, _CHOICES))

    def _heads(self) -> list[Entry[CaseT]]:
        """Return the best of each class; where it was lost with a system, the next ones as well."""
        heads = [each for heap in self._classes.values() for each in (heap if heap[0][1].losses else heap[:1])]
        return heads if len(heads) == 1 else sorted(heads, key=_rank)

    def _startable(self, system: System, ranked: Iterable[Entry[CaseT]]) -> Iterator[Entry[CaseT]]:
        """Yield what can start on the system now; what waits for a resource reserves all that it uses."""
        if system.host in self._alone:
            return
        reserved: set[str] = set()
        for entry in ranked:
            case = entry[1].case
            if not self._fits(entry[1], system) or self._avoids(entry[1], system):
                continue
            if case.exclusive and self._on_host[system.host]:
                return
            if reserved.intersection(case.uses) or not self._has_left(system, case.uses):
                reserved.update(case.uses)
                continue
            yield entry

    def _fits(self, work: Work[CaseT], system: System) -> bool:
        """Return whether the system, with nothing else on its host, can run the work."""
        case = work.case
        if any(amount > system.capacity.get(name, 1.0) + _ENOUGH for name, amount in case.uses.items()):
            return False
        if self.hooks is None or not self.hooks.implemented("panther_choose_applicable"):
            return bool(case.labels <= system.labels)
        return self.hooks.choose_applicable(work.candidate(), system)

    def _avoids(self, work: Work[CaseT], system: System) -> bool:
        """Return whether the work was lost on this very system and another one may still take it."""
        return bool(work.losses and self._running) and any(each.system == system.name for each in work.losses)

    def _has_left(self, system: System, uses: Mapping[str, float]) -> bool:
        return all(
            self._taken.get(_account(system, name), 0.0) + amount <= system.capacity.get(name, 1.0) + _ENOUGH
            for name, amount in uses.items()
        )

    def _chosen(self, system: System) -> Entry[CaseT] | None:
        """Return what the plugins choose among all that can start."""
        assert self.hooks is not None  # otherwise nobody is asked
        hooks = self.hooks
        ranked = sorted(itertools.chain.from_iterable(self._classes.values()), key=_rank)
        found = {entry[1].case.case_id: (entry, entry[1].candidate()) for entry in self._startable(system, ranked)}
        scored = [(hooks.choose_fitness(each, system), each) for _, each in found.values()]
        fitting = [each for score, each in sorted(scored, key=lambda pair: -pair[0]) if score > -math.inf]
        if not fitting:
            return None
        chosen = hooks.choose_next_test(fitting, system) or fitting[0]
        return found[chosen.case_id][0]

    def _remove(self, entry: Entry[CaseT]) -> None:
        need = _need(entry[1])
        heap = self._classes[need]
        if heap[0] is entry:
            heapq.heappop(heap)
        else:
            heap.remove(entry)
            heapq.heapify(heap)
        if not heap:
            del self._classes[need]
        self._count -= 1


def _account(system: System, name: str) -> tuple[str | None, str]:
    """Return whose resource it is: the host's that declares it, else the one that the whole run has."""
    return (system.host if name in system.capacity else None, name)


def _need(work: Work[CaseT]) -> Need:
    return (work.case.labels, frozenset(work.case.uses.items()), work.case.exclusive)


def _rank(entry: Entry[CaseT]) -> Rank:
    return entry[0]
