"""The files that are made of a profile: a table to read, everything as JSON, folded stacks for flame graphs."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from panther_profiler_gperf.stacks import Function, Stacks

_MOST_FUNCTIONS = 200
_MOST_STACKS = 300


def write_text(path: Path, title: str, functions: list[Function], total: int) -> None:
    """Write the functions as a table: own amount and share, running share, amount and share with all that is called."""
    path.write_text("".join(f"{line}\n" for line in _table(title, functions, total)), encoding="utf-8")


def _table(title: str, functions: list[Function], total: int) -> Iterator[str]:
    yield title
    yield f"{'flat':>12} {'flat%':>7} {'sum%':>7} {'cum':>12} {'cum%':>7} function"
    running = 0
    for each in functions[:_MOST_FUNCTIONS]:
        running += each.flat
        own, sum_, both = (f"{share(part, total):.1%}" for part in (each.flat, running, each.cumulative))
        yield f"{each.flat:>12} {own:>7} {sum_:>7} {each.cumulative:>12} {both:>7} {each.name}"
    if len(functions) > _MOST_FUNCTIONS:
        yield f"... and {len(functions) - _MOST_FUNCTIONS} more"


def write_folded(path: Path, lines: Iterable[str]) -> None:
    """Write folded stacks."""
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def write_json(path: Path, facts: Mapping[str, Any], stacks: Stacks, names: tuple[str, ...], index: int) -> None:
    """Write what is known, with the functions and the largest stacks (innermost function first)."""
    total = stacks.total(index)
    listed = sorted(stacks.values.items(), key=lambda each: -each[1][index])[:_MOST_STACKS]
    content = {
        **facts,
        "functions": [
            {**each._asdict(), "share": share(each.flat, total), "cumulative_share": share(each.cumulative, total)}
            for each in stacks.functions(index)
        ],
        "stacks": [
            {"stack": [str(frame) for frame in frames], **dict(zip(names, values, strict=True))}
            for frames, values in listed
        ],
    }
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def share(part: int, whole: int) -> float:
    """Return a part of the whole, 0 where there is nothing."""
    return part / whole if whole else 0.0
