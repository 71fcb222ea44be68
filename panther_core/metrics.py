"""Numbers about the work of PANTHER: counters, gauges and timings, in memory that does not grow with their use."""

from __future__ import annotations

import json
import math
import random
import threading
from collections.abc import Mapping
from typing import Any, Final

import attrs

from panther_hookspecs import MetricsRecorder

_PERCENTILES: Final = (50, 90, 99)


@attrs.define
class _Timing:
    """One series of durations: exact count, sum and extremes, and a fair sample for the percentiles."""

    size: int
    random: random.Random
    count: int = 0
    total: float = 0.0
    least: float = math.inf
    most: float = -math.inf
    sample: list[float] = attrs.field(factory=list)

    def add(self, duration: float) -> None:
        self.count += 1
        self.total += duration
        self.least = min(self.least, duration)
        self.most = max(self.most, duration)
        if len(self.sample) < self.size:
            self.sample.append(duration)
            return
        place = int(self.random.random() * self.count)
        if place < self.size:
            self.sample[place] = duration

    def summary(self) -> dict[str, float]:
        ordered = sorted(self.sample)
        ranks = {f"p{each}": ordered[math.ceil(each / 100 * len(ordered)) - 1] for each in _PERCENTILES}
        return {
            "count": self.count,
            "sum": self.total,
            "mean": self.total / self.count,
            "min": self.least,
            "max": self.most,
            **ranks,
        }


@attrs.define
class _Store:
    """All series of one collection, by their written name."""

    counters: dict[str, int] = attrs.field(factory=dict)
    gauges: dict[str, float] = attrs.field(factory=dict)
    timings: dict[str, _Timing] = attrs.field(factory=dict)

    def by_kind(self) -> dict[str, dict[str, Any]]:
        return {
            "counters": dict(sorted(self.counters.items())),
            "gauges": dict(sorted(self.gauges.items())),
            "timings": {series: timing.summary() for series, timing in sorted(self.timings.items())},
        }


@attrs.define(eq=False)
class MetricsCollector(MetricsRecorder):
    """Collects numbers from any thread.

    A series is a metric with its labels, written ``requests{role="server"}``. Its memory is constant: of durations
    it keeps count, sum, extremes and a sample of at most ``sample_size`` for the percentiles (exact up to that many).
    """

    parent: MetricsRecorder | None = None
    """Gets every number too: for a collector that belongs to one case of a run."""
    sample_size: int = attrs.field(default=1024, kw_only=True, validator=attrs.validators.ge(1))
    seed: int = attrs.field(default=0, kw_only=True)
    """Decides which durations the samples keep, so that equal input gives equal numbers."""
    _all: _Store = attrs.field(factory=_Store, init=False)
    _collection: _Store | None = attrs.field(default=None, init=False)
    _lock: Any = attrs.field(factory=threading.Lock, init=False)

    def record_timing(self, metric_name: str, duration_ms: float, labels: Mapping[str, str] | None = None) -> None:
        """Add one duration in milliseconds."""
        series, duration = _series(metric_name, labels), _finite(metric_name, duration_ms)
        with self._lock:
            for store in self._stores():
                timing = store.timings.get(series)
                if timing is None:
                    chance = random.Random(f"{self.seed}:{series}")
                    timing = store.timings[series] = _Timing(size=self.sample_size, random=chance)
                timing.add(duration)
        if self.parent is not None:
            self.parent.record_timing(metric_name, duration_ms, labels)

    def record_counter(self, metric_name: str, value: int = 1, labels: Mapping[str, str] | None = None) -> None:
        """Count ``value`` more."""
        series = _series(metric_name, labels)
        _finite(metric_name, value)
        with self._lock:
            for store in self._stores():
                store.counters[series] = store.counters.get(series, 0) + value
        if self.parent is not None:
            self.parent.record_counter(metric_name, value, labels)

    def record_gauge(self, metric_name: str, value: float, labels: Mapping[str, str] | None = None) -> None:
        """Set the current value."""
        series = _series(metric_name, labels)
        _finite(metric_name, value)
        with self._lock:
            for store in self._stores():
                store.gauges[series] = value
        if self.parent is not None:
            self.parent.record_gauge(metric_name, value, labels)

    def get_metrics(self) -> dict[str, Any]:
        """Return everything ever recorded as plain data: ``counters``, ``gauges`` and ``timings``, each by series."""
        with self._lock:
            return self._all.by_kind()

    def start_collection(self) -> None:
        """Begin a collection: ``collect_all`` returns what is recorded from now on. Earlier numbers are not lost."""
        with self._lock:
            self._collection = _Store()

    def collect_all(self) -> dict[str, Any]:
        """Return each series since ``start_collection`` (or ever, without one) with its value, in one flat dict."""
        with self._lock:
            kinds = (self._collection or self._all).by_kind()
        flat: dict[str, Any] = {}
        for kind, values in kinds.items():
            flat |= {f"{series} ({kind})" if series in flat else series: value for series, value in values.items()}
        return flat

    def _stores(self) -> tuple[_Store, ...]:
        return (self._all,) if self._collection is None else (self._all, self._collection)


def _series(name: str, labels: Mapping[str, str] | None) -> str:
    if not labels:
        return name
    listed = ",".join(f"{label}={json.dumps(str(labels[label]))}" for label in sorted(labels))
    return f"{name}{{{listed}}}"


def _finite(name: str, value: float) -> float:
    if not math.isfinite(value):
        raise ValueError(f"the metric {name!r} cannot take {value!r}: it would spoil the sum of all others")
    return value
