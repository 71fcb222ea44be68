"""What came back for a question, and the files in which clients and servers record what they did."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any, TextIO

import attrs

NAME = "transcript.jsonl"


@attrs.frozen(kw_only=True)
class Reply:
    """A reply in the words of zone files, with all names in lower case."""

    rcode: str
    flags: tuple[str, ...] = ()
    answers: tuple[str, ...] = ()
    authority: tuple[str, ...] = ()
    edns: bool = False
    transport: str = "udp"
    """Over which it came in the end."""
    truncated: bool = False
    """Whether a truncated one came before."""


@attrs.frozen
class Recorder:
    """Writes one line for each event, at once."""

    file: TextIO

    def note(self, event: str, **facts: Any) -> None:
        """Write a line."""
        self.file.write(json.dumps({"t": time.time(), "event": event, **facts}) + "\n")
        self.file.flush()


def read(folder: Path) -> list[dict[str, Any]] | None:
    """Return the lines of a transcript that can be read, or None if there is none."""
    path = folder / NAME
    if not path.is_file():
        return None
    found = []
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        if isinstance(entry, dict) and isinstance(entry.get("event"), str):
            found.append(entry)
    return found


def normal(text: str) -> str:
    """Return a record as all programs write it: single spaces, names and types in one case, texts as they are."""
    name, ttl, class_, type_, data = text.split(None, 4)
    data = data.strip() if type_.upper() == "TXT" else " ".join(data.split()).lower()
    return f"{name.lower()} {ttl} {class_.upper()} {type_.upper()} {data}"
