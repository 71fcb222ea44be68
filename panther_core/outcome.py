"""How a run ended, from what was counted and what went wrong."""

from __future__ import annotations

from typing import Any

import attrs

from panther_core.tally import Tally
from panther_hookspecs import PantherExperimentError

_CANCELLED = 130
_CANNOT_RUN = 3


@attrs.frozen(kw_only=True)
class Ending:
    """What decides over verdict and exit code, besides the counts."""

    tally: Tally
    total: int
    dry_run: bool = False
    cancelled: bool = False
    error: PantherExperimentError | None = None
    """What ended the run early."""
    failures: tuple[str, ...] = ()
    """What plugins and observers raised without changing a verdict."""
    strict: bool = False

    @property
    def done(self) -> int:
        """How many cases are over."""
        return sum(self.tally.counts.values())

    @property
    def verdict(self) -> str:
        """One word for the whole run."""
        if self.cancelled:
            return "cancelled"
        if self.error:
            return "error"
        if self.tally.unexpected:
            return "fail"
        return "pass" if self.done or self.dry_run else "inconclusive"

    @property
    def exit_code(self) -> int:
        """What the console ends with: 3 if all that went wrong is that this machine cannot run it."""
        if self.cancelled:
            return _CANCELLED
        if self.error is not None:
            return self.error.exit_code
        if self.tally.unexpected and self.tally.unexpected == self.tally.unavailable:
            return _CANNOT_RUN
        return 0 if self.verdict == "pass" and not (self.strict and self.failures) else 1

    def result(self) -> dict[str, Any]:
        """Return the run's result as plain data."""
        done, unexpected = self.done, self.tally.unexpected
        return {
            "verdict": self.verdict,
            "success_rate": (done - unexpected) / done if done else 0.0,
            "total": self.total,
            "counts": self.tally.counts,
            "unexpected": unexpected,
            "changes": self.tally.changes,
            "interrupted": self.cancelled,
            "test_cases": self.tally.by_test_case,
            "errors": [*([str(self.error)] if self.error else []), *self.failures],
            "exit_code": self.exit_code,
        }
