"""What a program says about itself: ``transcript.jsonl`` in its folder, written by one and read by the judge."""

from __future__ import annotations

import hashlib
import json
import time
from pathlib import Path
from typing import Any, TextIO

import attrs

NAME = "transcript.jsonl"


@attrs.frozen
class Recorder:
    """Writes one line for each event, at once."""

    file: TextIO

    def note(self, event: str, **facts: Any) -> None:
        """Write a line."""
        self.file.write(json.dumps({"t": time.time(), "event": event, **facts}) + "\n")
        self.file.flush()

    def message(self, event: str, topic: str, body: bytes, **facts: Any) -> None:
        """Write a line about a message: what recognises its payload, not the payload."""
        self.note(event, topic=topic, size=len(body), sha256=hashlib.sha256(body).hexdigest(), **facts)


@attrs.frozen
class Transcript:
    """What a program has written."""

    entries: tuple[dict[str, Any], ...] = ()
    flaw: str = ""

    def of(self, event: str) -> list[dict[str, Any]]:
        """Return the lines about one event, in order."""
        return [each for each in self.entries if each["event"] == event]


def read(folder: Path) -> Transcript:
    """Read the transcript in a service's folder; its last line may have been cut off."""
    path = folder / NAME
    if not path.is_file():
        return Transcript(flaw="there is no transcript")
    entries = []
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    for number, line in enumerate(lines, 1):
        try:
            entry = json.loads(line)
        except ValueError:
            entry = None
        if isinstance(entry, dict) and isinstance(entry.get("event"), str) and isinstance(entry.get("t"), int | float):
            entries.append(entry)
        elif number < len(lines):
            return Transcript(tuple(entries), f"line {number} of the transcript cannot be read")
    return Transcript(tuple(entries))
