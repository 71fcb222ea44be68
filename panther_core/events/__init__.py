"""Events inside the engine: the manager that dispatches them and the observers that come with it."""

from __future__ import annotations

from panther_core.events.manager import EventHandlingError, EventManager, HandlerError
from panther_core.events.observers import LoggingObserver, MetricsObserver, StorageObserver

__all__ = [
    "EventHandlingError",
    "EventManager",
    "HandlerError",
    "LoggingObserver",
    "MetricsObserver",
    "StorageObserver",
]
