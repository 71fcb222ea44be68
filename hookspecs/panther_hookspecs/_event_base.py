"""The base of all events: frozen values with an identity that depends on their content alone.

Events are stdlib dataclasses because their users subclass them with ``@dataclass(frozen=True)``. Every subclass is
keyword-only, so a required field may follow an inherited one that has a default.
"""

from __future__ import annotations

import enum
import functools
import inspect
import uuid as uuids
from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass, field, fields
from datetime import UTC, datetime
from typing import Any, dataclass_transform

from panther_hookspecs._content import ATOMIC, canonical, freeze, text_uuid

_NOT_CONTENT = frozenset({"timestamp"})
_COMMON = frozenset({"entity_type", "entity_id", "event_type", "timestamp"})
_RESERVED = frozenset({"name", "uuid", "content", "content_text"})


def _field_names(event_class: type[BaseEvent]) -> tuple[str, ...]:
    """Return the names of all fields; kept in the class because every creation of an event asks."""
    names: tuple[str, ...] | None = event_class.__dict__.get("_names")
    if names is None:
        names = tuple(each.name for each in fields(event_class))
        type.__setattr__(event_class, "_names", names)
    return names


def _is_keyword_marker(annotation: object) -> bool:
    return annotation is KW_ONLY or (isinstance(annotation, str) and annotation.rpartition(".")[2] == "KW_ONLY")


def _sealing(post_init: Callable[..., None]) -> Callable[..., None]:
    """Return ``post_init`` followed by the freezing of all content, once for each event: in the outermost class."""

    @functools.wraps(post_init)
    def run(self: BaseEvent, *args: Any, **kwargs: Any) -> None:
        post_init(self, *args, **kwargs)
        if type(self).__post_init__ is run:
            _seal(self)

    run.__dict__["seals"] = True
    return run


def _seal(event: BaseEvent) -> None:
    for name in _field_names(type(event)):
        value = getattr(event, name)
        if type(value) not in ATOMIC:
            try:
                frozen = freeze(value)
            except RecursionError:
                message = f"{type(event).__name__}.{name} contains itself: an event needs content that ends"
                raise ValueError(message) from None
            if frozen is not value:
                object.__setattr__(event, name, frozen)


@dataclass_transform(kw_only_default=True, frozen_default=True, field_specifiers=(field,))
@dataclass(frozen=True, kw_only=True, eq=False)
class BaseEvent:
    """Base of all events: who it is about, what happened, when. The time of creation is not part of its identity.

    Two events are equal if they are of one class and have one ``uuid``. Dicts, lists, sets and bytearrays in the
    fields are replaced by equal ones that refuse to change; any other object is kept and must not be changed.
    """

    entity_type: str = ""
    entity_id: str = ""
    event_type: Any = ""
    """Dotted name, or an enum member whose value is one: ``service.ready``."""
    timestamp: datetime = field(default_factory=lambda: datetime.now(UTC))
    """When the event was created; the one field that is not content."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Prepare a subclass before its dataclass decorator sees it: keyword-only, sealed, compared by its content."""
        super().__init_subclass__(**kwargs)
        own = {name: each for name, each in inspect.get_annotations(cls).items() if not _is_keyword_marker(each)}
        taken = sorted(_RESERVED & own.keys())
        if taken:
            raise TypeError(f"{cls.__name__}: every event has {', '.join(taken)} already; rename the field")
        if own:
            cls.__annotations__ = {"_keywords_only": KW_ONLY, **own}
        if "seals" not in cls.__post_init__.__dict__:
            type.__setattr__(cls, "__post_init__", _sealing(cls.__post_init__))
        if "__eq__" not in cls.__dict__:
            # Found in the class itself, they keep the decorator from making its own, which could not hash a dict.
            type.__setattr__(cls, "__eq__", BaseEvent.__eq__)
            type.__setattr__(cls, "__hash__", BaseEvent.__hash__)

    @_sealing
    def __post_init__(self) -> None:
        """Give subclasses a place to chain to."""

    @property
    def name(self) -> str:
        """The dotted name of the event as text."""
        kind = self.event_type
        return kind if type(kind) is str else str(kind.value if isinstance(kind, enum.Enum) else kind)

    @functools.cached_property
    def content_text(self) -> str:
        """The fields that the event's own class declares, as one line of JSON with sorted keys."""
        return canonical({name: getattr(self, name) for name in _field_names(type(self)) if name not in _COMMON})

    @functools.cached_property
    def uuid(self) -> uuids.UUID:
        """The identity: equal for events with equal content, whenever they were created."""
        head = canonical([type(self).__qualname__, self.entity_type, self.entity_id, self.name])
        return text_uuid(f"{head[:-1]},{self.content_text}]")

    def content(self) -> dict[str, Any]:
        """Return every field but the creation time, by name."""
        return {name: getattr(self, name) for name in _field_names(type(self)) if name not in _NOT_CONTENT}

    def __eq__(self, other: object) -> bool:
        """Return whether ``other`` is of the same class and has the same content."""
        if type(other) is not type(self):
            return NotImplemented
        return self is other or self.uuid == other.uuid

    def __hash__(self) -> int:
        """Return a hash of the content, whatever types it holds."""
        return hash(self.uuid)


_NOTHING: Any = object()


def create_content_based_uuid(content: Any = _NOTHING, *more: Any, **named: Any) -> uuids.UUID:
    """Return the UUID that equal content always gets, in any process; mappings may list their keys in any order.

    The content is one value (a text, a mapping, ...), several values, or keywords. An event gives its own ``uuid``.
    """
    if content is _NOTHING and not named:
        raise TypeError("create_content_based_uuid needs content: a value, several values, or keywords")
    values = [each for each in (content, *more) if each is not _NOTHING]
    if len(values) == 1 and not named:
        return values[0].uuid if isinstance(values[0], BaseEvent) else text_uuid(canonical(values[0]))
    return text_uuid(canonical([*values, named] if values and named else values or named))
