"""Stages that are ready to use: the app is there, and numbers from what earlier stages returned."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from panther_core import statistics
from panther_core.apps.kinds import App
from panther_hookspecs import StageResult, TestExecutionError

SHARES = {"median": 0.5, "p95": 0.95, "p99": 0.99}


def connect_stage(app_name: str) -> Mapping[str, Any]:
    """Make sure that every service of the app runs, or has ended well; return their names and the evidence's folder."""
    if not isinstance(app_name, App):
        raise TestExecutionError(f"{app_name!r} is a name, not a running app: connect within a test of AppTestFacade")
    for name in app_name.case.services:
        status = app_name.case.process(name).exit
        if status is not None and not status.ok:
            return {"status": "error", "error": f"service {name} has ended: {status}"}
    return {"status": "success", "services": list(app_name.case.services), "folder": str(app_name.case.folder)}


def calculate_metrics_stage(results: Mapping[str, Any]) -> Mapping[str, Any]:
    """Summarize every list of numbers that a stage before has returned: percentiles, and where the median lies."""
    return {"status": "success", "metrics": {name: summary(values) for name, values in samples(results)}}


def samples(results: Mapping[str, Any]) -> Iterator[tuple[str, Sequence[float]]]:
    """Yield the name and the numbers of every list of numbers in the results of stages."""
    for result in results.values():
        values = result.values if isinstance(result, StageResult) else result
        for name, value in values.items() if isinstance(values, Mapping) else ():
            if isinstance(value, list | tuple) and value and all(map(_is_number, value)):
                yield name, value


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def summary(values: Sequence[float]) -> Mapping[str, Any]:
    """Return count, extremes, percentiles and the 95 % interval of the median, at full precision.

    NaN and infinite values are counted and left out. Where there are too few values for an interval, ``needed`` says
    how many it takes.
    """
    good = statistics.finite(values)
    found: dict[str, Any] = {"count": len(good), "not_numbers": len(values) - len(good)}
    if not good:
        return found
    found |= {name: statistics.percentile(good, share) for name, share in SHARES.items()}
    found |= {"least": min(good), "largest": max(good)}
    interval = statistics.median_interval(good)
    if interval is None:
        return {**found, "interval": None, "needed": statistics.values_needed_for_interval()}
    return {**found, "interval": [interval.low, interval.high]}
