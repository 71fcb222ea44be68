"""The statistics, against numbers that scipy 1.17 gave, and against scipy itself where it is installed."""

from __future__ import annotations

import math
import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from panther_core import statistics as own

A = (12.1, 14.3, 11.8, 19.9, 12.6, 13.3, 50.2, 12.9, 13.1, 12.4)
B = (13.9, 15.2, 14.8, 16.1, 13.7, 15.9, 14.4, 55.0, 16.7, 15.1)
TIED_A, TIED_B = (1, 2, 2, 3, 3, 3, 4, 7), (2, 3, 4, 4, 5, 5, 8, 9, 9)
MANY_A, MANY_B = [i * 37 % 101 / 3 for i in range(50)], [i * 53 % 97 / 3 + 4 for i in range(45)]
MANY_TIED_A, MANY_TIED_B = [i * 37 % 11 for i in range(50)], [i * 53 % 13 for i in range(45)]
samples = st.lists(st.integers(0, 12), min_size=1, max_size=12)


@pytest.mark.parametrize(
    ("first", "second", "u", "p", "exact"),
    [
        (A, B, 80.0, 0.023230639329710537, True),
        (A[:4], B[:4], 11.0, 0.4857142857142857, True),
        (A[:3], B[:5], 13.0, 0.14285714285714285, True),
        (TIED_A, TIED_B, 57.5, 0.03702180172768408, True),
        (MANY_A, MANY_B, 1281.5, 0.24489740052237274, False),
        (MANY_TIED_A, MANY_TIED_B, 1218.0, 0.4890251075589557, False),
    ],
)
def test_mann_whitney_gives_the_numbers_of_scipy(first: Any, second: Any, u: float, p: float, exact: bool) -> None:
    test = own.mann_whitney(first, second)
    assert (test.u, test.exact) == (u, exact)
    assert test.p == pytest.approx(p, rel=1e-12)


@settings(max_examples=60, deadline=None)
@given(samples, samples)
def test_mann_whitney_is_exact_with_ties(first: list[int], second: list[int]) -> None:
    stats = pytest.importorskip("scipy.stats", reason="needs scipy")
    if min(len(first), len(second)) > 1 and len(first) + len(second) <= 12:
        method = stats.PermutationMethod(n_resamples=10**9)
        wanted = stats.mannwhitneyu(second, first, alternative="two-sided", method=method).pvalue
        assert own.mann_whitney(first, second).p == pytest.approx(wanted, rel=1e-9)


def test_percentiles_are_those_of_numpy() -> None:
    wanted = [11.8, 11.935, 12.45, 13.0, 22.93, 36.565, 47.473, 50.2]
    found = [own.percentile(A, share) for share in (0, 0.05, 0.25, 0.5, 0.9, 0.95, 0.99, 1)]
    assert found == pytest.approx(wanted, rel=1e-12)


def test_what_has_no_answer_is_refused() -> None:
    with pytest.raises(ValueError, match="nothing"):
        own.median(())
    with pytest.raises(ValueError, match="between 0 and 1"):
        own.percentile(A, 1.1)
    with pytest.raises(ValueError, match="need a value"):
        own.mann_whitney((), A)


def test_values_that_are_no_numbers_are_left_out() -> None:
    assert own.finite([1.0, math.nan, math.inf, -math.inf, 2.0]) == (1.0, 2.0)


def test_the_interval_of_a_median_lies_where_hettmansperger_and_sheather_put_it() -> None:
    # Ten values: 97.85 % from the second to the second last, 89.06 % one further in; 0.3243 of the excess, by hand.
    wider, narrower = 1 - 22 / 1024, 1 - 112 / 1024
    excess = (wider - 0.95) / (wider - narrower)
    inward = 8 * excess / (2 + 6 * excess)
    found = own.median_interval(range(10))
    assert found is not None
    assert (found.low, found.high) == pytest.approx((1 + inward, 8 - inward), rel=1e-12)


@pytest.mark.parametrize(("count", "outer"), [(6, 0), (8, 0), (10, 1), (20, 5), (30, 9), (101, 40)])
def test_the_interval_of_a_median_lies_within_that_of_whole_ranks_and_beyond_the_next(count: int, outer: int) -> None:
    stats = pytest.importorskip("scipy.stats", reason="needs scipy")
    for ranks, enough in ((outer, True), (outer + 1, False)):
        assert bool(1 - 2 * stats.binom.cdf(ranks, count, 0.5) >= 0.95) is enough
    found = own.median_interval(range(count))
    assert found is not None
    assert outer <= found.low <= outer + 1
    assert found.low + found.high == pytest.approx(count - 1)


def test_the_interval_of_many_values_continues_that_of_few() -> None:
    exact, approximate = own.median_interval(range(1000)), own.median_interval(range(1001))
    assert exact is not None
    assert approximate is not None
    assert approximate.low - exact.low == pytest.approx(0.5 - 0.98 * (1001**0.5 - 1000**0.5), abs=0.05)
    assert own.median_interval([3.3] * 5000) == own.Interval(3.3, 3.3)


