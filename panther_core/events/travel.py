"""Events on their way from a process that carried a case out to the one that keeps the run."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import Any

from panther_core.events.observers import as_json
from panther_hookspecs import BaseEvent


@dataclass(frozen=True)
class ForeignEvent(BaseEvent):
    """An event of a class that is not known here."""

    details: Mapping[str, Any] = field(default_factory=dict)
    """What it said."""


def told(event: BaseEvent) -> Mapping[str, Any]:
    """Return an event as plain values."""
    found: Mapping[str, Any] = json.loads(f"{{{as_json(event)}}}")
    return found


def revived(plain: Mapping[str, Any]) -> BaseEvent:
    """Return the event that was told, with the time at which it happened there."""
    common = {
        "entity_type": plain["entity_type"],
        "entity_id": plain["entity_id"],
        "event_type": plain["name"],
        "timestamp": datetime.fromisoformat(plain["timestamp"]),
    }
    content: Mapping[str, Any] = plain["content"]
    for known in _classes(BaseEvent):
        if known.__qualname__ == plain["class"] and content.keys() <= {each.name for each in fields(known)}:
            return known(**common, **content)
    return ForeignEvent(**common, details=content)


def _classes(top: type[BaseEvent]) -> Iterator[type[BaseEvent]]:
    for each in top.__subclasses__():
        yield each
        yield from _classes(each)
