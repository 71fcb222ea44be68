"""Recorders: a plugin that writes down every hook, and an observer that keeps every event."""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import attrs

from panther_core.plugin_manager import PluginManager
from panther_hookspecs import SPECIFICATIONS, BaseEvent, Observer, RegisterSpecs, hookimpl

Expected = str | tuple[str, Mapping[str, object]]
"""What is looked for: a name, or a name with some of the arguments (or fields) it must have."""


@attrs.frozen(kw_only=True)
class HookCall:
    """One call of one hook."""

    hook: str
    arguments: Mapping[str, Any]
    plugin: str = ""
    """The plugin that was called, where calls to others are watched."""


class HookRecorder:
    """Writes down hook calls in order: as a plugin among others, or watching what a manager calls.

    Given to a project as a plugin it is told every notification and every decision, even those that nobody
    else implements. `watching` sees the calls to every other plugin as well, each with the plugin's name.
    """

    def __init__(self) -> None:
        """Implement every hook but the registering ones; each only records."""
        self.calls: list[HookCall] = []
        for specification in SPECIFICATIONS:
            if specification is not RegisterSpecs:
                for name, function in vars(specification).items():
                    if name.startswith("panther_"):
                        setattr(self, name, self._recording(name, function))

    def _recording(self, name: str, specified: Any) -> Any:
        named = [each for each in inspect.signature(specified).parameters if each != "self"]

        def record(*values: object) -> None:
            self.calls.append(HookCall(hook=name, arguments=dict(zip(named, values, strict=True))))

        record.__wrapped__ = specified  # type: ignore[attr-defined] # where pluggy looks for the names of the arguments
        return hookimpl(record)

    @contextlib.contextmanager
    def watching(self, manager: PluginManager) -> Iterator[HookRecorder]:
        """Record every call that ``manager`` makes within the block, to whichever plugin."""

        def before(hook: str, implementations: Sequence[Any], arguments: Mapping[str, Any]) -> None:
            for each in implementations:
                self.calls.append(HookCall(hook=hook, arguments=dict(arguments), plugin=each.plugin_name))

        end = manager.monitor(before, lambda *_: None)
        try:
            yield self
        finally:
            end()

    @property
    def names(self) -> list[str]:
        """The names of the called hooks in order."""
        return [call.hook for call in self.calls]

    def assert_order(self, expected: Iterable[Expected]) -> None:
        """Assert that these calls were made in this order; other calls may stand between them."""
        _assert_order(expected, [(call.hook, call.arguments) for call in self.calls], "hook call")


class EventRecorder(Observer):
    """Keeps every event, for assertions."""

    def __init__(self) -> None:
        """Begin with none."""
        self.events: list[BaseEvent] = []
        self.closed = False

    def handle_event(self, event: BaseEvent) -> None:
        """Keep one event."""
        self.events.append(event)

    def close(self) -> None:
        """Note that the run is over."""
        self.closed = True

    @property
    def names(self) -> list[str]:
        """The names of the events in order."""
        return [event.name for event in self.events]

    def assert_order(self, expected: Iterable[Expected]) -> None:
        """Assert that these events came in this order; others may stand between them."""
        _assert_order(expected, [(event.name, event.content()) for event in self.events], "event")


def _assert_order(expected: Iterable[Expected], seen: Sequence[tuple[str, Mapping[str, Any]]], what: str) -> None:
    rest = iter(seen)
    for each in expected:
        name, wanted = (each, {}) if isinstance(each, str) else each
        if not any(name == other and _has(values, wanted) for other, values in rest):
            shown = f"{name} with {dict(wanted)}" if wanted else name
            listing = "\n".join(f"  {other}" for other, _ in seen) or "  none at all"
            raise AssertionError(f"no {what} {shown} at its place in the order; there were\n{listing}")


def _has(values: Mapping[str, Any], wanted: Mapping[str, object]) -> bool:
    return all(name in values and values[name] == value for name, value in wanted.items())
