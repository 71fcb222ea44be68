"""A measurement over many runs of an experiment, drawn as one small picture for each case."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from xml.etree.ElementTree import Element

import attrs

from panther_core.results.view import DirectoryView
from panther_core.serve.markup import address, el
from panther_core.statistics import median

_WIDTH, _HEIGHT, _LEFT, _RIGHT, _TOP, _BOTTOM = 420.0, 150.0, 56.0, 10.0, 8.0, 20.0
_MOST_POINTS = 200
SECONDS = "seconds"

Numbers = Mapping[str, Mapping[str, Sequence[float]]]
"""Values by case and by measurement."""


@attrs.frozen
class Point:
    """What one run has measured of one case."""

    run: str
    ended: float
    values: tuple[float, ...]


def numbers_of(view: DirectoryView) -> Numbers:
    """Return what a run has measured: how long a failure takes says nothing, so only what passed counts."""
    found: dict[str, dict[str, list[float]]] = {}
    for record in view.cases():
        if record["verdict"] != "pass":
            continue
        cell = ", ".join(f"{axis}={value}" for axis, value in (record.get("cell") or {}).items())
        case = found.setdefault(f"{record['name']}[{cell}]" if cell else str(record["name"]), {})
        case.setdefault(SECONDS, []).append(float(record.get("seconds") or 0.0))
        for each in record.get("measurements") or ():
            value = each.get("value")
            if not isinstance(value, bool) and isinstance(value, int | float) and math.isfinite(value):
                case.setdefault(_metric(each), []).append(float(value))
    return found


def _metric(measurement: Mapping[str, Any]) -> str:
    unit = f" ({measurement['unit']})" if measurement.get("unit") else ""
    return ".".join(filter(None, (str(measurement.get("service") or ""), str(measurement["name"])))) + unit


def chart(points: Sequence[Point]) -> Element:
    """Return the picture: every value of every run, the oldest on the left, and the medians as a line."""
    highest = max(max(each.values) for each in points)
    lowest = min(0.0, *(min(each.values) for each in points))
    scale = (_HEIGHT - _TOP - _BOTTOM) / (highest - lowest or 1.0)
    step = (_WIDTH - _LEFT - _RIGHT) / max(1, len(points) - 1)

    def y(value: float) -> float:
        return _HEIGHT - _BOTTOM - (value - lowest) * scale

    marks: list[Element] = []
    for value in ticks(lowest, highest):
        marks.append(_line("axis", _LEFT, y(value), _WIDTH - _RIGHT, y(value)))
        marks.append(_text(_LEFT - 6, y(value) + 3, f"{value:.3g}", "end"))
    places = [_LEFT + number * step if len(points) > 1 else (_WIDTH + _LEFT) / 2 for number in range(len(points))]
    middles = [(x, y(median(each.values))) for x, each in zip(places, points, strict=True)]
    marks.append(el("polyline", {"class": "line", "points": " ".join(f"{x:.1f},{at:.1f}" for x, at in middles)}))
    for x, each, (_, middle) in zip(places, points, middles, strict=True):
        marks += [_dot("dot", x, y(value), 2.2) for value in each.values[:_MOST_POINTS]]
        told = f"{each.run}: median {median(each.values):.4g} of {len(each.values)}"
        dot = _dot("median", x, middle, 3.6)
        dot.append(el("title", None, told))
        marks.append(el("a", {"href": address(("runs", each.run, ""))}, dot))
    marks.append(_text(places[0], _HEIGHT - 5, _day(points[0].ended), "start" if len(points) > 1 else "middle"))
    if len(points) > 1:
        marks.append(_text(places[-1], _HEIGHT - 5, _day(points[-1].ended), "end"))
    told = f"medians from {median(points[0].values):.4g} to {median(points[-1].values):.4g} over {len(points)} runs"
    return el("svg", {"viewBox": f"0 0 {_WIDTH:g} {_HEIGHT:g}", "role": "img", "aria-label": told}, *marks)


def ticks(lowest: float, highest: float) -> list[float]:
    """Return round numbers, two to six of them, that divide what is between two values."""
    wide = (highest - lowest) / 5 or 1.0
    unit = 10.0 ** math.floor(math.log10(wide))
    step = next(each * unit for each in (1, 2, 5, 10) if each * unit >= 0.999 * wide)
    first, last = math.ceil(lowest / step - 0.001), math.floor(highest / step + 0.001)
    return [number * step for number in range(first, last + 1)]


def _line(kind: str, x1: float, y1: float, x2: float, y2: float) -> Element:
    places = {"x1": f"{x1:.1f}", "y1": f"{y1:.1f}", "x2": f"{x2:.1f}", "y2": f"{y2:.1f}"}
    return el("line", {"class": kind, **places})


def _text(x: float, y: float, words: str, anchor: str) -> Element:
    return el("text", {"x": f"{x:.1f}", "y": f"{y:.1f}", "text-anchor": anchor}, words)


def _dot(kind: str, x: float, y: float, radius: float) -> Element:
    return el("circle", {"class": kind, "cx": f"{x:.1f}", "cy": f"{y:.1f}", "r": f"{radius:g}"})


def _day(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%d %H:%M")
