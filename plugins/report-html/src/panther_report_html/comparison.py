"""How the run differs from an earlier one: what got worse first, with the values of both sides."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import Any

import attrs

MOST = 40
"""Rows of each table: the page is for what matters most, the rest says ``panther compare``."""
_ORDER = ("worse", "changed", "better", "inconclusive")
_SURE = ("worse", "changed", "better")
_WIDTH, _LEFT = 220.0, 6.0
_MOST_POINTS = 60


@attrs.frozen(kw_only=True)
class Strip:
    """Both sides of a measurement as points in one line each, the earlier run above."""

    before: tuple[float, ...]
    after: tuple[float, ...]
    medians: tuple[float, float]


@attrs.frozen(kw_only=True)
class Row:
    """One measurement that differs."""

    outcome: str
    case: str
    metric: str
    before: str
    after: str
    change: str
    sure: str
    """How sure that is, or what would be needed to be."""
    strip: Strip


@attrs.frozen(kw_only=True)
class Compared:
    """What the page shows of a comparison."""

    earlier: str
    conclusion: str
    worse: bool
    differences: tuple[str, ...]
    notes: tuple[str, ...]
    verdicts: tuple[Mapping[str, Any], ...]
    findings: tuple[Mapping[str, Any], ...]
    counts: tuple[tuple[str, int], ...]
    rows: tuple[Row, ...]
    pairs: int
    more: int
    """Rows that differ, too, and are not on the page."""


def compared(data: Mapping[str, Any] | None) -> Compared | None:
    """Return what to show, or None where nobody asked for a comparison."""
    if data is None:
        return None
    metrics: Sequence[Mapping[str, Any]] = data["metrics"]
    different = [each for each in metrics if each["outcome"] in _SURE or _large(each)]
    different.sort(key=lambda each: (_ORDER.index(each["outcome"]), each["p_corrected"], each["metric"]))
    outcomes = [each["outcome"] for each in metrics]
    return Compared(
        earlier=PurePath(data["a"]).name,
        conclusion=data["conclusion"],
        worse=bool(data["worse"]),
        differences=(*data["machine"], *data["others"]),
        notes=(*data["notes"], *data["noise"]),
        verdicts=tuple(data["verdicts"][:MOST]),
        findings=tuple(data["findings"][:MOST]),
        counts=tuple((name, outcomes.count(name)) for name in (*_ORDER, "same") if name in outcomes),
        rows=tuple(map(_row, different[:MOST])),
        pairs=data["pairs"],
        more=sum(max(0, len(each) - MOST) for each in (different, data["verdicts"], data["findings"])),
    )


def _large(metric: Mapping[str, Any]) -> bool:
    """Return whether a difference would matter if it were sure."""
    if metric["outcome"] != "inconclusive" or not metric["needed"]:
        return False
    return metric["change"] is None or abs(metric["change"]) > metric["limit"]


def _row(metric: Mapping[str, Any]) -> Row:
    before, after = metric["a"], metric["b"]
    unit, count = metric["unit"], (len(before["values"]), len(after["values"]))
    certain = metric["outcome"] in _SURE
    return Row(
        outcome=metric["outcome"],
        case=metric["case"],
        metric=metric["metric"],
        before=f"{before['median']:.4g} {unit}".strip(),
        after=f"{after['median']:.4g} {unit}".strip(),
        change="from 0" if metric["change"] is None else f"{metric['change'] * 100:+.1f} %",
        sure=f"p {metric['p_corrected']:.2g}, n {count[0]} and {count[1]}"
        if certain
        else f"{min(count)} repetitions, needs {metric['needed']}",
        strip=_strip(before["values"], after["values"], (before["median"], after["median"])),
    )


def _strip(before: Sequence[float], after: Sequence[float], medians: tuple[float, float]) -> Strip:
    low, high = min(*before, *after), max(*before, *after)
    scale = (_WIDTH - 2 * _LEFT) / (high - low or 1.0)

    def placed(values: Sequence[float]) -> tuple[float, ...]:
        return tuple(round(_LEFT + (value - low) * scale, 1) for value in values)

    return Strip(
        before=placed(before[:_MOST_POINTS]),
        after=placed(after[:_MOST_POINTS]),
        medians=(*placed(medians),),  # type: ignore[arg-type] # two go in, two come out
    )
