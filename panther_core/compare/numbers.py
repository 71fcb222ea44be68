"""Numbers side by side: gathered over the repetitions, tested all together, and put into words."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs

from panther_core.compare.directions import LOWER, NEITHER, direction_of
from panther_core.compare.pairs import Pair, Record
from panther_core.compare.values import Change, Metric, Outcome, Rules
from panther_core.folded import profiles_of
from panther_core.statistics import (
    Interval,
    cliffs_delta,
    finite,
    holm,
    mann_whitney,
    median,
    repetitions_needed,
    repetitions_to_show_anything,
    shift_interval,
)

_SELF = "self"
_NEEDS_SYMBOL = 3
_WORTH_A_TEST = 0.01
"""Share of the whole, both runs together, from which on the cost of a function or call is looked at."""
_COSTS = ("seconds", _SELF)
_COUNTS = ("count", "errors", *_COSTS)
"""What an instrument gives for each thing that happened: where it gives nothing, nothing happened."""


@attrs.frozen(kw_only=True)
class Sample:
    """One metric of one pair of cases, not judged yet."""

    case: str
    metric: Metric
    a: tuple[float, ...]
    b: tuple[float, ...]


def samples_of(pair: Pair) -> list[Sample]:
    """Return the numbers that both sides have."""
    verdict = pair.comparable
    sides = [
        [_numbers(each, side.run) for each in side.with_numbers(verdict)] if verdict else []
        for side in (pair.a, pair.b)
    ]
    known = {metric: metric for side in sides for numbers in side for metric in numbers}
    small = _small_parts(sides)
    found = []
    for metric in known.values():
        if metric in small:
            continue
        a, b = (finite(_values(metric, side)) for side in sides)
        if a and b:
            found.append(Sample(case=pair.label, metric=metric, a=a, b=b))
    return found


def _values(metric: Metric, repetitions: Iterable[Mapping[Metric, float]]) -> Iterator[float]:
    for numbers in repetitions:
        if metric in numbers:
            yield numbers[metric]
        elif metric.symbol and metric.name.rpartition(".")[2] in _COUNTS:
            yield 0.0


def _numbers(record: Record, run: Path) -> dict[Metric, float]:
    """Return all numbers of a repetition: its duration, what was measured, and the profile of each function."""
    profiled = _functions(record, run)
    numbers = {Metric(name="seconds", unit="s"): float(record.get("seconds") or 0.0)}
    instruments = set(record.get("instruments") or ())
    told: set[tuple[str, str]] = set()
    for each in record.get("measurements") or ():
        name, value = str(each["name"]), each.get("value")
        if isinstance(value, bool) or not isinstance(value, int | float):
            continue
        parts = name.split(".")
        by_name = parts[0] in instruments and len(parts) >= _NEEDS_SYMBOL and parts[-1] in _COUNTS
        symbol = ".".join(parts[1:-1]) if by_name else ""
        told.add((parts[0], symbol))
        numbers[_metric(each, name, symbol)] = float(value)
    return numbers | {
        each: value for each, value in profiled.items() if (each.name.partition(".")[0], each.symbol) not in told
    }


def _metric(measurement: Mapping[str, Any], name: str, symbol: str) -> Metric:
    labels = {str(key): str(value) for key, value in (measurement.get("labels") or {}).items()}
    better = labels.pop("better", "")
    return Metric(
        name=name,
        service=str(measurement.get("service") or ""),
        labels=tuple(sorted(labels.items())),
        unit=str(measurement.get("unit") or ""),
        symbol=symbol or labels.get("function", ""),
        better=better,
    )


def _functions(record: Record, run: Path) -> dict[Metric, float]:
    found: defaultdict[Metric, float] = defaultdict(float)
    for profile in profiles_of(record, run):
        for function, weight in profile.self_weights().items():
            name = ".".join(filter(None, (profile.instrument, profile.part, function, _SELF)))
            metric = Metric(name=name, service=profile.service, unit=profile.unit, symbol=function)
            found[metric] += weight
    return dict(found)


def _small_parts(sides: Sequence[Sequence[Mapping[Metric, float]]]) -> set[Metric]:
    """Return the functions and calls with a negligible part in the cost of both runs together.

    They would only dilute the others. The choice does not depend on which run a number is from, so it favours neither.
    """
    weights: defaultdict[Metric, float] = defaultdict(float)
    totals: defaultdict[tuple[str, str, str], float] = defaultdict(float)
    for numbers in (each for side in sides for each in side):
        for metric, value in numbers.items():
            if metric.symbol and metric.name.rpartition(".")[2] in _COSTS:
                weights[metric] += value
                totals[_whole(metric)] += value
    return {metric for metric, weight in weights.items() if weight < _WORTH_A_TEST * totals[_whole(metric)]}


def _whole(metric: Metric) -> tuple[str, str, str]:
    return metric.service, metric.name.partition(".")[0], metric.name.rpartition(".")[2]


def judged(samples: Sequence[Sample], rules: Rules) -> tuple[tuple[Change, ...], int]:
    """Test all samples, correct for their number, and say what each shows.

    Where every value of both runs is the same there is nothing that could be a false alarm, so those do not count
    into the number (Tarone).
    """
    varying = [each for each in samples if len({*each.a, *each.b}) > 1]
    p = {id(each): mann_whitney(each.a, each.b).p for each in varying}
    corrected = dict(zip(map(id, varying), holm([p[id(each)] for each in varying]), strict=True))
    return (
        tuple(
            _judged(each, p.get(id(each), 1.0), corrected.get(id(each), 1.0), rules, len(varying)) for each in samples
        ),
        len(varying),
    )


def _judged(sample: Sample, p: float, corrected: float, rules: Rules, tested: int) -> Change:
    limit, direction = rules.limit(sample.metric), direction_of(sample.metric, rules)
    before, after = median(sample.a), median(sample.b)
    tolerance = limit * abs(before)
    delta = cliffs_delta(sample.a, sample.b)
    interval = shift_interval(sample.a, sample.b)
    beyond = abs(after - before) > tolerance and (after - before) * delta > 0
    if beyond and corrected <= rules.alpha:
        outcome = _named(after > before, direction)
    elif interval is not None and -tolerance <= interval.low and interval.high <= tolerance:
        outcome = Outcome.SAME
    else:
        outcome = Outcome.INCONCLUSIVE
    return Change(
        case=sample.case,
        metric=sample.metric,
        outcome=outcome,
        direction=direction,
        limit=limit,
        a=sample.a,
        b=sample.b,
        p=p,
        corrected=corrected,
        delta=delta,
        interval=interval,
        needed=_needed(sample, interval, delta if beyond else 0.0, tested) if outcome is Outcome.INCONCLUSIVE else None,
    )


def _named(rose: bool, direction: str) -> Outcome:
    if direction == NEITHER:
        return Outcome.CHANGED
    return Outcome.WORSE if rose == (direction == LOWER) else Outcome.BETTER


def _needed(sample: Sample, interval: Interval | None, delta: float, tested: int) -> int | None:
    """Return how many repetitions would settle it: by what is seen, or at least by what can be seen at all."""
    have = min(len(sample.a), len(sample.b))
    if interval is None or not delta:
        least = repetitions_to_show_anything(max(tested, 1))
        return least if have < least else None
    wanted = repetitions_needed(delta, max(tested, 1))
    return wanted if wanted is not None and wanted > have else None


def impact(change: Change) -> tuple[bool, float]:
    """Return how much a change matters, to sort by: functions and system calls first, then by relative size."""
    relative = change.relative
    return (not change.metric.symbol, -(math.inf if relative is None else abs(relative)))
