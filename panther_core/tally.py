"""Counts what came out, for the whole run and for each configured test case."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterable

import attrs

from panther_core.test_case import TestCase, TestCaseState
from panther_hookspecs import Verdict

_UNEXPECTED = "unexpected"
_UNAVAILABLE = "unavailable"
_NO_VERDICTS = frozenset({_UNEXPECTED, _UNAVAILABLE})


@attrs.define
class Tally:
    """Verdicts by test case, and the state of each test case that follows from them. Safe from any thread."""

    test_cases: tuple[TestCase, ...] = ()
    _by_name: dict[str, Counter[str]] = attrs.field(factory=dict)
    _changes: Counter[str] = attrs.field(factory=Counter)
    _lock: threading.Lock = attrs.field(factory=threading.Lock)

    def began(self, name: str) -> None:
        """Note that a case of this test case runs."""
        with self._lock:
            for case in self._named(name):
                if case.state is TestCaseState.PENDING:
                    case.transition_to(TestCaseState.RUNNING)

    def ended(self, name: str, verdict: Verdict, *, expected: bool, unavailable: bool = False) -> None:
        """Count a case that is over; ``unavailable`` says that this machine lacks something that it needs."""
        with self._lock:
            counts = self._by_name.setdefault(name, Counter())
            counts[verdict.value] += 1
            counts[_UNEXPECTED] += not expected
            self._changes[verdict.value] += not expected
            counts[_UNAVAILABLE] += unavailable and not expected

    def finish(self, *, cancelled: bool) -> None:
        """Bring every test case into its last state."""
        for case in self.test_cases:
            counts = self._by_name.get(case.name, Counter())
            if case.state is TestCaseState.PENDING and counts:
                case.transition_to(TestCaseState.RUNNING)
            if cancelled or not counts:
                case.transition_to(TestCaseState.CANCELLED)
            else:
                case.transition_to(TestCaseState.FAILED if counts[_UNEXPECTED] else TestCaseState.COMPLETED)

    @property
    def counts(self) -> dict[str, int]:
        """Cases by verdict."""
        return {name: count for name, count in self._sum().items() if count and name not in _NO_VERDICTS}

    @property
    def unexpected(self) -> int:
        """Cases that did not come out as expected."""
        return self._sum()[_UNEXPECTED]

    @property
    def changes(self) -> dict[str, int]:
        """The same by verdict: what passed although it should not have, what failed, ..."""
        with self._lock:
            return {name: count for name, count in self._changes.items() if count}

    @property
    def unavailable(self) -> int:
        """Those among them that could not run because this machine lacks something."""
        return self._sum()[_UNAVAILABLE]

    @property
    def by_test_case(self) -> dict[str, dict[str, int]]:
        """The same for each test case."""
        with self._lock:
            return {name: dict(counts) for name, counts in self._by_name.items()}

    def _sum(self) -> Counter[str]:
        with self._lock:
            total: Counter[str] = Counter()
            for counts in self._by_name.values():
                total.update(counts)
            return total

    def _named(self, name: str) -> Iterable[TestCase]:
        return (case for case in self.test_cases if case.name == name)
