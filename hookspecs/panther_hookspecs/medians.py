"""Where the middle of a few measurements lies: what everybody needs who shows numbers, from their order alone."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from statistics import NormalDist

import attrs

_EXACT_UP_TO = 1000
"""Number of values up to which an interval is exact; beyond, the approximation is right to a fiftieth of a value."""


@attrs.frozen
class Interval:
    """Where a value lies with the confidence that was asked for."""

    low: float
    high: float


def percentile(values: Sequence[float], share: float) -> float:
    """Return the value below which ``share`` (0 to 1) of the values lie, interpolated between neighbours."""
    ordered = sorted(values)
    if not ordered:
        raise ValueError("there is no percentile of nothing")
    if not 0 <= share <= 1:
        raise ValueError(f"a share lies between 0 and 1, got {share}")
    return _at(ordered, share * (len(ordered) - 1))


def _at(ordered: Sequence[float], place: float) -> float:
    """Return what stands at a place, interpolated between neighbours."""
    below = math.floor(place)
    above = min(below + 1, len(ordered) - 1)
    if ordered[below] == ordered[above]:
        return ordered[below]
    return ordered[below] + (ordered[above] - ordered[below]) * (place - below)


def median(values: Sequence[float]) -> float:
    """Return the middle value, or the mean of the two middle ones."""
    return percentile(values, 0.5)


def median_interval(values: Sequence[float], confidence: float = 0.95) -> Interval | None:
    """Return the confidence interval of the median from order statistics, or None where there are too few values.

    It needs no distribution; at 95 % it needs six values. The intervals from the k-th value to the k-th last one have
    only a few confidences to choose from, so its ends lie between two values, where Hettmansperger and Sheather put
    them: next to the confidence that was asked for, instead of somewhere above it.
    """
    ordered = sorted(values)
    depth = _depth(len(ordered), confidence)
    return None if depth is None else Interval(_at(ordered, depth), _at(ordered, len(ordered) - 1 - depth))


@lru_cache(maxsize=256)
def _depth(count: int, confidence: float) -> float | None:
    """Return how far from both ends, counted in values, the interval of the median ends; None if it has none."""
    if count > _EXACT_UP_TO:
        return (count - 1 - NormalDist().inv_cdf((1 + confidence) / 2) * math.sqrt(count)) / 2
    rank, ways, narrower = 0, 1, 1 - 2.0 ** (1 - count)
    wider = narrower
    while narrower >= confidence:
        rank += 1
        ways = ways * (count - rank + 1) // rank
        wider, narrower = narrower, narrower - 2 * (ways / 2**count)
    if not rank:
        return None
    excess = (wider - confidence) / (wider - narrower)
    return rank - 1 + (count - rank) * excess / (rank + (count - 2 * rank) * excess)


def values_needed_for_interval(confidence: float = 0.95) -> int:
    """Return how many values the interval of a median takes at least."""
    return 1 + math.ceil(-math.log2(1 - confidence))
