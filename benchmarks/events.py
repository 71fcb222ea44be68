"""Measure the event manager: dispatch against a plain loop and against a pluggy call, then creation and storage.

Run it as ``python benchmarks/events.py``. Ratios are taken within each round, the rounds are interleaved, and the
median is printed; absolute numbers are only for orientation.
"""

from __future__ import annotations

import functools
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pluggy

from panther_core.events import EventManager, LoggingObserver, MetricsObserver, StorageObserver
from panther_core.metrics import MetricsCollector
from panther_hookspecs import BaseEvent, Observer, TestEvent

OBSERVERS = 5
EVENTS = 20_000
ROUNDS = 9
BUDGET = 200_000

spec = pluggy.HookspecMarker("benchmark")
impl = pluggy.HookimplMarker("benchmark")


class Counting(Observer):
    """Does as little as an observer can do, so that the dispatch itself is measured."""

    def __init__(self) -> None:
        self.seen = 0

    def handle_event(self, event: BaseEvent) -> None:  # noqa: ARG002 - only the call is measured
        """Count the event."""
        self.seen += 1

    @impl
    def on_event(self, event: BaseEvent) -> None:  # noqa: ARG002 - the same
        """Do the same as the implementation of a hook."""
        self.seen += 1


class Specs:
    """The hook that the event manager is compared with."""

    @spec
    def on_event(self, event: BaseEvent) -> None:
        """Take an event."""


def repeat(call: Callable[[BaseEvent], object], event: BaseEvent) -> float:
    """Return the CPU seconds of EVENTS calls."""
    begin = time.process_time()
    for _ in range(EVENTS):
        call(event)
    return time.process_time() - begin


def contestants() -> Mapping[str, Callable[[BaseEvent], object]]:
    """Return the three ways to tell five observers."""
    observers = [Counting() for _ in range(OBSERVERS)]
    manager = EventManager()
    plugins = pluggy.PluginManager("benchmark")
    plugins.add_hookspecs(Specs)
    for each in observers:
        manager.add_observer(each)
        plugins.register(each)
    handlers = [each.handle_event for each in observers]

    def loop(event: BaseEvent) -> None:
        for handle in handlers:
            handle(event)

    def hook(event: BaseEvent) -> None:
        plugins.hook.on_event(event=event)

    return {"plain loop": loop, "event manager": manager.emit, "pluggy call": hook}


def example(number: int = 1) -> TestEvent:
    """Return an event of the size that a run emits most."""
    return TestEvent(
        test_case_id=f"case-{number}",
        action="completed",
        status="pass",
        duration_ms=12,
        metadata={"name": "ping", "attempt": 1, "seconds": 0.25},
    )


def dispatch() -> None:
    """Compare the dispatch of an event that exists already."""
    event = example()
    runs: dict[str, list[float]] = {}
    for _ in range(ROUNDS):
        for name, call in contestants().items():
            runs.setdefault(name, []).append(repeat(call, event))
    for name, seconds in runs.items():
        ratio = statistics.median(mine / loop for mine, loop in zip(seconds, runs["plain loop"], strict=True))
        each = statistics.median(seconds) / EVENTS
        print(f"{name:<15} {ratio:6.2f} x plain loop {each * 1e6:7.2f} us {1 / each:>10,.0f} events/s")
    rate = EVENTS / statistics.median(runs["event manager"])
    print(f"{OBSERVERS} observers: {rate / BUDGET:.2f} x the budget of {BUDGET:,} events/s")


def single(name: str, call: Callable[[], object], count: int = 5_000) -> None:
    """Print what one call costs."""
    begin = time.process_time()
    for _ in range(count):
        call()
    print(f"{name:<34} {(time.process_time() - begin) / count * 1e6:7.2f} us")


def parts(folder: Path) -> None:
    """Measure creation, identity and the observers, each with events that nobody has looked at before."""
    collector = MetricsCollector()
    observers: dict[str, Observer] = {
        "metrics": MetricsObserver(collector),
        "storage": StorageObserver(folder),
        "log to a file": LoggingObserver(folder / "log"),
    }
    single("create an event", example)
    single("create it and ask for its uuid", lambda: example().uuid)
    for name, observer in observers.items():
        events: list[Any] = [example(number) for number in range(5_000)]
        single(f"observer: {name}", functools.partial(_handle_next, observer, iter(events)))
        observer.close()


def _handle_next(observer: Observer, events: Any) -> None:
    observer.handle_event(next(events))


if __name__ == "__main__":
    dispatch()
    with tempfile.TemporaryDirectory() as folder:
        parts(Path(folder))
