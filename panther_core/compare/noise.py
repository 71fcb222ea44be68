"""What two runs may differ by although the programs are the same: the machine was slower, or busier, during one.

Repetitions that are interleaved, as those of a matrix are, see the same machine, and nothing here concerns them. Two
runs are two points in time. So their processor times are compared at equal speed, which each repetition's yardstick
tells; a difference has to be larger; and times by the clock say nothing where others took the processor away.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from fnmatch import fnmatchcase

import attrs

from panther_core.compare.pairs import Pair, Record
from panther_core.compare.values import Metric
from panther_core.statistics import median, percentile

APART = 0.08
"""Share by which medians of two runs differ at times although nothing has changed, at equal speed."""
LEAST = 0.002
"""Seconds of processor time by which starting a program differs at times."""
_NEIGHBOURS = 2
"""Repetitions before and after one whose yardsticks tell about it too: a single look is too short to be exact."""
_STRANGER = 0.2
"""Part of the difference in speed that a yardstick, being another program, may be wrong by."""
_CROWDED = 0.5
"""Pressure from which on time by the clock says nothing."""
_STEADY = 0.01
"""A count that varies by less within each run does not depend on timing, and hence not on the machine."""
_WORTH_SAYING = 0.05
_BUSY = 0.2
_CPU = ("*cpu_*", "*.task_clock")
_CPU_UNITS = ("samples",)
_CLOCK = ("*goodput*", "*throughput*", "*bandwidth*", "*per_second*")
_CLOCK_UNITS = ("s", "ms", "us", "ns")


Paced = tuple[float, float]
"""A value, and what the yardstick took in the same repetition."""
Values = tuple[float, ...]


class Kind(enum.Enum):
    """What a metric depends on besides the program."""

    CPU = "processor time"
    CLOCK = "time by the clock"
    COUNT = "count"


def kind_of(metric: Metric) -> Kind:
    """Return what a metric depends on, by its unit and its name."""
    if metric.unit in _CPU_UNITS or any(fnmatchcase(metric.name, each) for each in _CPU):
        return Kind.CPU
    timed = metric.unit in _CLOCK_UNITS or metric.unit.endswith("/s")
    return Kind.CLOCK if timed or any(fnmatchcase(metric.name, each) for each in _CLOCK) else Kind.COUNT


@attrs.frozen(kw_only=True)
class Machine:
    """How the machine was during the repetitions of one side; None where they do not tell."""

    yardstick: float | None = None
    pressure: float = 0.0
    """Share of the time in which somebody waited for a processor."""
    others: float = 0.0
    """Share of its processor time that others used."""
    disturbed: int = 0
    """Repetitions during which somebody waited most of the time, or a processor was taken away or slowed down."""

    @classmethod
    def during(cls, records: Sequence[Record]) -> Machine:
        """Return the medians over repetitions."""
        told = [each.get("machine") or {} for each in records]
        paces = [yardstick_of(each) for each in records]
        return cls(
            yardstick=median(paces) if paces and all(paces) else None,
            pressure=_middle([float(each.get("cpu_pressure", 0.0)) for each in told]),
            others=_middle([float(each.get("others", 0.0)) for each in told]),
            disturbed=sum(_disturbed(each) for each in told),
        )


def _middle(values: Sequence[float]) -> float:
    return median(values) if values else 0.0


def _disturbed(told: Record) -> bool:
    pressed = float(told.get("cpu_pressure", 0.0)) > _CROWDED
    return pressed or float(told.get("steal", 0.0)) > _WORTH_SAYING or bool(told.get("throttled"))


@attrs.frozen(kw_only=True)
class Surroundings:
    """The machine during both sides of a comparison."""

    a: Machine = Machine()
    b: Machine = Machine()
    apart: bool = False
    """Whether the two were not interleaved."""

    @property
    def known(self) -> bool:
        """Whether the two were not interleaved, and all repetitions tell how the machine was."""
        return self.apart and self.a.yardstick is not None and self.b.yardstick is not None

    @property
    def slower(self) -> float:
        """By what share the machine was slower during B; negative if it was faster."""
        return self.b.yardstick / self.a.yardstick - 1 if self.known and self.a.yardstick and self.b.yardstick else 0.0

    @property
    def pressure(self) -> float:
        """The larger of both pressures."""
        return max(self.a.pressure, self.b.pressure)

    def fair(self, metric: Metric, a: Sequence[Paced], b: Sequence[Paced]) -> tuple[Values, Values]:
        """Return the values of both sides, processor times as they would have been at the speed of A."""
        reference = self.a.yardstick if self.known and kind_of(metric) is Kind.CPU else None
        if reference is None:
            return tuple(value for value, _ in a), tuple(value for value, _ in b)
        return tuple(value * reference / pace for value, pace in a), tuple(
            value * reference / pace for value, pace in b
        )

    def tolerance(self, metric: Metric, limit: float, a: Sequence[float], b: Sequence[float]) -> float | None:
        """Return the share by which the medians may differ before that means anything; None if nothing would."""
        if not self.known:
            return limit
        least = max(limit, APART)
        match kind_of(metric):
            case Kind.CPU:
                little = LEAST / abs(median(a)) if metric.unit == "s" and median(a) else 0.0
                return least + little + _STRANGER * abs(self.slower)
            case Kind.CLOCK:
                return None if self.pressure > _CROWDED else least + self.pressure + abs(self.slower)
        spread = max(_spread(a), _spread(b))
        return limit if spread <= _STEADY else least + 2 * self.pressure * spread

    def reason(self, metric: Metric) -> str:
        """Return why a difference in this metric may come from the machine."""
        slow = f"the machine was {abs(self.slower):.0%} slower in {'B' if self.slower > 0 else 'A'}"
        if kind_of(metric) is Kind.CPU or self.pressure < _WORTH_SAYING < abs(self.slower):
            return slow if abs(self.slower) >= _WORTH_SAYING / 2 else "two runs differ by that much at times"
        a, b = self.a.pressure, self.b.pressure
        if abs(a - b) < _WORTH_SAYING:
            return f"the machine was busy: somebody waited for a processor {self.pressure:.0%} of the time"
        busier, more, less = ("B", b, a) if b > a else ("A", a, b)
        return (
            f"the machine was busier in {busier}: somebody waited for a processor {more:.0%} of the time, "
            f"{less:.0%} in {'A' if busier == 'B' else 'B'}"
        )

    def told(self) -> list[str]:
        """Return what a reader of the numbers should know."""
        if not self.apart:
            return []
        found = []
        if max(self.a.others, self.b.others) > _BUSY:
            found.append(f"the machine was busy: others used {self.a.others:.0%} of it in A, {self.b.others:.0%} in B")
        if abs(self.slower) > _WORTH_SAYING / 2:
            side = "B" if self.slower > 0 else "A"
            found.append(f"it was {abs(self.slower):.0%} slower in {side}: processor times are compared at equal speed")
        if self.known and self.pressure > _CROWDED:
            waited = f"somebody waited for a processor {self.pressure:.0%} of the time"
            found.append(f"{waited}: times by the clock say nothing, but for two parts of one run")
        return found


def surroundings_of(pairs: Sequence[Pair]) -> Surroundings:
    """Return the machine during the repetitions whose numbers are compared."""
    a = [record for pair in pairs for record in pair.a.with_numbers(pair.comparable)]
    b = [record for pair in pairs for record in pair.b.with_numbers(pair.comparable)]
    apart = any(pair.a.run != pair.b.run for pair in pairs)
    return Surroundings(a=Machine.during(a), b=Machine.during(b), apart=apart)


def yardstick_of(record: Record) -> float:
    """Return what the yardstick took in a repetition, 0 if that is not known."""
    return float((record.get("machine") or {}).get("yardstick_ms") or 0.0)


def paces_of(records: Sequence[Record]) -> list[float]:
    """Return what the yardstick took about the time of each repetition, the median over a few of them."""
    paces = [yardstick_of(each) for each in records]
    return [median(paces[max(at - _NEIGHBOURS, 0) : at + _NEIGHBOURS + 1]) for at in range(len(paces))]


def _spread(values: Sequence[float]) -> float:
    """Return the range of the middle half as a share of the median, of values that are not all the same."""
    middle = abs(median(values))
    wide = percentile(values, 0.75) - percentile(values, 0.25) if max(values) > min(values) else 0.0
    return wide / middle if middle else wide
