"""The event manager: hands every event to whoever asked for it, in one order for all, whatever a handler does."""

from __future__ import annotations

import enum
import threading
import traceback
import uuid as uuids
from collections import Counter, deque
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Any, Final, Self

import attrs

from panther_hookspecs import BaseEvent, Observer, PantherExperimentError

EVERYTHING: Final = "*"
_ROUTES_KEPT: Final = 4096
_LINES: Final = 3

Handler = Callable[[BaseEvent], object]


@attrs.frozen(kw_only=True)
class HandlerError:
    """What went wrong in one handler: how often, and the first time in full."""

    handler: str
    count: int
    event: str
    """Name of the event at which it happened first."""
    message: str
    """The first error in one line."""
    traceback: str

    def __str__(self) -> str:
        """Return the failure as one line of a summary."""
        times = "once, at" if self.count == 1 else f"{self.count} times, first at"
        return f"{self.handler} failed {times} {self.event}: {self.message}"


class EventHandlingError(PantherExperimentError):
    """Handlers of events have raised, and the event manager was told to be strict."""

    def __init__(self, errors: tuple[HandlerError, ...]) -> None:
        self.errors = errors
        lines = [f"  {each}" for each in errors]
        if len(lines) > _LINES:
            lines[_LINES - 1 :] = [f"  and {len(lines) - _LINES + 1} others"]
        super().__init__("\n".join(["not every handler of events did its work", *lines]))


@attrs.define(eq=False, kw_only=True)
class _Subscription:
    """One handler and what it wants. ``active`` lets an unsubscribed one be skipped in the middle of a dispatch."""

    wanted: type[BaseEvent] | str
    handler: Handler
    name: str
    observer: Observer | None = None
    active: bool = True
    failures: int = 0
    first: HandlerError | None = None
    interest: dict[str, bool] = attrs.field(factory=dict)

    def matches(self, event: BaseEvent, name: str) -> bool:
        if not isinstance(self.wanted, str):
            return isinstance(event, self.wanted)
        return self.wanted in (EVERYTHING, name) or name.startswith(f"{self.wanted}.")

    def ask(self, name: str) -> BaseException | None:
        """Ask an observer whether it wants events of that name; one that cannot tell gets them."""
        if self.observer is None or name in self.interest:
            return None
        self.interest[name] = True
        observer = self.observer
        return self.attempt(lambda: self.interest.update({name: bool(observer.is_interested(name))}))

    def attempt(self, call: Callable[[], object]) -> BaseException | None:
        try:
            call()
        except BaseException as error:  # noqa: BLE001 - the caller reports it, and raises it again if it is an interrupt
            return error
        return None

    def deliver(self, event: BaseEvent) -> BaseException | None:
        try:
            self.handler(event)
        except BaseException as error:  # noqa: BLE001 - the same
            return error
        return None

    def fail(self, event: str, error: BaseException) -> None:
        self.failures += 1
        if self.first is None:
            message = " ".join(traceback.format_exception_only(error)[-1].split())
            text = "".join(traceback.format_exception(error))
            self.first = HandlerError(handler=self.name, count=1, event=event, message=message, traceback=text)


