"""The measurements of a run as columns, one value for each case."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import attrs

from panther_report_html.cases import Case

MOST_VALUES = 60_000
_DIGITS = 4
SECONDS = "seconds"


@attrs.frozen(kw_only=True)
class Column:
    """One measurement."""

    name: str
    unit: str
    values: tuple[float | None, ...]


def columns_of(cases: Sequence[Case]) -> list[Column]:
    """Return the measurements that say something: those whose values differ, the durations of the cases first.

    A run of very many cases keeps as many as a page can carry; the rest is in its results.
    """
    seconds = Column(name=SECONDS, unit="s", values=tuple(_short(case.seconds) for case in cases))
    found: dict[str, tuple[str, list[float | None]]] = {}
    for number, case in enumerate(cases):
        for each in case.record.get("measurements") or ():
            value = each.get("value")
            if not isinstance(value, (int, float)) or value != value:  # noqa: PLR0124 - not a number is not itself
                continue
            _unit, values = found.setdefault(_name(each), (str(each.get("unit") or ""), [None] * len(cases)))
            values[number] = _short(float(value))
    columns = [seconds]
    for name, (unit, values) in sorted(found.items(), key=lambda item: _rank(item[0])):
        if len({value for value in values if value is not None}) > 1:
            columns.append(Column(name=name, unit=unit, values=tuple(values)))
    room = max(1, MOST_VALUES // max(1, len(cases)))
    return columns[:room]


def _rank(name: str) -> tuple[bool, str]:
    """Put what a protocol or an instrument has measured before what everything costs."""
    return "." not in name.partition(" ")[2], name


def _name(measurement: Mapping[str, Any]) -> str:
    labels = ", ".join(f"{name}={value}" for name, value in sorted((measurement.get("labels") or {}).items()))
    parts: Iterable[str] = (str(measurement.get("service") or ""), str(measurement.get("name") or ""), labels)
    return " ".join(each for each in parts if each)


def _short(value: float) -> float:
    """Return the value with as many digits as a picture can show."""
    short = float(f"{value:.{_DIGITS}g}")
    return int(short) if short == int(short) else short
