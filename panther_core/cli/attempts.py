"""How an attempt at a case reads: its name, its verdict, and where to look if that was not as expected."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs

from panther_core.cli.blocks import Block, Part, Rows, Styled, link
from panther_core.cli.text import clean, duration, squeeze, width
from panther_hookspecs import Verdict

SECONDS_CELLS = 8
_VERDICT_CELLS = len("inconclusive")
_INDENT = 4
_AXIS = re.compile(r"(\[|, )[\w.-]+=")
_STYLES = {
    "pass": "green",
    "fail": "red",
    "error": "red",
    "flaky": "yellow",
    "inconclusive": "yellow",
    "unsupported": "dim",
    "cancelled": "dim",
}


@attrs.frozen(kw_only=True)
class Finished:
    """An attempt that is over. Its record holds the verdict over all attempts at its case so far."""

    record: Mapping[str, Any]
    again: bool = False
    """Whether the case is tried once more."""


def case_label(record: Mapping[str, Any]) -> str:
    """Return the name of a case as a person tells it from the others: name, cell and repetition."""
    name = str(record.get("name", record.get("case", "")))
    cell = record.get("cell") or {}
    if cell and "[" not in name:
        name += "[" + ", ".join(f"{axis}={cell[axis]}" for axis in record.get("axes") or cell) + "]"
    return clean(f"{name} #{record['repetition']}" if record.get("repetition", 1) > 1 else name)


def fitting_label(label: str, cells: int) -> str:
    """Return as much of a case's name as fits: without the names of axes if need be, as the values tell cases apart.

    Only what is still too long loses its middle.
    """
    return squeeze(label if width(label) <= cells else _AXIS.sub(r"\1", label), cells)


def verdict_style(verdict: str, *, expected: bool = True) -> str:
    """Return the accent of a verdict."""
    return _STYLES.get(verdict, "bold") if expected else "red"


def counted(counts: Mapping[str, int], between: str = ", ") -> list[Part]:
    """Return the verdicts that are there with their numbers, in the order of the contract: ``8 pass, 2 fail``."""
    told: list[Part] = []
    for name, count in ((each.value, counts.get(each.value, 0)) for each in Verdict):
        if count:
            told += [between] if told else []
            told.append(Styled(f"{count} {name}", verdict_style(name)))
    return told


def mark(*, expected: bool) -> Part:
    """Return what a line about a case begins with."""
    return " " if expected else Styled("!", "bold red")


def finished_blocks(finished: Finished, *, folder: Path | None, note: str = "") -> list[Block]:
    """Return the line about an attempt that is over, and where to look if it was not as expected."""
    record = finished.record
    expected = bool(record["as_expected"])
    first = _first(record, expected=expected)
    if record["verdict"] == Verdict.CANCELLED.value or (expected and record["verdict"] == Verdict.PASS.value):
        return [first]
    tries = f"attempt {record.get('attempt', 1)}, is tried again: " if finished.again else ""
    why = f"{tries}{record.get('why') or ''}{'' if expected else _wanted(record)}{note}".strip()
    blocks: list[Block] = [first]
    blocks += why_blocks(why, _INDENT)
    if not expected:
        blocks.append([" " * _INDENT, link((folder or Path()) / str(record.get("folder") or ""))])
    return blocks


def why_blocks(why: str, indent: int) -> list[Block]:
    """Return a reason line by line: what is wrong, and further in where, why, and what to do next."""
    return [Rows(rows=[[each.strip()]], indent=indent + 2 * each.startswith(" ")) for each in why.splitlines()]


def _first(record: Mapping[str, Any], *, expected: bool) -> Rows:
    verdict, seconds = str(record["verdict"]), duration(float(record.get("seconds") or 0.0))
    shown = Styled(f"{verdict:<{_VERDICT_CELLS}}", verdict_style(verdict, expected=expected))
    return Rows(rows=[([mark(expected=expected), " ", shown], f"{seconds:>{SECONDS_CELLS}}", case_label(record))])


def _wanted(record: Mapping[str, Any]) -> str:
    expected = [str(each) for each in record.get("expected") or ()]
    return f" (expected {' or '.join(expected)})" if expected and expected != [Verdict.PASS.value] else ""
