"""The measurements of a run as columns, one value for each case."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
    units: dict[str, str] = {}
    found: dict[str, dict[int, float]] = {}
    for number, case in enumerate(cases):
        for each in case.record.get("measurements") or ():
            value = each.get("value")
            if not isinstance(value, (int, float)) or value != value:  # noqa: PLR0124 - not a number is not itself
                continue
            name = _name(each)
            units.setdefault(name, str(each.get("unit") or ""))
            found.setdefault(name, {})[number] = float(value)
    room = max(1, MOST_VALUES // max(1, len(cases)))
    columns = [seconds]
    for name in sorted(found, key=_rank):
        if len(columns) == room:
            break
        short = {number: _short(value) for number, value in found[name].items()}
        if len(set(short.values())) > 1:
            columns.append(Column(name=name, unit=units[name], values=tuple(map(short.get, range(len(cases))))))
    return columns


def _rank(name: str) -> tuple[bool, str]:
    """Put what a protocol or an instrument has measured before what everything costs."""
    return "." not in name.partition(" ")[2], name


def _name(measurement: Mapping[str, Any]) -> str:
    name, service = str(measurement.get("name") or ""), str(measurement.get("service") or "")
    labels = measurement.get("labels")
    told = ", ".join(f"{label}={value}" for label, value in sorted(labels.items())) if labels else ""
    return " ".join(filter(None, (service, name, told)))


def _short(value: float) -> float:
    """Return the value with as many digits as a picture can show."""
    short = float(f"{value:.{_DIGITS}g}")
    return int(short) if short == int(short) else short
