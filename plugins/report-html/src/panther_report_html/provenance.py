"""Where the numbers come from: versions, machine, settings, as the lock of the run has recorded them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

_MOST = 400


def facts_of(lock: Mapping[str, Any]) -> list[tuple[str, list[tuple[str, str]]]]:
    """Return the parts of the lock with their facts, nested ones written as dotted names."""
    loose = [(name, str(value)) for name, value in lock.items() if not isinstance(value, Mapping)]
    parts = [(name, list(_flat(value))[:_MOST]) for name, value in lock.items() if isinstance(value, Mapping) and value]
    return [("run", loose), *parts] if loose else parts


def _flat(value: Any, name: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping):
        for key, each in value.items():
            yield from _flat(each, f"{name}.{key}" if name else str(key))
    elif isinstance(value, list) and value and all(isinstance(each, Mapping) for each in value):
        for number, each in enumerate(value, 1):
            yield from _flat(each, f"{name}[{number}]")
    elif isinstance(value, list):
        yield name, ", ".join(map(str, value))
    else:
        yield name, str(value)
