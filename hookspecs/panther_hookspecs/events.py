"""Events: what happened, as frozen values; those that the engine emits itself; and who emits those of one entity."""

from __future__ import annotations

import contextlib
import copy
import enum
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Generic, TypeVar

from panther_hookspecs._event_base import BaseEvent, create_content_based_uuid

__all__ = [
    "BaseEvent",
    "BuildEvent",
    "CommandExecutionEvent",
    "EntityEventEmitterBase",
    "EnvironmentSetupEvent",
    "EnvironmentTeardownEvent",
    "Event",
    "ExperimentEvent",
    "LinkChangedEvent",
    "MetricsCollectionEvent",
    "MonitoringStartEvent",
    "MonitoringStopEvent",
    "ServiceDeploymentEvent",
    "ServiceEvent",
    "ServiceReadyEvent",
    "TestEvent",
    "building",
    "create_content_based_uuid",
    "emitting_to",
]

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
        self.pending: deque[BaseEvent] = deque()
        self._emit = emit
        self._lock = threading.RLock()
        self._sending = False

    def connect(self, emit: Callable[[BaseEvent], None]) -> None:
        """Send this and all later events to ``emit``, the kept ones first and in order."""
        with self._lock:
            self._emit = emit
            self._send_pending(emit)

    def emit_event(self, event: BaseEvent) -> None:
        """Emit ``event``; one that does not say whom it is about goes out as a copy that names the emitter's entity."""
        if not (event.entity_type and event.entity_id):
            event = _about(event, self.entity_type, self.entity_id)
        emit = self._emit or _current_bus.get()
        if emit is not None and not self.pending:
            emit(event)
            return
        with self._lock:
            self.pending.append(event)
            emit = self._emit or emit
            if emit is not None:
                self._send_pending(emit)

    def _send_pending(self, emit: Callable[[BaseEvent], None]) -> None:
        if self._sending:
            return  # a handler of the event being sent has emitted another one: its turn comes
        self._sending = True
        try:
            while self.pending:
                emit(self.pending[0])
                self.pending.popleft()
        finally:
            self._sending = False


def _about(event: BaseEvent, entity_type: str, entity_id: str) -> BaseEvent:
    """Return a copy of ``event`` with the missing parts filled in; the event itself keeps its identity."""
    filled = copy.copy(event)
    for cached in ("uuid", "content_text"):
        filled.__dict__.pop(cached, None)
    object.__setattr__(filled, "entity_type", event.entity_type or entity_type)
    object.__setattr__(filled, "entity_id", event.entity_id or entity_id)
    return filled


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
class LinkChangedEvent(BaseEvent):
    """A link was changed while services talked over it."""

    link_name: str
    change: str
    """What happened, as one line: ``blackhole``, ``set delay=50ms``."""
    monotonic: float
    """When it took effect, by the monotonic clock of this machine, in seconds."""
    environment_name: str = ""

    def __post_init__(self) -> None:
        """Name the event ``link.changed``."""
        _identify(self, "link", self.link_name, "link.changed")


@dataclass(frozen=True)
class EnvironmentProgressEvent(BaseEvent):
    """An environment that carries a case out as a whole says how far it is."""

    environment_name: str
    done: float
    """Simulated seconds, out of ``total``."""
    total: float
    real_seconds: float
    """How long that took."""

    def __post_init__(self) -> None:
        """Name the event ``environment.progress``."""
        _identify(self, "environment", self.environment_name, "environment.progress")


@dataclass(frozen=True)
class BuildEvent(BaseEvent):
    """Something that later cases find again is made, which may take many minutes: a program, an image."""

    what: str
    """As a person is told: ``building quinn``, ``fetching the image debian:12``."""
    status: str
    """``started`` or ``finished``, well or not."""

    def __post_init__(self) -> None:
        """Name the event ``build.started`` or ``build.finished``."""
        _identify(self, "build", self.what, f"build.{self.status}")


@contextlib.contextmanager
def building(what: str, emit: Callable[[BaseEvent], None]) -> Iterator[None]:
    """Tell everybody who waits what is made within this block."""
    emit(BuildEvent(what=what, status="started"))
    try:
        yield
    finally:
        emit(BuildEvent(what=what, status="finished"))


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
