"""Events: what happened, as frozen values with an identity that depends on their content alone.

Events are stdlib dataclasses because their users subclass them with ``@dataclass(frozen=True)``. Every subclass is
keyword-only, so a required field may follow an inherited one that has a default.
"""

from __future__ import annotations

import contextlib
import enum
import hashlib
import inspect
import uuid as uuids
from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from dataclasses import KW_ONLY, dataclass, field, fields
from datetime import UTC, datetime
from functools import cached_property
from typing import Any, Generic, TypeVar

_NOT_CONTENT = frozenset({"timestamp"})


def _canonical(value: object) -> str:
    """Return a text that is equal for equal values, whatever the order of a mapping's keys."""
    if isinstance(value, Mapping):
        return "{" + ",".join(sorted(f"{_canonical(key)}:{_canonical(each)}" for key, each in value.items())) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ",".join(map(_canonical, value)) + "]"
    if isinstance(value, (set, frozenset)):
        return "<" + ",".join(sorted(map(_canonical, value))) + ">"
    if isinstance(value, enum.Enum):
        return _canonical(value.value)
    if isinstance(value, datetime):
        return value.isoformat()
    return f"{type(value).__name__}={value!r}"


def create_content_based_uuid(content: object) -> uuids.UUID:
    """Return the UUID that equal content always gets, in any process; mappings may list their keys in any order."""
    return uuids.UUID(bytes=hashlib.blake2b(_canonical(content).encode(), digest_size=16).digest(), version=5)


@dataclass(frozen=True, kw_only=True)
class BaseEvent:
    """Base of all events: who it is about, what happened, when. The time of creation is not part of its identity."""

    entity_type: str = ""
    entity_id: str = ""
    event_type: Any = ""
    """Dotted name, or an enum member whose value is one: ``service.ready``."""
    timestamp: datetime = field(default_factory=lambda: datetime.now(UTC), compare=False)

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Make the fields of a subclass keyword-only before its dataclass decorator sees them."""
        super().__init_subclass__(**kwargs)
        own = inspect.get_annotations(cls)
        if own and KW_ONLY not in own.values():
            cls.__annotations__ = {"_keywords_only": KW_ONLY, **own}

    def __post_init__(self) -> None:
        """Give subclasses a place to chain to."""

    @property
    def name(self) -> str:
        """The dotted name of the event as text."""
        return str(self.event_type.value if isinstance(self.event_type, enum.Enum) else self.event_type)

    @cached_property
    def uuid(self) -> uuids.UUID:
        """The identity: equal for events with equal content, whenever they were created."""
        return create_content_based_uuid({"class": type(self).__qualname__, **self.content()})

    def content(self) -> dict[str, Any]:
        """Return every field but the creation time, by name."""
        return {each.name: getattr(self, each.name) for each in fields(self) if each.name not in _NOT_CONTENT}


Event = BaseEvent
"""The name that the API reference uses for the base of all events."""

TypeT = TypeVar("TypeT", bound=enum.Enum)

_current_bus: ContextVar[Callable[[BaseEvent], None] | None] = ContextVar("panther_current_bus", default=None)


@contextlib.contextmanager
def emitting_to(emit: Callable[[BaseEvent], None]) -> Iterator[None]:
    """Make ``emit`` the bus of every emitter that has none of its own, within this block and thread."""
    token = _current_bus.set(emit)
    try:
        yield
    finally:
        _current_bus.reset(token)


class EntityEventEmitterBase(Generic[TypeT]):
    """Emits the events of one entity. Until a bus is there they are kept, so none is lost."""

    def __init__(self, entity_id: str, entity_type: str, emit: Callable[[BaseEvent], None] | None = None) -> None:
        """Emit for the entity ``entity_id`` of type ``entity_type``, to ``emit`` or the current bus."""
        self.entity_id = entity_id
        self.entity_type = entity_type
        self.pending: list[BaseEvent] = []
        self._emit = emit

    def connect(self, emit: Callable[[BaseEvent], None]) -> None:
        """Send this and all later events to ``emit``, the kept ones first and in order."""
        self._emit = emit
        waiting, self.pending = self.pending, []
        for event in waiting:
            emit(event)

    def emit_event(self, event: BaseEvent) -> None:
        """Emit ``event``; one without an entity type gets this emitter's."""
        if not event.entity_type:
            object.__setattr__(event, "entity_type", self.entity_type)
        emit = self._emit or _current_bus.get()
        if emit is None:
            self.pending.append(event)
        else:
            emit(event)


