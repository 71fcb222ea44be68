"""What is known of a running experiment, taken from its events alone; and the lines in which a person reads it."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import attrs

from panther_core.cli.style import Style
from panther_core.cli.text import clean, clip, counted, duration, pad, plural, shown_path, squeeze, whole
from panther_hookspecs import BaseEvent, ExperimentEvent, TestEvent, Verdict

VERDICT_CELLS = len("inconclusive")
SECONDS_CELLS = 8
_ROOM_FOR_NAME = 24
_CERTAIN = 3
_BEFORE_NAME = VERDICT_CELLS + SECONDS_CELLS + 6
_INDENT = " " * 4


@attrs.frozen(kw_only=True)
class Finished:
    """An attempt that is over. Its record holds the verdict over all attempts at its case so far."""

    record: Mapping[str, Any]
    again: bool = False
    """Whether the case is tried once more."""


@attrs.define
class Progress:
    """The state behind every screen. Not locked: whoever feeds it does that."""

    clock: Callable[[], float] = time.monotonic
    begun: float = attrs.field(init=False)
    total: int | None = None
    jobs: int | None = None
    folder: Path | None = None
    done: int = 0
    unexpected: int = 0
    counts: Counter[str] = attrs.field(factory=Counter)
    running: dict[str, tuple[str, float]] = attrs.field(factory=dict)
    """Name and start of every attempt that runs now, by case id, the longest first."""

    def __attrs_post_init__(self) -> None:
        """Start the clock."""
        self.begun = self.clock()

    def take(self, event: BaseEvent) -> Finished | None:
        """Take one event in; return the attempt that it ends."""
        if isinstance(event, ExperimentEvent):
            self._learn(event.metadata)
        elif isinstance(event, TestEvent):
            if event.action == "started":
                name = case_label({"case": event.test_case_id, **event.metadata})
                self.running[event.test_case_id] = (name, self.clock())
            elif event.action in ("completed", "retried"):
                return self._finish(event.test_case_id, event.metadata, again=event.action == "retried")
        return None

    def _learn(self, facts: Mapping[str, Any]) -> None:
        self.total = facts.get("total", self.total)
        self.jobs = facts.get("jobs", self.jobs)
        self.folder = Path(facts["run"]) if facts.get("run") else self.folder

    def _finish(self, case_id: str, record: Mapping[str, Any], *, again: bool) -> Finished:
        self.running.pop(case_id, None)
        if not again:
            self.done += 1
            self.counts[record["verdict"]] += 1
            self.unexpected += not record["as_expected"]
        return Finished(record={"case": case_id, **record}, again=again)

    @property
    def elapsed(self) -> float:
        """Seconds since the start."""
        return self.clock() - self.begun

    @property
    def left(self) -> float | None:
        """Seconds until the end if it goes on like this, or None while that is a guess."""
        if not self.total or self.done < _CERTAIN or self.done >= self.total:
            return None
        return self.elapsed / self.done * (self.total - self.done)

    def counted(self) -> str:
        """Return the verdicts so far, in the order of the contract: ``8 pass, 2 fail``."""
        return counted((each.value, self.counts[each.value]) for each in Verdict)

    def status(self) -> str:
        """Return all of this in one line."""
        of = f"/{self.total}" if self.total is not None else ""
        parts = [f"{self.done}{of} done", self.counted(), f"{len(self.running)} running", whole(self.elapsed)]
        if self.left is not None:
            parts.append(f"about {whole(self.left)} left")
        return "  ".join(part for part in parts if part)


def case_label(record: Mapping[str, Any]) -> str:
    """Return the name of a case as a person tells it from the others: name, cell and repetition."""
    name = str(record.get("name", record.get("case", "")))
    cell = record.get("cell") or {}
    if cell and "[" not in name:
        name += "[" + ", ".join(f"{axis}={value}" for axis, value in cell.items()) + "]"
    return clean(f"{name} #{record['repetition']}" if record.get("repetition", 1) > 1 else name)


def finished_lines(
    finished: Finished, style: Style, *, folder: Path | None, limit: int = 0, note: str = ""
) -> list[str]:
    """Return the line about an attempt that is over, and where to look if it was not as expected."""
    record = finished.record
    expected = bool(record["as_expected"])
    label = case_label(record)
    first = verdict_line(
        style,
        str(record["verdict"]),
        float(record.get("seconds") or 0.0),
        squeeze(label, max(limit - _BEFORE_NAME, _ROOM_FOR_NAME)) if limit else label,
        expected=expected,
    )
    if record["verdict"] == Verdict.CANCELLED.value or (expected and record["verdict"] == Verdict.PASS.value):
        return [first]
    tries = f"attempt {record.get('attempt', 1)}, is tried again: " if finished.again else ""
    why = f"{tries}{clean(record.get('why') or '')}{'' if expected else _wanted(record)}{note}".strip()
    lines = [first, *([_INDENT + (clip(why, limit - len(_INDENT)) if limit else why)] if why else [])]
    if not expected:
        lines.append(_INDENT + shown_path((folder or Path()) / str(record.get("folder") or "")))
    return lines


def verdict_line(
    style: Style,
    verdict: str,
    seconds: float,
    label: str,
    *,
    expected: bool,
    text: str = "",
    cells: int = VERDICT_CELLS,
) -> str:
    """Return mark, verdict (or ``text`` in its place), seconds and name, as every list of cases shows them."""
    mark = " " if expected else style("!", "red", "bold")
    shown = style.verdict(verdict, pad(text or verdict, cells), expected=expected)
    return f"{mark} {shown}  {duration(seconds):>{SECONDS_CELLS}}  {label}"


def _wanted(record: Mapping[str, Any]) -> str:
    expected = [str(each) for each in record.get("expected") or ()]
    return f" (expected {' or '.join(expected)})" if expected and expected != [Verdict.PASS.value] else ""


def running_lines(progress: Progress, rows: int, limit: int) -> list[str]:
    """Return the attempts that run now, the longest first, capped to ``rows`` lines."""
    shown = list(progress.running.values())
    more = len(shown) - rows
    now = progress.clock()
    shown = shown[: rows - 1] if more > 0 else shown
    room = limit - SECONDS_CELLS - 4
    lines = [f"  {duration(now - since):>{SECONDS_CELLS}}  {squeeze(name, room)}" for name, since in shown]
    if more > 0:
        lines.append(f"  {'':>{SECONDS_CELLS}}  and {plural(more + 1, 'other')}")
    return lines