@attrs.define(eq=False)
class EventManager:
    """Dispatches events to handlers and observers.

    There is one order: all handlers of an event have finished before the first handler of the next one starts, in
    whichever threads the events were emitted. An event emitted by a handler waits for its turn. When ``emit`` returns
    outside of a handler, its event has been handled. A handler that raises keeps no other from the event; what it
    raised is counted and found in ``errors``. A handler must not wait for another thread that emits.
    """

    strict: bool = attrs.field(default=False, kw_only=True)
    """Whether ``close`` raises if a handler has failed."""
    notify: Callable[..., object] | None = attrs.field(default=None, kw_only=True)
    """Called as ``notify(event=event)`` after the handlers of each event: the hook ``panther_on_event``, if used."""
    count_seen: bool = attrs.field(default=False, kw_only=True)
    """Whether ``seen`` can be asked; it costs the computation of every event's UUID, and memory for each."""

    _subscriptions: tuple[_Subscription, ...] = attrs.field(default=(), init=False)
    _failed: list[_Subscription] = attrs.field(factory=list, init=False)
    _routes: dict[tuple[type[BaseEvent], str], tuple[_Subscription, ...]] = attrs.field(factory=dict, init=False)
    _waiting: deque[BaseEvent] = attrs.field(factory=deque, init=False)
    _seen: Counter[uuids.UUID] = attrs.field(factory=Counter, init=False)
    _lock: Any = attrs.field(factory=threading.RLock, init=False)
    _dispatching: bool = attrs.field(default=False, init=False)
    _closed: bool = attrs.field(default=False, init=False)
    _hook: _Subscription | None = attrs.field(default=None, init=False)
    _interrupts: list[BaseException] = attrs.field(factory=list, init=False)

    def __attrs_post_init__(self) -> None:
        if self.notify is not None:
            notify = self.notify
            self._hook = _Subscription(
                wanted=EVERYTHING, name="panther_on_event", handler=lambda event: notify(event=event)
            )

    def emit(self, event: BaseEvent) -> None:
        """Hand ``event`` to everybody who asked for it; within a handler, as soon as the events before it are done."""
        if not isinstance(event, BaseEvent):
            raise TypeError(f"only events can be emitted, not {event!r}: derive its class from BaseEvent")
        with self._lock:
            if self._closed:
                raise PantherExperimentError(
                    f"the event {event.name!r} of {event.entity_id!r} comes too late: "
                    "the event manager is closed\n  try: emit it before the run is over"
                )
            self._waiting.append(event)
            if not self._dispatching:
                self._drain()

    def subscribe(self, event_type: str | type[BaseEvent] | enum.Enum, handler: Handler, *, name: str = "") -> None:
        """Call ``handler`` for each event of a class, or of a dotted name, or below it; ``*`` is every event.

        ``test`` gets ``test.completed`` and all other events whose name starts with ``test.``; a class also gets its
        subclasses. The same subscription twice counts once. ``name`` is what errors of the handler are reported under.
        """
        wanted = _wanted(event_type)
        with self._lock:
            if not any(each.wanted == wanted and each.handler == handler for each in self._subscriptions):
                self._add(_Subscription(wanted=wanted, handler=handler, name=name or _described(handler)))

    def unsubscribe(self, event_type: str | type[BaseEvent] | enum.Enum, handler: Handler) -> None:
        """Stop calling ``handler``, from now on: even in the event being dispatched. An unknown one is no error."""
        wanted = _wanted(event_type)
        with self._lock:
            for each in self._subscriptions:
                if each.wanted == wanted and each.handler == handler:
                    each.active = False
            self._subscriptions = tuple(each for each in self._subscriptions if each.active)
            self._routes = {}

    def add_observer(self, observer: Observer, *, missed: Iterable[BaseEvent] = ()) -> None:
        """Hand all events that interest ``observer`` to it, and close it at the end; twice the same counts once.

        ``missed`` are events from before it existed, which it gets first.
        """
        with self._lock:
            if any(each.observer is observer for each in self._subscriptions):
                return
            new = _Subscription(
                wanted=EVERYTHING, handler=observer.handle_event, observer=observer, name=_described(type(observer))
            )
            self._add(new)
            self._catch_up(new, missed)

    @property
    def errors(self) -> tuple[HandlerError, ...]:
        """What handlers have raised, one entry for each of them, in the order of their first failure."""
        with self._lock:
            return tuple(attrs.evolve(each.first, count=each.failures) for each in self._failed if each.first)

    def seen(self, event: BaseEvent | uuids.UUID) -> int:
        """Return how many events with this content were emitted. Equal ones are a fact to ask for: none is dropped."""
        if not self.count_seen:
            raise ValueError("this EventManager does not count equal events: create it with count_seen=True")
        with self._lock:
            return self._seen[event if isinstance(event, uuids.UUID) else event.uuid]

    def close(self) -> None:
        """Close all observers, each on its own; if ``strict``, raise what handlers have raised. Twice is no harm."""
        with self._lock:
            if self._dispatching:
                raise PantherExperimentError("a handler of an event cannot close the event manager")
            if self._closed:
                return
            self._closed = True
            for each in self._subscriptions:
                if each.observer is not None:
                    self._note(each, "close()", each.attempt(each.observer.close))
        self._raise_interrupt()
        if self.strict and self.errors:
            raise EventHandlingError(self.errors)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self.close()
        except EventHandlingError:
            if error is None:  # else what ended the block is told first; ``errors`` still has the rest
                raise

    def _add(self, subscription: _Subscription) -> None:
        self._subscriptions = (*self._subscriptions, subscription)
        self._routes = {}

    def _catch_up(self, subscription: _Subscription, missed: Iterable[BaseEvent]) -> None:
        """Hand over earlier events as one dispatch: what is emitted meanwhile waits for its turn."""
        nested, self._dispatching = self._dispatching, True
        try:
            for event in missed:
                self._note(subscription, f"is_interested({event.name!r})", subscription.ask(event.name))
                if subscription.interest[event.name]:
                    self._note(subscription, event.name, subscription.deliver(event))
        finally:
            self._dispatching = nested
        if not nested:
            self._drain()

    def _drain(self) -> None:
        self._dispatching = True
        try:
            while self._waiting:
                self._dispatch(self._waiting.popleft())
        finally:
            self._dispatching = False
        self._raise_interrupt()

    def _dispatch(self, event: BaseEvent) -> None:
        name = event.name
        key = (type(event), name)
        route = self._routes.get(key)
        if route is None:
            route = self._routes[key] = self._route(event, name)
        if self.count_seen:
            self._seen[event.uuid] += 1
        for each in route:
            if each.active:
                error = each.deliver(event)
                if error is not None:
                    self._note(each, name or type(event).__name__, error)

    def _route(self, event: BaseEvent, name: str) -> tuple[_Subscription, ...]:
        """Return who gets events of this class and name, in the order of subscription, the hook last."""
        if len(self._routes) >= _ROUTES_KEPT:
            self._routes = {}
            for each in self._subscriptions:
                each.interest.clear()
        matching = [each for each in self._subscriptions if each.matches(event, name)]
        for each in matching:
            self._note(each, f"is_interested({name!r})", each.ask(name))
        route = [each for each in matching if each.interest.get(name, True)]
        return (*route, self._hook) if self._hook else tuple(route)

    def _note(self, subscription: _Subscription, event: str, error: BaseException | None) -> None:
        """Count a failure. What is no Exception (Ctrl-C, exit) is raised again once all others have had their turn."""
        if error is None:
            return
        if subscription.first is None:
            self._failed.append(subscription)
        subscription.fail(event, error)
        if not isinstance(error, Exception):
            self._interrupts.append(error)

    def _raise_interrupt(self) -> None:
        if self._interrupts:
            first = self._interrupts[0]
            self._interrupts = []
            raise first


def _wanted(event_type: object) -> type[BaseEvent] | str:
    """Return the class or the dotted name that a subscription is for."""
    if isinstance(event_type, type) and issubclass(event_type, BaseEvent):
        return event_type
    text = event_type.value if isinstance(event_type, enum.Enum) else event_type
    if not isinstance(text, str):
        raise TypeError(f"expected a class of events, a dotted name or an enum member with one, got {event_type!r}")
    if not text.removesuffix(".*"):
        raise ValueError("the name of the events is empty: '*' stands for all events")
    return text.removesuffix(".*")


def _described(handler: object) -> str:
    """Return a name under which the author of a handler recognises it."""
    named = handler if hasattr(handler, "__qualname__") else type(handler)
    return f"{named.__module__}.{named.__qualname__}"
