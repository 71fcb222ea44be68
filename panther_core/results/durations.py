"""How long cases took in earlier runs, so that the longest can start first. An index: deleting it loses no result."""

from __future__ import annotations

import contextlib
import json
import statistics
from pathlib import Path

import attrs

from panther_core.plan.cases import PlannedCase

DURATIONS = ".panther-durations.json"
"""The index, beside the runs that it is about."""
_WEIGHT = 0.5


@attrs.define
class Durations:
    """Remembered durations by name and cell, the newest counting most."""

    path: Path
    """Where they are kept."""
    _seconds: dict[str, float] = attrs.field(factory=dict)
    _of_name: dict[str, float] = attrs.field(factory=dict)
    """What cells of a test case take, for cells that never ran."""

    _typical: float | None = None

    @classmethod
    def load(cls, base: Path, into: Path | None = None) -> Durations:
        """Read what earlier runs in ``base`` have left, to be kept beside what is known in ``into``."""
        into = into or base
        seconds = {**_read(into / DURATIONS), **_read(base / DURATIONS)}
        found = cls(into / DURATIONS, seconds, typical=statistics.median_low(seconds.values()) if seconds else None)
        for key, value in seconds.items():
            _blend(found._of_name, key.partition("[")[0], value)
        return found

    def expected(self, case: PlannedCase) -> float | None:
        """Return how long the case is likely to take: what it, or else its test case's other cells, took before."""
        return self._seconds.get(case.described(), self._of_name.get(case.name))

    def typical(self) -> float | None:
        """Return what a case takes that nothing is known about: the median of what was known at the beginning."""
        return self._typical

    def foreseen(self, case: PlannedCase) -> float:
        """Return the best guess of how long the case will take; 0 where nothing ever ran, or it cannot be tried."""
        return 0.0 if case.unsupported else self.expected(case) or self.typical() or 0.0

    def saw(self, case: PlannedCase, seconds: float) -> None:
        """Learn from an attempt."""
        _blend(self._seconds, case.described(), seconds)
        _blend(self._of_name, case.name, seconds)

    def save(self) -> None:
        """Write the index; a run that cannot write it has lost nothing."""
        with contextlib.suppress(OSError):
            temporary = self.path.with_suffix(".new")
            temporary.write_text(
                json.dumps({key: round(value, 3) for key, value in self._seconds.items()}), encoding="utf-8"
            )
            temporary.replace(self.path)


def _read(path: Path) -> dict[str, float]:
    """Return an index; a damaged one counts as none."""
    with contextlib.suppress(OSError, ValueError):
        read = json.loads(path.read_text(encoding="utf-8"))
        return {str(key): float(value) for key, value in read.items()}
    return {}


def _blend(known: dict[str, float], key: str, seconds: float) -> None:
    before = known.get(key, seconds)
    known[key] = before + _WEIGHT * (seconds - before)
