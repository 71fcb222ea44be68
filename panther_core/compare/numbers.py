"""Numbers side by side: gathered over the repetitions, tested all together, and put into words."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs

from panther_core.compare.directions import LOWER, NEITHER, direction_of
from panther_core.compare.noise import Surroundings, paces_of, surroundings_of
from panther_core.compare.pairs import Pair, Record
from panther_core.compare.values import Change, Metric, Outcome, Rules
from panther_core.statistics import (
    Interval,
    cliffs_delta,
    holm,
    mann_whitney,
    median,
    repetitions_needed,
    repetitions_to_show_anything,
    shift_interval,
)
from panther_hookspecs import folded_profiles

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
    fair: tuple[tuple[float, ...], tuple[float, ...]]
    """Both as they would have been on a machine of one speed, if they depend on that."""
    around: Surroundings = Surroundings()


def samples_of(pair: Pair) -> list[Sample]:
    """Return the numbers that both sides have."""
    verdict = pair.comparable
    chosen = [side.with_numbers(verdict) if verdict else () for side in (pair.a, pair.b)]
    sides = [
        [_numbers(each, side.run) for each in records] for side, records in zip((pair.a, pair.b), chosen, strict=True)
    ]
    paces = [paces_of(records) for records in chosen]
    around = surroundings_of([pair])
    known = {metric: metric for side in sides for numbers in side for metric in numbers}
    small = _small_parts(sides)
    found = []
    for metric in known.values():
        if metric in small:
            continue
        a, b = (tuple(_values(metric, *side)) for side in zip(sides, paces, strict=True))
        if a and b:
            found.append(
                Sample(
                    case=pair.label,
                    metric=metric,
                    a=tuple(value for value, _ in a),
                    b=tuple(value for value, _ in b),
                    fair=around.fair(metric, a, b),
                    around=around,
                )
            )
    return found


def _values(
    metric: Metric, repetitions: Iterable[Mapping[Metric, float]], paces: Iterable[float]
) -> Iterator[tuple[float, float]]:
    """Yield the finite values of a metric, each with what the yardstick took in its repetition."""
    for numbers, pace in zip(repetitions, paces, strict=True):
        nothing = 0.0 if metric.symbol and metric.name.rpartition(".")[2] in _COUNTS else math.nan
        value = numbers.get(metric, nothing)
        if math.isfinite(value):
            yield value, pace


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
    for profile in folded_profiles(record, run):
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
    into the number (Tarone); neither do those about which nothing could be said anyway.
    """
    tolerances = [each.around.tolerance(each.metric, rules.limit(each.metric), *each.fair) for each in samples]
    tested = [
        each
        for each, tolerance in zip(samples, tolerances, strict=True)
        if tolerance is not None and len({*each.a, *each.b}) > 1
    ]
    p = {id(each): mann_whitney(*each.fair).p for each in tested}
    corrected = dict(zip(map(id, tested), holm([p[id(each)] for each in tested]), strict=True))
    changes = (
        _judged(each, tolerance, p.get(id(each), 1.0), corrected.get(id(each), 1.0), rules, len(tested))
        for each, tolerance in zip(samples, tolerances, strict=True)
    )
    return tuple(changes), len(tested)


def _judged(sample: Sample, tolerance: float | None, p: float, corrected: float, rules: Rules, tested: int) -> Change:
    limit, direction = rules.limit(sample.metric), direction_of(sample.metric, rules)
    before, after = (median(each) for each in sample.fair)
    allowed = (limit if tolerance is None else tolerance) * abs(before)
    bound = 0.0 if tolerance is None else allowed  # where nothing could be said, equal numbers are still equal
    delta = cliffs_delta(*sample.fair)
    interval = shift_interval(*sample.fair)
    beyond = abs(after - before) > allowed and (after - before) * delta > 0
    if beyond and corrected <= rules.alpha and tolerance is not None:
        outcome = _named(after > before, direction)
    elif interval is not None and -bound <= interval.low and interval.high <= bound:
        outcome = Outcome.SAME
    else:
        outcome = Outcome.INCONCLUSIVE
    blamed = outcome in (Outcome.SAME, Outcome.INCONCLUSIVE) and _seems_different(sample, limit, rules.alpha)
    if blamed:
        outcome = Outcome.INCONCLUSIVE
    decidable = outcome is Outcome.INCONCLUSIVE and not blamed
    return Change(
        case=sample.case,
        metric=sample.metric,
        outcome=outcome,
        direction=direction,
        limit=limit if tolerance is None else tolerance,
        a=sample.a,
        b=sample.b,
        fair=sample.fair,
        p=p,
        corrected=corrected,
        delta=delta,
        interval=interval,
        needed=_needed(sample, interval, delta if beyond else 0.0, tested) if decidable else None,
        blamed=sample.around.reason(sample.metric) if blamed else "",
    )


def _seems_different(sample: Sample, limit: float, alpha: float) -> bool:
    """Return whether one would call it a difference who knew nothing about the machine."""
    before, after = median(sample.a), median(sample.b)
    return (
        sample.around.apart
        and abs(after - before) > limit * abs(before)
        and mann_whitney(sample.a, sample.b).p <= alpha
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
