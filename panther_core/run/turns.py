"""Whose programs run: of the cases that are prepared, as many as there are turns, the most important first."""

from __future__ import annotations

import contextlib
import math
import threading
import time
from collections.abc import Callable, Iterator

import attrs

_GIVE_WAY = 0.05
"""The part of what a longer case takes for which a free turn is kept for it."""
_LONGER = 1.5
"""How many times as long a case must take for that; little is won where they are nearly alike."""


@attrs.define
class Turns:
    """Gives out the turns of a run, at most ``count`` at a time; while they run, others are prepared and judged.

    A case that is ready first does not take the turn of a longer one that is nearly ready: that one would end last.
    """

    count: float = math.inf
    _coming: dict[str, tuple[int, float]] = attrs.field(factory=dict)
    """Priority and expected seconds of the cases that have not had their turn yet."""
    _taken: int = 0
    _freed: float = 0.0
    _changed: threading.Condition = attrs.field(factory=threading.Condition)

    @contextlib.contextmanager
    def coming(self, case_id: str, priority: int, seconds: float | None) -> Iterator[None]:
        """Announce a case that begins to be prepared."""
        with self._changed:
            self._coming[case_id] = (priority, seconds or 0.0)
        try:
            yield
        finally:
            self._forget(case_id)

    @contextlib.contextmanager
    def turn(self, case_id: str, check: Callable[[], None]) -> Iterator[None]:
        """Wait until the programs of a case may be started, and keep that turn; ``check`` raises if none will come."""
        ready = time.monotonic()
        with self._changed:
            while (wait := self._wait(case_id, ready)) > 0:
                check()
                self._changed.wait(None if math.isinf(wait) else wait)
            check()
            self._taken += 1
        self._forget(case_id)
        try:
            yield
        finally:
            with self._changed:
                self._taken -= 1
                self._freed = time.monotonic()
                self._changed.notify_all()

    def wake(self) -> None:
        """Let those who wait check whether there will be a turn for them."""
        with self._changed:
            self._changed.notify_all()

    def _wait(self, case_id: str, ready: float) -> float:
        """Return for how long a case that is ready has to wait at most, if nothing changes."""
        free = self.count - self._taken
        if free < 1:
            return math.inf
        mine, own = self._coming.get(case_id, (0, math.inf))
        ahead = [each for priority, each in self._coming.values() if (priority, each) > (mine, _LONGER * own)]
        if len(ahead) < free:
            return 0.0
        return max(ready, self._freed) + _GIVE_WAY * max(ahead) - time.monotonic()

    def _forget(self, case_id: str) -> None:
        with self._changed:
            self._coming.pop(case_id, None)
            self._changed.notify_all()
