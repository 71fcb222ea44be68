"""The json and csv reports: a run for programs and for spreadsheets."""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from panther_core.cli.text import clean
from panther_hookspecs import RunView

FORMAT = 1
"""Raised when a reader of the former document could misunderstand the new one."""

_FACTS = (
    "case",
    "name",
    "repetition",
    "attempts",
    "verdict",
    "as_expected",
    "seconds",
    "protocol",
    "scenario",
    "network_environment",
)


def write_json(run: RunView, target: Path, _options: object) -> None:
    """Write one document: the experiment as understood, the lock, counts, every case and every attempt."""
    cases = list(run.cases())
    document = {
        "format": "panther-run",
        "v": FORMAT,
        "run": run.folder.name,
        "counts": dict(sorted(Counter(str(each["verdict"]) for each in cases).items())),
        "unexpected": sum(not each["as_expected"] for each in cases),
        "experiment": run.experiment,
        "lock": run.lock,
        "cases": cases,
        "attempts": list(run.attempts()),
    }
    target.write_text(json.dumps(document, indent=1, default=str) + "\n", encoding="utf-8")


def write_csv(run: RunView, target: Path, _options: object) -> None:
    """Write one line for each measurement of each case, or one without a measurement for a case that has none.

    That is the long form that data frames and spreadsheets group by any column.
    """
    axes = sorted({axis for each in run.cases() for axis in each.get("cell") or {}})
    with target.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(
            [
                *_FACTS,
                "implementations",
                *(f"cell.{axis}" for axis in axes),
                "service",
                "measurement",
                "value",
                "unit",
                "why",
            ]
        )
        for case in run.cases():
            writer.writerows([_safe(value) for value in row] for row in _rows(case, axes))


def _rows(case: Mapping[str, Any], axes: list[str]) -> Iterator[list[Any]]:
    services = case.get("services") or {}
    cell = case.get("cell") or {}
    head = [
        *(case.get(fact, "") for fact in _FACTS),
        " ".join(f"{name}={each.get('implementation', '')}" for name, each in services.items()),
        *(cell.get(axis, "") for axis in axes),
    ]
    measurements: Sequence[Mapping[str, Any]] = case.get("measurements") or ({},)
    for each in measurements:
        yield [
            *head,
            each.get("service", ""),
            each.get("name", ""),
            each.get("value", ""),
            each.get("unit", ""),
            case.get("why", ""),
        ]


def _safe(value: Any) -> Any:
    """Return a cell without control characters that no spreadsheet takes for a formula."""
    if not isinstance(value, str):
        return value
    text = clean(value)
    return f"'{text}" if text[:1] in ("=", "+", "-", "@") else text
