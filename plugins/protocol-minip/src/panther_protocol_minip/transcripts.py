"""Reads ``transcript.jsonl``, which both sides write independently of each other."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs

NAME = "transcript.jsonl"
BULK = frozenset({"DATA", "ACK"})
"""Types that are counted only: a transfer has as many as its file has kilobytes."""


@attrs.frozen(kw_only=True)
class Entry:
    """One line: what happened to which message."""

    time: float
    event: str
    type: str = ""
    version: str = ""
    size: int = 0
    tries: int = 1
    fields: Mapping[str, str] = attrs.field(factory=dict)

    def same_message(self, other: Entry) -> bool:
        """Return whether both are about the same message, seen from two sides."""
        return (self.type, self.version, self.fields) == (other.type, other.version, other.fields)


@attrs.frozen(kw_only=True)
class Transcript:
    """What one program says it sent and received."""

    entries: tuple[Entry, ...] = ()
    counts: Mapping[tuple[str, str], int] = attrs.field(factory=dict)
    """Number of messages by event and type, the bulk included."""
    first: Mapping[tuple[str, str], float] = attrs.field(factory=dict)
    """Time of the first of each."""
    repeated: int = 0
    """Messages that were sent again."""
    flaw: str = ""
    """What is wrong with the file itself."""

    def find(self, event: str, type_: str, session: str, seq: str | None = None) -> tuple[Entry, ...]:
        """Return the entries about messages of one kind in one session."""
        return tuple(
            entry
            for entry in self._index.get((event, type_, session), ())
            if seq is None or entry.fields.get("seq") == seq
        )

    _index: Mapping[tuple[str, str, str], list[Entry]] = attrs.field(init=False, repr=False, eq=False)

    @_index.default
    def _make_index(self) -> Mapping[tuple[str, str, str], list[Entry]]:
        index: dict[tuple[str, str, str], list[Entry]] = {}
        for entry in self.entries:
            index.setdefault((entry.event, entry.type, entry.fields.get("id", "")), []).append(entry)
        return index


def read(folder: Path) -> Transcript:
    """Read the transcript in a service's folder. A program may have been killed while it wrote the last line."""
    path = folder / NAME
    if not path.is_file():
        return Transcript(flaw="there is no transcript")
    entries: list[Entry] = []
    counts: Counter[tuple[str, str]] = Counter()
    first: dict[tuple[str, str], float] = {}
    repeated, broken, flaw = 0, 0, ""
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            entry = _entry(line)
            if broken and (entry is None or entry.event != "start"):
                flaw = flaw or f"line {broken} of the transcript cannot be read"
            broken = 0 if entry else number
            if entry is None:
                continue
            key = (entry.event, entry.type)
            counts[key] += 1
            first.setdefault(key, entry.time)
            repeated += entry.event == "sent" and entry.tries > 1
            if entry.type not in BULK:
                entries.append(entry)
    return Transcript(entries=tuple(entries), counts=counts, first=first, repeated=repeated, flaw=flaw)


def _entry(line: bytes) -> Entry | None:
    try:
        given: dict[str, Any] = json.loads(line)
        return Entry(
            time=float(given["t"]),
            event=str(given["event"]),
            type=str(given.get("type", "")),
            version=str(given.get("version", "")),
            size=int(given.get("bytes", 0)),
            tries=int(given.get("tries", 1)),
            fields={str(key): str(value) for key, value in given.get("fields", {}).items()},
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
