"""What a comparison of two runs consists of."""

from __future__ import annotations

import enum
from collections.abc import Iterator
from fnmatch import fnmatchcase

import attrs

from panther_core.statistics import Interval, median

LIMIT = 0.05
ALPHA = 0.05


class Outcome(enum.Enum):
    """What the numbers allow to say. Nothing is better or worse by its mean or median alone."""

    WORSE = "worse"
    BETTER = "better"
    CHANGED = "changed"
    """Differs, and neither direction is good in itself."""
    SAME = "same"
    """Shown to differ by less than the limit."""
    INCONCLUSIVE = "inconclusive"
    """Neither is shown, or the machine may be the reason."""


@attrs.frozen(kw_only=True)
class Rules:
    """What the user wants to be compared, and how."""

    metrics: tuple[str, ...] = ()
    """Patterns of the metrics to compare; all if empty."""
    limits: tuple[tuple[str, float], ...] = ()
    """Pattern and share by which a median may differ before that matters; the last that fits counts."""
    higher: tuple[str, ...] = ()
    """Patterns of metrics of which more is better, besides those that are known."""
    alpha: float = ALPHA
    """Chance of one false alarm among all metrics of the comparison."""

    def wants(self, metric: Metric) -> bool:
        """Return whether the metric is to be compared."""
        return not self.metrics or any(metric.matches(each) for each in self.metrics)

    def limit(self, metric: Metric) -> float:
        """Return the share by which the metric may differ."""
        return next((limit for pattern, limit in reversed(self.limits) if metric.matches(pattern)), LIMIT)


@attrs.frozen(kw_only=True)
class Metric:
    """What a number is about, the same in both runs."""

    name: str
    service: str = ""
    labels: tuple[tuple[str, str], ...] = ()
    unit: str = attrs.field(default="", eq=False)
    symbol: str = attrs.field(default="", eq=False)
    """The function or system call that it is about, if it is about one."""
    better: str = attrs.field(default="", eq=False)
    """``lower``, ``higher`` or ``neither`` if whoever measured it said so."""

    def __str__(self) -> str:
        """Return the name as checks write it: ``server.cpu_seconds``."""
        labels = ",".join(f"{key}={value}" for key, value in self.labels)
        return ".".join(filter(None, (self.service, self.name))) + (f"{{{labels}}}" if labels else "")

    def matches(self, pattern: str) -> bool:
        """Return whether a pattern of the user means this metric, with or without its service."""
        return fnmatchcase(self.name, pattern) or fnmatchcase(str(self), pattern)


@attrs.frozen(kw_only=True)
class Change:
    """One metric of one pair of cases."""

    case: str
    metric: Metric
    outcome: Outcome
    direction: str
    limit: float
    a: tuple[float, ...]
    b: tuple[float, ...]
    fair: tuple[tuple[float, ...], tuple[float, ...]]
    """Both at equal speed of the machine: what was compared."""
    p: float
    corrected: float
    """``p`` after Holm's correction over all metrics of the comparison."""
    delta: float
    """Cliff's delta: -1 all of B below A, 1 all of B above A."""
    interval: Interval | None
    """Confidence interval of the shift from A to B."""
    needed: int | None
    """Repetitions on each side that would probably settle it; only where it is inconclusive."""
    blamed: str = ""
    """What about the machine may have made the difference that the values seem to show."""

    @property
    def medians(self) -> tuple[float, float]:
        """The median of A and that of B."""
        return median(self.a), median(self.b)

    @property
    def relative(self) -> float | None:
        """Change of the median, at equal speed, as a share of A's; None where A's is 0 and B's is not."""
        before, after = (median(each) for each in self.fair)
        if before == after:
            return 0.0
        return (after - before) / abs(before) if before else None


@attrs.frozen(kw_only=True)
class VerdictChange:
    """A pair of cases whose verdicts differ between the runs."""

    case: str
    change: str
    """``new failure``, ``newly flaky``, ``fixed``, ``less flaky`` or ``changed``."""
    a: tuple[tuple[str, int], ...]
    """Verdicts and how many repetitions had them."""
    b: tuple[tuple[str, int], ...]
    why: str = ""
    folder: str = ""
    """Evidence of the first repetition of B that was not as expected, relative to its run."""

    @property
    def worse(self) -> bool:
        """Whether B is the worse one."""
        return self.change in ("new failure", "newly flaky")


@attrs.frozen(kw_only=True)
class FindingChange:
    """A finding, by its fingerprint, that one run has and the other has not, or has more often."""

    change: str
    """``new``, ``gone``, ``more`` or ``fewer``."""
    source: str
    kind: str
    message: str
    service: str
    severity: str
    fingerprint: str
    cases: tuple[str, ...]
    a: tuple[int, int, int]
    """Repetitions with it, repetitions looked at, and how often it was counted in all."""
    b: tuple[int, int, int]
    path: str = ""
    """File of evidence in the run that has it, relative to that run's folder."""

    @property
    def worse(self) -> bool:
        """Whether B is the worse one: a count alone, which often depends on timing, says nothing."""
        return self.change == "new" and self.severity != "info"


@attrs.frozen(kw_only=True)
class Comparison:
    """Everything that two runs say about each other."""

    pairs: int
    numbered: int
    """Pairs of cases with numbers to compare."""
    repetitions: tuple[int, int]
    """The smallest number of repetitions with comparable numbers on either side."""
    machine: tuple[str, ...]
    """Differences between the machines."""
    others: tuple[str, ...]
    """Other differences between the locks: plugins, libraries, programs, seed."""
    notes: tuple[str, ...]
    """What could not be compared, and why."""
    noise: tuple[str, ...]
    """What about the machine a reader of the numbers should know."""
    disturbed: tuple[int, int]
    """Repetitions of either side during which the machine was not steady."""
    verdicts: tuple[VerdictChange, ...]
    findings: tuple[FindingChange, ...]
    changes: tuple[Change, ...]
    tested: int
    """How many metrics the correction was made for."""

    def of(self, outcome: Outcome) -> list[Change]:
        """Return the metrics with that outcome."""
        return [each for each in self.changes if each.outcome is outcome]

    def regressions(self) -> Iterator[VerdictChange | FindingChange | Change]:
        """Yield everything that got worse."""
        yield from (each for each in self.verdicts if each.worse)
        yield from (each for each in self.findings if each.worse)
        yield from self.of(Outcome.WORSE)