@dataclass(frozen=True)
class ExperimentEvent(BaseEvent):
    """A phase of an experiment began or ended."""

    experiment_id: str
    phase: str
    status: str = ""
    metadata: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Name the event ``experiment.<phase>[.<status>]``."""
        _identify(
            self, "experiment", self.experiment_id, ".".join(filter(None, ("experiment", self.phase, self.status)))
        )


@dataclass(frozen=True)
class TestEvent(BaseEvent):
    """Something happened to a test case: ``test.<action>``."""

    __test__ = False

    test_case_id: str
    action: str
    status: str = ""
    duration_ms: int | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Name the event ``test.<action>``."""
        _identify(self, "test", self.test_case_id, f"test.{self.action}")


@dataclass(frozen=True)
class ServiceEvent(BaseEvent):
    """Something happened to a service: ``service.<operation>``."""

    service_name: str
    operation: str
    container_id: str | None = None
    exit_code: int | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Name the event ``service.<operation>``."""
        _identify(self, "service", self.service_name, f"service.{self.operation}")


@dataclass(frozen=True)
class ServiceDeploymentEvent(BaseEvent):
    """A service is being put into its environment."""

    service_name: str
    environment_name: str
    deployment_type: str

    def __post_init__(self) -> None:
        """Name the event ``service.deployment``."""
        _identify(self, "service", self.service_name, "service.deployment")


@dataclass(frozen=True)
class ServiceReadyEvent(BaseEvent):
    """A service can be talked to."""

    service_name: str
    environment_name: str

    def __post_init__(self) -> None:
        """Name the event ``service.ready``."""
        _identify(self, "service", self.service_name, "service.ready")


@dataclass(frozen=True)
class EnvironmentSetupEvent(BaseEvent):
    """An environment is being set up."""

    environment_name: str
    setup_type: str = ""

    def __post_init__(self) -> None:
        """Name the event ``environment.setup``."""
        _identify(self, "environment", self.environment_name, "environment.setup")


@dataclass(frozen=True)
class EnvironmentTeardownEvent(BaseEvent):
    """An environment was taken down; ``leftovers`` names what could not be removed."""

    environment_name: str
    leftovers: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Name the event ``environment.teardown``."""
        _identify(self, "environment", self.environment_name, "environment.teardown")


@dataclass(frozen=True)
class CommandExecutionEvent(BaseEvent):
    """A command was run to its end."""

    command: str
    exit_code: int
    environment_name: str = ""
    duration_ms: int | None = None

    def __post_init__(self) -> None:
        """Name the event ``command.execution``."""
        _identify(self, "command", self.environment_name, "command.execution")


@dataclass(frozen=True)
class MonitoringStartEvent(BaseEvent):
    """An execution environment begins to watch a process."""

    environment_name: str
    target_process: str
    monitoring_type: str = ""

    def __post_init__(self) -> None:
        """Name the event ``monitoring.start``."""
        _identify(self, "monitoring", self.environment_name, "monitoring.start")


@dataclass(frozen=True)
class MonitoringStopEvent(BaseEvent):
    """An execution environment has stopped watching a process."""

    environment_name: str
    target_process: str

    def __post_init__(self) -> None:
        """Name the event ``monitoring.stop``."""
        _identify(self, "monitoring", self.environment_name, "monitoring.stop")


@dataclass(frozen=True)
class MetricsCollectionEvent(BaseEvent):
    """Measurements were collected."""

    environment_name: str
    metrics_count: int
    collection_timestamp: datetime | None = None

    def __post_init__(self) -> None:
        """Name the event ``metrics.collection``."""
        _identify(self, "metrics", self.environment_name, "metrics.collection")


def _identify(event: BaseEvent, entity_type: str, entity_id: str, name: str) -> None:
    """Fill in who and what of a frozen event whose author left it out."""
    set_field = object.__setattr__
    set_field(event, "entity_type", event.entity_type or entity_type)
    set_field(event, "entity_id", event.entity_id or entity_id)
    set_field(event, "event_type", event.event_type or name)
