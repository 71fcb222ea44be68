"""A comparison of two runs as plain data, for programs and for reports."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import attrs

from panther_core.compare.values import Change, Comparison, FindingChange, Outcome, VerdictChange
from panther_core.statistics import Interval, median_interval, percentile

FORMAT = 1


def as_data(found: Comparison, a: Path, b: Path) -> dict[str, Any]:
    """Return the comparison as plain data, nothing left out."""
    return {
        "format": "panther-compare",
        "v": FORMAT,
        "a": str(a),
        "b": str(b),
        "worse": sum(1 for _ in found.regressions()),
        "conclusion": conclusion(found),
        "machine": list(found.machine),
        "others": list(found.others),
        "notes": list(found.notes),
        "noise": list(found.noise),
        "disturbed": dict(zip("ab", found.disturbed, strict=True)),
        "pairs": found.pairs,
        "verdicts": [
            {**attrs.asdict(each), "a": dict(each.a), "b": dict(each.b), "worse": each.worse} for each in found.verdicts
        ],
        "findings": [_finding(each) for each in found.findings],
        "tested": found.tested,
        "metrics": [_metric(each) for each in found.changes],
    }


def _finding(change: FindingChange) -> dict[str, Any]:
    names = ("with", "repetitions", "count")
    sides = {"a": dict(zip(names, change.a, strict=True)), "b": dict(zip(names, change.b, strict=True))}
    return {**attrs.asdict(change), "cases": list(change.cases), **sides, "worse": change.worse}


def _metric(change: Change) -> dict[str, Any]:
    return {
        "case": change.case,
        "metric": str(change.metric),
        "name": change.metric.name,
        "service": change.metric.service,
        "labels": dict(change.metric.labels),
        "unit": change.metric.unit,
        "symbol": change.metric.symbol,
        "outcome": change.outcome.value,
        "better": change.direction,
        "limit": change.limit,
        "change": change.relative,
        "shift": _interval(change.interval),
        "delta": change.delta,
        "p": change.p,
        "p_corrected": change.corrected,
        "needed": change.needed,
        "blamed": change.blamed,
        "a": _sample(change.a),
        "b": _sample(change.b),
    }


def _sample(values: Sequence[float]) -> dict[str, Any]:
    return {
        "values": list(values),
        "median": percentile(values, 0.5),
        "p95": percentile(values, 0.95),
        "median_interval": _interval(median_interval(values)),
    }


def _interval(interval: Interval | None) -> list[float] | None:
    return None if interval is None else [interval.low, interval.high]


def conclusion(found: Comparison) -> str:
    """Return in one line what got worse."""
    worse = list(found.regressions())
    kinds = [
        (f"{name}", sum(isinstance(each, VerdictChange) and each.change == name for each in worse))
        for name in ("new failure", "newly flaky")
    ]
    kinds += [
        ("new finding", sum(isinstance(each, FindingChange) for each in worse)),
        ("metric", sum(isinstance(each, Change) for each in worse)),
    ]
    if not worse:
        still = len(found.of(Outcome.INCONCLUSIVE))
        return "nothing got worse" + (
            f", as far as can be said: {still} of the metrics are inconclusive" if still else ""
        )
    said = [f"{count} {name}{'' if count == 1 or name == 'newly flaky' else 's'}" for name, count in kinds if count]
    return f"B is worse than A: {', '.join(said)}"
