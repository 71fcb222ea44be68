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
_TYPES: tuple[tuple[str, type | tuple[type, ...], object], ...] = (
    ("t", (int, float), None),
    ("event", str, None),
    ("type", str, ""),
    ("version", str, ""),
    ("bytes", int, 0),
    ("tries", int, 1),
    ("fields", dict, {}),
)
"""Keys of a line with their types; those with None cannot be left out."""


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
            given = _given(line)
            if broken and (given is None or given["event"] != "start"):
                flaw = flaw or f"line {broken} of the transcript cannot be read"
            broken = 0 if given else number
            if given is None:
                continue
            key = (given["event"], given.get("type", ""))
            counts[key] += 1
            first.setdefault(key, given["t"])
            repeated += given["event"] == "sent" and given.get("tries", 1) > 1
            if key[1] not in BULK:
                entries.append(_entry(given))
    return Transcript(entries=tuple(entries), counts=counts, first=first, repeated=repeated, flaw=flaw)


def _given(line: bytes) -> dict[str, Any] | None:
    """Return what a line says, or None if it is not what a transcript can hold."""
    try:
        given = json.loads(line)
    except ValueError:
        return None
    fits = isinstance(given, dict) and all(isinstance(given.get(key, default), type_) for key, type_, default in _TYPES)
    return given if fits else None


def _entry(given: dict[str, Any]) -> Entry:
    return Entry(
        time=float(given["t"]),
        event=given["event"],
        type=given.get("type", ""),
        version=given.get("version", ""),
        size=given.get("bytes", 0),
        tries=given.get("tries", 1),
        fields={key: str(value) for key, value in given.get("fields", {}).items()},
    )
