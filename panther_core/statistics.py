"""Statistics for measurements that are few, skewed and full of outliers: orders and ranks, never the mean alone.

Nothing here assumes a distribution. Two samples are compared by the Mann-Whitney test, which is exact, ties included,
as long as the samples are small; how much they differ is said by the shift between them and by Cliff's delta.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from functools import lru_cache
from statistics import NormalDist

import attrs

from panther_hookspecs import Interval, median, median_interval, percentile, values_needed_for_interval

__all__ = [
    "EXACT_UP_TO",
    "Interval",
    "RankTest",
    "cliffs_delta",
    "finite",
    "holm",
    "mann_whitney",
    "median",
    "median_interval",
    "percentile",
    "repetitions_needed",
    "repetitions_to_show_anything",
    "shift",
    "shift_interval",
    "values_needed_for_interval",
]

EXACT_UP_TO = 60
"""Size of both samples together up to which the exact distribution is used."""
_MOST_PAIRS = 250_000
_NORMAL = NormalDist()


@attrs.frozen(kw_only=True)
class RankTest:
    """Outcome of a Mann-Whitney test."""

    u: float
    """Pairs in which the value of the second sample is the larger one; a tie counts half."""
    p: float
    """How likely so large a difference is where there is none, to either side."""
    exact: bool
    """Whether ``p`` is exact, not approximated."""


def finite(values: Iterable[float]) -> tuple[float, ...]:
    """Return the values that are numbers: neither NaN nor infinite."""
    return tuple(each for each in values if math.isfinite(each))


def mann_whitney(first: Sequence[float], second: Sequence[float]) -> RankTest:
    """Test whether values of one sample tend to be larger than those of the other."""
    if not first or not second:
        raise ValueError("both samples need a value")
    doubled, ties = _doubled_ranks(first, second)
    n, m = len(first), len(second)
    doubled_u = sum(doubled[n:]) - m * (m + 1)
    if n + m <= EXACT_UP_TO:
        return RankTest(u=doubled_u / 2, p=_exact_p(tuple(sorted(doubled)), m, sum(doubled[n:])), exact=True)
    return RankTest(u=doubled_u / 2, p=_approximate_p(doubled_u / 2, n, m, ties), exact=False)


def _doubled_ranks(first: Sequence[float], second: Sequence[float]) -> tuple[list[int], list[int]]:
    """Return twice the rank of each value, which is whole also for ties, and the sizes of the groups of equals."""
    together = [*first, *second]
    order = sorted(range(len(together)), key=together.__getitem__)
    ranks, sizes, start = [0] * len(together), [], 0
    while start < len(order):
        end = start
        while end < len(order) and together[order[end]] == together[order[start]]:
            end += 1
        for place in order[start:end]:
            ranks[place] = start + 1 + end
        sizes.append(end - start)
        start = end
    return ranks, sizes


@lru_cache(maxsize=1024)
def _exact_p(doubled: tuple[int, ...], chosen: int, seen: int) -> float:
    """Return the two-sided p of a rank sum over all ways to choose that many of the ranks."""
    width, polynomial = _rank_sums(doubled, chosen)
    everything = math.comb(len(doubled), chosen)
    at_least = _sum_of_digits(polynomial >> (seen * width), width)
    at_most = everything - _sum_of_digits(polynomial >> ((seen + 1) * width), width)
    return min(1.0, 2 * min(at_least, at_most) / everything)


@lru_cache(maxsize=256)
def _rank_sums(doubled: tuple[int, ...], chosen: int) -> tuple[int, int]:
    """Return a number whose digit ``s`` (of the given width in bits) counts the choices with the rank sum ``s``.

    It is the coefficient of y^chosen in the product of (1 + y x^rank), with x a power of two: adding two such
    numbers adds all their digits at once.
    """
    width = math.comb(len(doubled), chosen).bit_length() + 1
    by_size = [1] + [0] * chosen
    for count, rank in enumerate(doubled, 1):
        for size in range(min(count, chosen), 0, -1):
            by_size[size] += by_size[size - 1] << (rank * width)
    return width, by_size[chosen]


def _sum_of_digits(number: int, width: int) -> int:
    """Return the sum of the digits of that width, which is smaller than the largest digit."""
    return number % ((1 << width) - 1)


def _approximate_p(u: float, n: int, m: int, ties: Iterable[int]) -> float:
    """Return p by the normal approximation, with corrections for ties and continuity."""
    size = n + m
    tied = sum(each**3 - each for each in ties) / (size * (size - 1))
    deviation = math.sqrt(n * m / 12 * (size + 1 - tied))
    if deviation == 0:
        return 1.0
    distance = max(abs(u - n * m / 2) - 0.5, 0.0)
    return min(1.0, 2 * _NORMAL.cdf(-distance / deviation))


def cliffs_delta(first: Sequence[float], second: Sequence[float]) -> float:
    """Return from -1 to 1 how surely a value of the second sample is larger; 0 where neither tends to be.

    It is the rank-biserial correlation, and does not depend on the unit.
    """
    doubled, _ = _doubled_ranks(first, second)
    n, m = len(first), len(second)
    return (sum(doubled[n:]) - m * (m + 1)) / (n * m) - 1


def shift(first: Sequence[float], second: Sequence[float]) -> float:
    """Return by how much the second sample lies higher: the median of all differences (Hodges and Lehmann)."""
    return median(_differences(first, second))


def shift_interval(first: Sequence[float], second: Sequence[float], confidence: float = 0.95) -> Interval | None:
    """Return the confidence interval of the shift, or None where there are too few values.

    It holds the shifts that the Mann-Whitney test does not reject.
    """
    differences = _differences(first, second)
    below = _pairs_below(len(first), len(second), (1 - confidence) / 2)
    if below is None:
        return None
    place = round(below * len(differences) / (len(first) * len(second)))
    return Interval(differences[place], differences[-1 - place])


def _differences(first: Sequence[float], second: Sequence[float]) -> list[float]:
    """Return all differences in order; of very large samples, those of evenly spaced values."""
    most = math.isqrt(_MOST_PAIRS)
    thinned = [_thinned(each, most) for each in (first, second)]
    return sorted(b - a for a in thinned[0] for b in thinned[1])


def _thinned(values: Sequence[float], most: int) -> Sequence[float]:
    if len(values) <= most:
        return values
    return [percentile(values, (index + 0.5) / most) for index in range(most)]


@lru_cache(maxsize=256)
def _pairs_below(n: int, m: int, tail: float) -> int | None:
    """Return the largest k for which U <= k has at most the chance ``tail``, or None if there is none."""
    if n + m > EXACT_UP_TO:
        spread = math.sqrt(n * m * (n + m + 1) / 12)
        return max(math.floor(n * m / 2 + _NORMAL.inv_cdf(tail) * spread - 0.5), 0)
    width, polynomial = _rank_sums(tuple(range(2, 2 * (n + m) + 1, 2)), m)
    everything, mask, seen = math.comb(n + m, m), (1 << width) - 1, 0
    for k in range(n * m + 1):
        seen += polynomial >> ((2 * k + m * (m + 1)) * width) & mask
        if seen > tail * everything:
            return k - 1 if k else None
    return None


def holm(p_values: Sequence[float]) -> list[float]:
    """Return the p values corrected for being many (Holm): the chance of one false alarm among all of them stays."""
    order = sorted(range(len(p_values)), key=p_values.__getitem__)
    corrected, largest = [0.0] * len(p_values), 0.0
    for place, index in enumerate(order):
        largest = max(largest, min(1.0, (len(p_values) - place) * p_values[index]))
        corrected[index] = largest
    return corrected


def repetitions_to_show_anything(comparisons: int = 1, alpha: float = 0.05) -> int:
    """Return the smallest number of repetitions on both sides with which even a complete separation is significant."""
    count = 1
    while comparisons * 2 / math.comb(2 * count, count) > alpha:
        count += 1
    return count


def repetitions_needed(delta: float, comparisons: int = 1, alpha: float = 0.05, power: float = 0.8) -> int | None:
    """Return how many repetitions on both sides show a difference of this Cliff's delta (Noether), None if it is 0."""
    if delta == 0:
        return None
    quantiles = _NORMAL.inv_cdf(1 - alpha / max(comparisons, 1) / 2) + _NORMAL.inv_cdf(power)
    return max(
        math.ceil(2 * quantiles**2 / (3 * delta**2)),
        repetitions_to_show_anything(comparisons, alpha),
    )