def test_too_few_values_have_no_interval() -> None:
    assert own.median_interval(range(5)) is None
    assert own.values_needed_for_interval() == 6
    assert own.median_interval(range(7), 0.99) is None
    assert own.values_needed_for_interval(0.99) == 8
    assert own.shift_interval((1, 2, 3), (4, 5, 6)) is None
    assert own.shift_interval((1, 2, 3, 4), (4, 5, 6, 7)) is not None


def skewed(chance: random.Random, count: int, factor: float = 1.0) -> list[float]:
    """Return durations as services have them: lognormal, and one in twenty is several times as long."""
    return [
        factor * chance.lognormvariate(0, 0.15) * (chance.uniform(3, 6) if chance.random() < 0.05 else 1)
        for _ in range(count)
    ]


def test_the_interval_holds_the_median_of_skewed_values_with_outliers_as_often_as_it_says() -> None:
    chance = random.Random(7)
    truth = own.median(skewed(chance, 200_001))
    for count in (6, 7, 8, 9, 10, 12, 15, 20, 25, 30):
        intervals = [own.median_interval(skewed(chance, count)) for _ in range(2000)]
        covered = sum(each is not None and each.low <= truth <= each.high for each in intervals) / len(intervals)
        assert 0.93 <= covered <= 0.98, count


def test_identical_programs_are_told_apart_in_at_most_five_of_a_hundred_and_a_slow_one_is_found() -> None:
    chance = random.Random(11)
    alarms = sum(own.mann_whitney(skewed(chance, 10), skewed(chance, 10)).p <= 0.05 for _ in range(600))
    assert alarms / 600 <= 0.06
    found = sum(own.mann_whitney(skewed(chance, 20), skewed(chance, 20, 1.2)).p <= 0.05 for _ in range(300))
    assert found / 300 >= 0.85


@settings(max_examples=100, deadline=None)
@given(samples, samples)
def test_the_delta_counts_pairs(first: list[int], second: list[int]) -> None:
    pairs = [(a, b) for a in first for b in second]
    wanted = sum((b > a) - (b < a) for a, b in pairs) / len(pairs)
    assert own.cliffs_delta(first, second) == pytest.approx(wanted, abs=1e-12)


def test_the_interval_of_the_shift_holds_what_the_test_does_not_reject() -> None:
    interval = own.shift_interval(A, B)
    assert interval is not None
    for moved, rejected in (
        (interval.low - 0.01, True),
        (interval.low + 0.01, False),
        (interval.high - 0.01, False),
        (interval.high + 0.01, True),
    ):
        assert (own.mann_whitney(A, [each - moved for each in B]).p <= 0.05) is rejected
    assert interval.low <= own.shift(A, B) <= interval.high


def test_the_interval_of_the_shift_of_large_samples_is_near_that_of_all_pairs() -> None:
    chance = random.Random(3)
    first, second = skewed(chance, 900), skewed(chance, 900, 1.1)
    interval = own.shift_interval(first, second)
    assert interval is not None
    assert 0.05 < interval.low < own.shift(first, second) < interval.high < 0.15


def test_equal_values_show_no_difference() -> None:
    test = own.mann_whitney([3] * 10, [3] * 10)
    assert (test.u, test.p) == (50, 1.0)
    assert own.cliffs_delta([3] * 10, [3] * 10) == 0
    assert own.shift_interval([3] * 10, [3] * 10) == own.Interval(0, 0)
    assert own.mann_whitney([3] * 50, [3] * 50).p == 1.0


def test_holm_corrects_as_by_hand() -> None:
    assert own.holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert own.holm([0.5, 0.9]) == [1.0, 1.0]
    assert own.holm([]) == []


def test_the_number_of_repetitions_that_a_question_takes() -> None:
    assert own.repetitions_to_show_anything() == 4
    for comparisons in (1, 10, 1000):
        needed = own.repetitions_to_show_anything(comparisons)
        complete = own.mann_whitney(range(needed), range(100, 100 + needed)).p
        assert (
            comparisons * complete
            <= 0.05
            < comparisons * own.mann_whitney(range(needed - 1), range(100, 99 + needed)).p
        )
    assert own.repetitions_needed(0.0) is None
    assert own.repetitions_needed(1.0) == 6
    assert own.repetitions_needed(0.5) == own.repetitions_needed(-0.5) == 21


def test_that_many_repetitions_find_it_as_often_as_promised() -> None:
    chance = random.Random(5)
    needed = own.repetitions_needed(0.5)
    assert needed is not None
    # Two normal distributions with a Cliff's delta of 0.5 lie 0.954 standard deviations apart.
    found = sum(
        own.mann_whitney(
            [chance.gauss(0, 1) for _ in range(needed)], [chance.gauss(0.9539, 1) for _ in range(needed)]
        ).p
        <= 0.05
        for _ in range(400)
    )
    assert found / 400 >= 0.75
