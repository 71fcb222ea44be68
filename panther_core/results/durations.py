"""How long cases took in earlier runs, so that the longest can start first. An index: deleting it loses no result."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

import attrs

from panther_core.plan.cases import PlannedCase

_FILE = ".panther-durations.json"
_WEIGHT = 0.5


@attrs.define
class Durations:
    """Remembered durations by name and cell, the newest counting most."""

    path: Path
    _seconds: dict[str, float] = attrs.field(factory=dict)

    @classmethod
    def load(cls, base: Path) -> Durations:
        """Read what earlier runs in ``base`` have left; a damaged index counts as none."""
        path = base / _FILE
        seconds: dict[str, float] = {}
        with contextlib.suppress(OSError, ValueError):
            seconds = {str(key): float(value) for key, value in json.loads(path.read_text(encoding="utf-8")).items()}
        return cls(path, seconds)

    def expected(self, case: PlannedCase) -> float | None:
        """Return how long the case is likely to take, if it or a repetition of it ran before."""
        return self._seconds.get(case.described())

    def saw(self, case: PlannedCase, seconds: float) -> None:
        """Learn from an attempt."""
        name = case.described()
        before = self._seconds.get(name, seconds)
        self._seconds[name] = before + _WEIGHT * (seconds - before)

    def save(self) -> None:
        """Write the index; a run that cannot write it has lost nothing."""
        with contextlib.suppress(OSError):
            temporary = self.path.with_suffix(".new")
            temporary.write_text(
                json.dumps({key: round(value, 3) for key, value in self._seconds.items()}), encoding="utf-8"
            )
            temporary.replace(self.path)
