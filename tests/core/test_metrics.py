"""The metrics collector: plain numbers from any thread, in memory that does not grow."""

from __future__ import annotations

import json
import math
import random
import threading
from typing import Any

import pytest

from panther_core.metrics import MetricsCollector


def test_counters_add_up_and_gauges_keep_the_last_value() -> None:
    metrics = MetricsCollector()
    metrics.record_counter("requests")
    metrics.record_counter("requests", 4)
    metrics.record_gauge("load", 1.5)
    metrics.record_gauge("load", 0.5)
    assert metrics.get_metrics() == {"counters": {"requests": 5}, "gauges": {"load": 0.5}, "timings": {}}


def test_labels_make_a_series_whatever_their_order_or_content() -> None:
    metrics = MetricsCollector()
    metrics.record_counter("sent", labels={"a": "1", "b": 'x"\n'})
    metrics.record_counter("sent", labels={"b": 'x"\n', "a": "1"})
    metrics.record_counter("sent", labels={})
    assert metrics.get_metrics()["counters"] == {"sent": 1, 'sent{a="1",b="x\\"\\n"}': 2}


def test_a_timing_tells_count_sum_extremes_and_percentiles() -> None:
    metrics = MetricsCollector()
    for duration in random.Random(1).sample(range(1, 101), 100):
        metrics.record_timing("answer", duration)
    assert metrics.get_metrics()["timings"]["answer"] == {
        "count": 100,
        "sum": 5050,
        "mean": 50.5,
        "min": 1,
        "max": 100,
        "p50": 50,
        "p90": 90,
        "p99": 99,
    }


def test_one_duration_is_its_own_percentile() -> None:
    metrics = MetricsCollector()
    metrics.record_timing("answer", 7.0)
    assert metrics.get_metrics()["timings"]["answer"]["p99"] == 7.0


def test_a_timing_keeps_a_bounded_fair_sample_and_exact_sums() -> None:
    metrics = MetricsCollector(sample_size=100)
    for duration in range(20_000):
        metrics.record_timing("answer", duration)
    timing = metrics.get_metrics()["timings"]["answer"]
    assert (timing["count"], timing["min"], timing["max"]) == (20_000, 0, 19_999)
    assert timing["sum"] == sum(range(20_000))
    assert abs(timing["p50"] - 10_000) < 3_000
    assert len(metrics._all.timings["answer"].sample) == 100


def test_equal_input_gives_equal_numbers_and_another_seed_another_sample() -> None:
    def collected(seed: int) -> dict[str, object]:
        metrics = MetricsCollector(sample_size=10, seed=seed)
        for duration in range(1000):
            metrics.record_timing("answer", duration)
        return metrics.get_metrics()

    assert collected(1) == collected(1)
    assert collected(1) != collected(2)


def test_no_number_of_any_thread_is_lost() -> None:
    metrics = MetricsCollector(sample_size=8)
    begin = threading.Barrier(4)

    def record() -> None:
        begin.wait()
        for _ in range(2000):
            metrics.record_counter("n")
            metrics.record_timing("t", 1.0)

    threads = [threading.Thread(target=record) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seen = metrics.get_metrics()
    assert (seen["counters"]["n"], seen["timings"]["t"]["count"]) == (8000, 8000)


def test_metrics_are_plain_json() -> None:
    metrics = MetricsCollector()
    metrics.record_counter("é")
    metrics.record_gauge("g", 1)
    metrics.record_timing("t", 0.1, {"x": "y"})
    seen = metrics.get_metrics()
    assert json.loads(json.dumps(seen, allow_nan=False)) == seen


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_no_number_is_refused(value: float) -> None:
    metrics = MetricsCollector()
    records: list[Any] = [metrics.record_timing, metrics.record_gauge, metrics.record_counter]
    for record in records:
        with pytest.raises(ValueError, match="the metric 'x' cannot take"):
            record("x", value)
    assert metrics.collect_all() == {}


def test_a_collection_holds_what_came_since_its_start_and_nothing_is_forgotten() -> None:
    metrics = MetricsCollector()
    metrics.record_counter("n", 5)
    assert metrics.collect_all() == {"n": 5}
    metrics.start_collection()
    assert metrics.collect_all() == {}
    metrics.record_counter("n", 2)
    metrics.record_gauge("g", 1.0)
    metrics.record_timing("t", 3.0)
    collected = metrics.collect_all()
    assert (collected["n"], collected["g"], collected["t"]["count"], len(collected)) == (2, 1.0, 1, 3)
    assert metrics.get_metrics()["counters"]["n"] == 7


def test_one_name_for_two_kinds_of_numbers_hides_none_of_them() -> None:
    metrics = MetricsCollector()
    metrics.record_counter("n", 1)
    metrics.record_gauge("n", 2.0)
    assert metrics.collect_all() == {"n": 1, "n (gauges)": 2.0}


def test_a_parent_gets_every_number_too() -> None:
    run = MetricsCollector()
    cases = [MetricsCollector(run), MetricsCollector(run)]
    for case in cases:
        case.start_collection()
        case.record_counter("n", 2, {"a": "b"})
        case.record_timing("t", 1.0)
        case.record_gauge("g", 3.0)
    assert [len(case.collect_all()) for case in cases] == [3, 3]
    seen = run.get_metrics()
    assert (seen["counters"], seen["gauges"]) == ({'n{a="b"}': 4}, {"g": 3.0})
    assert seen["timings"]["t"]["count"] == 2
