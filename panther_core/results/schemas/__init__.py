"""The formats of a run's files as JSON schemas, for programs that read them."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any

RECORDS = ("result", "event", "message")
"""What there is a schema of: the lines of results.jsonl, events.jsonl, messages.jsonl."""


def record_schema(name: str) -> dict[str, Any]:
    """Return the schema of one kind of line."""
    text = files("panther_core.results.schemas").joinpath(f"{name}.json").read_text(encoding="utf-8")
    found: dict[str, Any] = json.loads(text)
    return found
