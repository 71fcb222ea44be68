"""What there is to draw: samples by cell, requests of loads, faults. Nothing here draws."""

from __future__ import annotations

import fnmatch
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import attrs

from panther_hookspecs import LoadRequest, RunView, read_requests

_ABOUT = ("better", "clock")
"""Labels that say how to read a number, not what it is a part of."""


@attrs.frozen
class Samples:
    """One measurement over all cells of a test case: its values by cell, in the order of the run."""

    case: str
    name: str
    unit: str
    service: str
    cells: Mapping[str, tuple[float, ...]]
    axes: Mapping[str, Mapping[str, str]]
    """The values of the matrix by cell, and below an axis without a name what the value is a part of."""


@attrs.frozen
class Fault:
    """Something that was broken on purpose, in seconds since the epoch."""

    what: str
    begin: float
    over: float


@attrs.frozen
class Load:
    """The requests of one load, with what was broken meanwhile."""

    title: str
    cell: str
    requests: tuple[LoadRequest, ...]
    faults: tuple[Fault, ...]


def cell_of(record: Mapping[str, object]) -> str:
    """Return the values of the matrix as one text, the name of the case if there is no matrix."""
    cell = record["cell"]
    assert isinstance(cell, Mapping)  # the format of a result
    return ", ".join(map(str, cell.values())) or str(record["name"])


def in_order(axes: Mapping[str, str]) -> list[tuple[float, str]]:
    """Return a key that puts cells in the order of their values, numbers by size: runs end in any order."""
    return [(number(str(each)) or 0.0, str(each)) for each in axes.values()]


def samples_of(run: RunView, patterns: Sequence[str]) -> list[Samples]:
    """Return the values of all measurements that fit one of the patterns."""
    found: dict[tuple[str, str, str, str], dict[str, list[float]]] = {}
    axes: dict[str, Mapping[str, str]] = {}
    for record in run.cases():
        cell = cell_of(record)
        for each in record["measurements"]:
            fits = any(fnmatch.fnmatchcase(each["name"], pattern) for pattern in patterns)
            if fits and math.isfinite(each["value"]):
                part = _part(each.get("labels") or {})
                whole = ", ".join(filter(None, (cell, part)))
                axes[whole] = {**record["cell"], **({"": part} if part else {})}
                key = (record["name"], each["name"], each["unit"], each["service"])
                found.setdefault(key, {}).setdefault(whole, []).append(each["value"])
    return [
        Samples(*key, {cell: tuple(cells[cell]) for cell in sorted(cells, key=lambda each: in_order(axes[each]))}, axes)
        for key, cells in found.items()
    ]


def _part(labels: Mapping[str, str]) -> str:
    """Return of what a measurement is, by its labels: two faults of a case are not samples of one thing."""
    return " ".join(str(value) for name, value in labels.items() if name not in _ABOUT)


def loads_of(run: RunView) -> Iterator[Load]:
    """Yield the first repetition of every load: its requests are a picture of their own."""
    seen: set[tuple[str, str, str]] = set()
    for record in sorted(run.cases(), key=lambda each: (each["name"], in_order(each["cell"]))):
        folder, cell = run.folder / str(record["folder"]), cell_of(record)
        for service in record["services"]:
            key = (record["name"], cell, service)
            requests = tuple(read_requests(folder / "services" / service))
            if requests and key not in seen:
                seen.add(key)
                yield Load(f"{record['name']}", cell, requests, faults_of(folder))


def faults_of(folder: Path) -> tuple[Fault, ...]:
    """Return what a test of recovery has broken in an attempt."""
    path = folder / "recovery" / "faults.json"
    if not path.is_file():
        return ()
    return tuple(Fault(each["what"], each["begin"], each["over"]) for each in json.loads(path.read_text()))


def number(text: str) -> float | None:
    """Return the number that a value of the matrix is, with its unit left out; None if it is none."""
    digits = text.rstrip("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ%")
    try:
        return float(digits)
    except ValueError:
        return None
