"""The content of events: made unchangeable at creation, written as one canonical JSON text, hashed to a UUID."""

from __future__ import annotations

import dataclasses
import datetime as dt
import enum
import json
import math
import types
import uuid as uuids
from collections.abc import Callable, Mapping
from typing import Any, Final, Never, SupportsIndex

import attrs

ATOMIC: Final = frozenset({str, int, float, bool, type(None), bytes, dt.datetime})
"""Types that are known to be unchangeable without a look at the value."""


def _refuse(self: object, *_args: object, **_named: object) -> Never:
    kind = "dict" if isinstance(self, dict) else "list"
    raise TypeError(f"the content of an event cannot be changed: take a copy with {kind}(...) and change that")


class FrozenDict(dict[Any, Any]):
    """A dict that refuses to change, so that an event keeps its UUID; otherwise like any other dict."""

    __setitem__ = __delitem__ = clear = pop = popitem = setdefault = update = __ior__ = _refuse

    def __reduce__(self) -> tuple[type[FrozenDict], tuple[dict[Any, Any]]]:
        """Let copy and pickle make an equal one."""
        return FrozenDict, (dict(self),)


class FrozenList(list[Any]):
    """A list that refuses to change, so that an event keeps its UUID; otherwise like any other list."""

    __setitem__ = __delitem__ = append = clear = extend = insert = pop = _refuse
    remove = reverse = sort = __iadd__ = __imul__ = _refuse

    def __reduce_ex__(self, _protocol: SupportsIndex) -> tuple[type[FrozenList], tuple[list[Any]]]:
        """Let copy and pickle make an equal one."""
        return FrozenList, (list(self),)


def freeze(value: Any) -> Any:
    """Return ``value`` with every dict, list, set and bytearray in it replaced by an equal one that cannot change."""
    if type(value) in ATOMIC or isinstance(value, (FrozenDict, FrozenList, enum.Enum)):
        return value
    if isinstance(value, list):
        return FrozenList(map(freeze, value))
    if isinstance(value, tuple):
        frozen = tuple(map(freeze, value))
        if all(new is old for new, old in zip(frozen, value, strict=True)):
            return value
        return value._make(frozen) if hasattr(value, "_make") else frozen
    if isinstance(value, (set, frozenset)):
        return frozenset(value)
    if isinstance(value, bytearray):
        return bytes(value)
    if isinstance(value, Mapping):
        return FrozenDict((key, freeze(each)) for key, each in value.items())
    return value


_PLAIN: Final[tuple[tuple[type[Any] | tuple[type[Any], ...], Callable[[Any], Any]], ...]] = (
    (enum.Enum, lambda value: value.value),
    ((dt.date, dt.time), lambda value: value.isoformat()),
    ((set, frozenset), lambda value: sorted(value, key=canonical)),
    ((bytes, bytearray), lambda value: {"hex": value.hex()}),
    (Mapping, dict),
    ((type, types.FunctionType, types.BuiltinFunctionType), lambda value: f"{value.__module__}.{value.__qualname__}"),
)


def _plain(value: Any) -> Any:
    """Return what stands in JSON for a value that JSON does not know; equal values give equal texts in any process."""
    for kind, convert in _PLAIN:
        if isinstance(value, kind):
            return convert(value)
    names = _field_names(type(value))
    if not names and any("__repr__" in vars(each) or "__str__" in vars(each) for each in type(value).__mro__[:-1]):
        return str(value)
    listed = {name: getattr(value, name) for name in names} or getattr(value, "__dict__", {})
    return {"class": type(value).__qualname__, **listed}


def _field_names(kind: type[Any]) -> list[str]:
    if dataclasses.is_dataclass(kind):
        return [each.name for each in dataclasses.fields(kind)]
    return [each.name for each in attrs.fields(kind)] if attrs.has(kind) else []


def _normal(value: Any) -> Any:
    """Return ``value`` in terms that JSON surely has: keys that are no text make pairs, nan and inf are text."""
    if isinstance(value, enum.Enum):
        return _normal(value.value)
    if value is None or isinstance(value, (str, bool, int)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, (list, tuple)):
        return [_normal(each) for each in value]
    if isinstance(value, Mapping):
        if all(isinstance(key, str) for key in value):
            return {key: _normal(each) for key, each in value.items()}
        return sorted(([_normal(key), _normal(each)] for key, each in value.items()), key=canonical)
    return _normal(_plain(value))


_encoder = json.JSONEncoder(sort_keys=True, separators=(",", ":"), allow_nan=False, default=_plain)


def canonical(value: Any) -> str:
    """Return the one JSON text (ASCII, a single line) of ``value``, whatever the order of its keys or sets."""
    try:
        return _encoder.encode(value)
    except (TypeError, ValueError):
        return _encoder.encode(_normal(value))


def text_uuid(text: str) -> uuids.UUID:
    """Return the version 5 UUID of a canonical text."""
    return uuids.uuid5(uuids.NAMESPACE_OID, text)
