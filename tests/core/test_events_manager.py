"""The event manager: who gets which event, in which order, and what a handler that fails does to the others."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any

import pytest

from panther_core.events import EventHandlingError, EventManager
from panther_hookspecs import BaseEvent, IObserver, Observer, PantherExperimentError, TestEvent


class Kind(Enum):
    DONE = "work.done"


@dataclass(frozen=True)
class Numbered(BaseEvent):
    number: int = 0
    thread: int = 0


@dataclass(frozen=True)
class Special(Numbered):
    pass


def event(name: str = "work.done", number: int = 0) -> Numbered:
    return Numbered(event_type=name, number=number)


def numbers(events: list[BaseEvent]) -> list[int]:
    return [each.number for each in events if isinstance(each, Numbered)]


class Recording(Observer):
    def __init__(self, only: str = "") -> None:
        self.only = only
        self.events: list[BaseEvent] = []
        self.asked: list[str] = []
        self.closed = 0

    def is_interested(self, event_type: str) -> bool:
        self.asked.append(event_type)
        return event_type.startswith(self.only)

    def handle_event(self, event: BaseEvent) -> None:
        self.events.append(event)

    def close(self) -> None:
        self.closed += 1


@pytest.mark.parametrize(
    ("wanted", "gets"),
    [
        ("test", ["test", "test.completed", "test.completed.late"]),
        ("test.completed", ["test.completed", "test.completed.late"]),
        ("test.*", ["test", "test.completed", "test.completed.late"]),
        ("*", ["test", "test.completed", "test.completed.late", "tests.other", ""]),
        ("tes", []),
    ],
)
def test_a_name_gets_itself_and_what_is_below_it(wanted: str, gets: list[str]) -> None:
    manager, seen = EventManager(), list[BaseEvent]()
    manager.subscribe(wanted, seen.append)
    for name in ("test", "test.completed", "test.completed.late", "tests.other", ""):
        manager.emit(event(name))
    assert [each.name for each in seen] == gets


def test_a_class_gets_its_subclasses_and_an_enum_member_its_name() -> None:
    manager = EventManager()
    by_class, by_subclass, by_member = list[BaseEvent](), list[BaseEvent](), list[BaseEvent]()
    manager.subscribe(Numbered, by_class.append)
    manager.subscribe(Special, by_subclass.append)
    manager.subscribe(Kind.DONE, by_member.append)
    manager.emit(Special(number=1, event_type=Kind.DONE))
    manager.emit(event(number=2))
    manager.emit(TestEvent(test_case_id="c", action="completed"))
    assert (numbers(by_class), numbers(by_subclass), numbers(by_member)) == ([1, 2], [1], [1, 2])
    assert len(by_class) == 2


def test_the_same_name_on_another_class_is_not_taken_for_the_first() -> None:
    manager, seen = EventManager(), list[BaseEvent]()
    manager.subscribe(Special, seen.append)
    for number in range(3):
        manager.emit(event("same", number))
        manager.emit(Special(event_type="same", number=number + 10))
    assert numbers(seen) == [10, 11, 12]


def test_a_subscription_made_later_counts_for_names_already_seen() -> None:
    manager, seen = EventManager(), list[BaseEvent]()
    manager.emit(event(number=1))
    manager.subscribe("work", seen.append)
    manager.emit(event(number=2))
    assert numbers(seen) == [2]


def test_the_same_subscription_twice_counts_once_and_an_overlapping_one_again() -> None:
    manager, seen = EventManager(), list[BaseEvent]()
    for wanted in ("work", "work", "work.done"):
        manager.subscribe(wanted, seen.append)
    manager.emit(event())
    assert len(seen) == 2
    manager.unsubscribe("work", seen.append)
    manager.emit(event())
    assert len(seen) == 3


@pytest.mark.parametrize(
    ("wrong", "error"), [("", ValueError), (".*", ValueError), (7, TypeError), (Kind, TypeError), (str, TypeError)]
)
def test_a_subscription_that_could_never_match_is_refused(wrong: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        EventManager().subscribe(wrong, print)


def test_only_events_can_be_emitted() -> None:
    with pytest.raises(TypeError, match="derive its class from BaseEvent"):
        EventManager().emit("work.done")  # type: ignore[arg-type]


def test_an_observer_is_asked_once_for_each_name_and_told_once() -> None:
    manager, observer = EventManager(), Recording(only="work")
    manager.add_observer(observer)
    manager.add_observer(observer)
    manager.emit(event("work.done", 1))
    manager.emit(event("rest", 2))
    manager.subscribe("unrelated", print)
    manager.emit(Special(event_type="work.done", number=3))
    assert numbers(observer.events) == [1, 3]
    assert observer.asked == ["work.done", "rest"]


def test_a_late_observer_gets_what_it_missed_first_and_only_what_interests_it() -> None:
    class Emitting(Recording):
        def handle_event(self, event: BaseEvent) -> None:
            super().handle_event(event)
            if numbers([event]) == [1]:
                manager.emit(Numbered(event_type="work.more", number=9))

    manager, observer, early = EventManager(), Emitting(only="work"), list[BaseEvent]()
    manager.subscribe("*", early.append)
    missed = [event(number=1), event("rest", 2), event(number=3)]
    manager.add_observer(observer, missed=missed)
    manager.emit(event(number=4))
    assert numbers(observer.events) == [1, 3, 9, 4]
    assert numbers(early) == [9, 4]


def test_the_other_form_of_an_observer_works_too() -> None:
    class Listening(IObserver):
        def __init__(self) -> None:
            self.seen: list[BaseEvent] = []

        def on_event(self, event: BaseEvent) -> None:
            self.seen.append(event)

    manager, observer = EventManager(), Listening()
    manager.add_observer(observer)
    manager.emit(event(number=4))
    assert numbers(observer.seen) == [4]


def test_handlers_are_called_in_the_order_of_their_subscription_and_the_hook_last() -> None:
    calls: list[str] = []
    manager = EventManager(notify=lambda event: calls.append("hook"))
    manager.subscribe("*", lambda _: calls.append("first"))
    manager.subscribe(Numbered, lambda _: calls.append("second"))
    manager.subscribe("work", lambda _: calls.append("third"))
    manager.emit(event())
    assert calls == ["first", "second", "third", "hook"]


def test_an_event_emitted_by_a_handler_waits_for_its_turn() -> None:
    manager, calls = EventManager(), list[str]()

    def first(seen: BaseEvent) -> None:
        calls.append(f"first {seen.name}")
        if seen.name == "a":
            manager.emit(event("b"))
            manager.emit(event("c"))

    manager.subscribe("*", first)
    manager.subscribe("*", lambda seen: calls.append(f"second {seen.name}"))
    manager.emit(event("a"))
    assert calls == ["first a", "second a", "first b", "second b", "first c", "second c"]


def test_an_endless_chain_of_events_does_not_use_the_stack() -> None:
    manager, seen = EventManager(), list[BaseEvent]()

    def again(each: BaseEvent) -> None:
        seen.append(each)
        if len(seen) < 5000:
            manager.emit(event(number=len(seen)))

    manager.subscribe("work", again)
    manager.emit(event())
    assert numbers(seen) == list(range(5000))
    assert manager.errors == ()


def test_events_of_all_threads_have_one_order_and_none_is_lost() -> None:
    manager = EventManager()
    first, second = list[BaseEvent](), list[BaseEvent]()
    inside, overlaps = list[int](), list[int]()

    def exclusive(each: BaseEvent) -> None:
        inside.append(1)
        time.sleep(0)
        if len(inside) != 1:
            overlaps.append(1)
        inside.pop()

    for handler in (first.append, exclusive, second.append):
        manager.subscribe("*", handler)
    begin = threading.Barrier(4)

    def emit(thread: int) -> None:
        begin.wait()
        for number in range(500):
            manager.emit(Numbered(number=number, thread=thread))

    threads = [threading.Thread(target=emit, args=(thread,)) for thread in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert first == second
    assert overlaps == []
    for thread in range(4):
        of_thread = [each.number for each in first if isinstance(each, Numbered) and each.thread == thread]
        assert of_thread == list(range(500))


def test_when_emit_returns_the_event_has_been_handled_although_another_thread_is_busy() -> None:
    manager, seen = EventManager(), list[BaseEvent]()
    busy, go_on = threading.Event(), threading.Event()

    def slow(each: BaseEvent) -> None:
        if each.name == "slow":
            busy.set()
            go_on.wait(10)
        seen.append(each)

    manager.subscribe("*", slow)
    other = threading.Thread(target=manager.emit, args=(event("slow"),))
    other.start()
    assert busy.wait(10)
    threading.Timer(0.01, go_on.set).start()
    manager.emit(event("mine"))
    assert [each.name for each in seen] == ["slow", "mine"]
    other.join()


def broken(each: BaseEvent) -> None:
    raise ValueError(f"cannot take\n{each.name}")


def test_a_handler_that_raises_keeps_nobody_from_the_event_and_is_counted() -> None:
    manager, seen = EventManager(), list[BaseEvent]()
    manager.subscribe("*", broken)
    manager.subscribe("*", seen.append)
    manager.subscribe("work.done", broken, name="second")
    for name in ("work.done", "work.more"):
        manager.emit(event(name))
    assert len(seen) == 2
    first, second = manager.errors
    assert (first.handler, first.count, first.event) == (f"{__name__}.broken", 2, "work.done")
    assert (second.handler, second.count) == ("second", 1)
    assert "\n" not in first.message
    assert "in broken" in first.traceback
    assert str(first).startswith(f"{__name__}.broken failed 2 times, first at work.done: ValueError")


def test_an_observer_that_cannot_say_what_it_wants_gets_everything_and_is_reported() -> None:
    class Undecided(Recording):
        def is_interested(self, event_type: str) -> bool:
            raise KeyError(event_type)

    manager, observer = EventManager(), Undecided()
    manager.add_observer(observer)
    manager.emit(event(number=1))
    manager.emit(event(number=2))
    assert numbers(observer.events) == [1, 2]
    assert [(each.count, each.event) for each in manager.errors] == [(1, "is_interested('work.done')")]


def test_errors_of_a_handler_that_has_left_are_still_known() -> None:
    manager = EventManager()
    manager.subscribe("*", broken)
    manager.emit(event())
    manager.unsubscribe("*", broken)
    manager.emit(event())
    assert [each.count for each in manager.errors] == [1]


def test_a_failing_hook_is_reported_under_its_name() -> None:
    def notify(*, event: BaseEvent) -> None:
        raise ValueError(event.name)

    manager = EventManager(notify=notify)
    manager.emit(event())
    assert [each.handler for each in manager.errors] == ["panther_on_event"]


def test_a_strict_manager_raises_what_was_collected_when_it_is_closed() -> None:
    manager, observer = EventManager(strict=True), Recording()
    manager.add_observer(observer)
    for number in range(5):
        manager.subscribe("*", broken, name=f"handler {number}")
        manager.subscribe(f"work.{number}", broken, name=f"handler {number} again")
    for number in range(5):
        manager.emit(event(f"work.{number}"))
    with pytest.raises(EventHandlingError) as caught:
        manager.close()
    assert isinstance(caught.value, PantherExperimentError)
    assert len(caught.value.errors) == 6
    assert len(str(caught.value).splitlines()) == 4
    assert "and 4 others" in str(caught.value)
    assert observer.closed == 1
    manager.close()


def test_a_manager_that_is_not_strict_only_keeps_the_errors() -> None:
    with EventManager() as manager:
        manager.subscribe("*", broken)
        manager.emit(event())
    assert len(manager.errors) == 1


def fail_inside(error: type[Exception] | None) -> None:
    with EventManager(strict=True) as manager:
        manager.subscribe("*", broken)
        manager.emit(event())
        if error is not None:
            raise error


@pytest.mark.parametrize(("inside", "told"), [(KeyError, KeyError), (None, EventHandlingError)])
def test_the_error_that_ended_a_block_comes_before_those_of_handlers(
    inside: type[Exception] | None, told: type[Exception]
) -> None:
    with pytest.raises(told):
        fail_inside(inside)


def test_closing_reaches_every_observer_once_even_if_one_fails() -> None:
    class Stuck(Recording):
        def close(self) -> None:
            raise OSError("disk")

    manager, last = EventManager(), Recording()
    manager.add_observer(Stuck())
    manager.add_observer(last)
    manager.close()
    manager.close()
    assert last.closed == 1
    assert [(each.event, each.message) for each in manager.errors] == [("close()", "OSError: disk")]


def test_an_event_after_the_end_is_refused_instead_of_lost() -> None:
    manager = EventManager()
    manager.close()
    with pytest.raises(PantherExperimentError, match="too late"):
        manager.emit(event())


def test_a_handler_cannot_close_the_manager() -> None:
    manager, seen = EventManager(), list[BaseEvent]()
    manager.subscribe("*", lambda _: manager.close(), name="closer")
    manager.subscribe("*", seen.append)
    manager.emit(event())
    assert len(seen) == 1
    assert "cannot close" in manager.errors[0].message


@pytest.mark.parametrize("change", ["unsubscribe", "subscribe"])
def test_subscriptions_may_change_while_an_event_is_dispatched(change: str) -> None:
    manager, first, last = EventManager(), list[BaseEvent](), list[BaseEvent]()

    def changing(each: BaseEvent) -> None:
        if change == "unsubscribe":
            manager.unsubscribe("*", last.append)
            manager.unsubscribe("*", changing)
        else:
            manager.subscribe("*", last.append)

    manager.subscribe("*", changing)
    manager.subscribe("*", first.append)
    if change == "unsubscribe":
        manager.subscribe("*", last.append)
    manager.emit(event(number=1))
    manager.emit(event(number=2))
    assert numbers(first) == [1, 2]
    assert numbers(last) == ([] if change == "unsubscribe" else [2])
    assert manager.errors == ()


def test_an_interrupt_in_a_handler_goes_on_after_everybody_has_had_every_event() -> None:
    manager, seen = EventManager(), list[BaseEvent]()

    def interrupted(each: BaseEvent) -> None:
        if each.name == "a":
            manager.emit(event("b"))
            raise KeyboardInterrupt

    manager.subscribe("*", interrupted)
    manager.subscribe("*", seen.append)
    with pytest.raises(KeyboardInterrupt):
        manager.emit(event("a"))
    manager.emit(event("c"))
    assert [each.name for each in seen] == ["a", "b", "c"]


def test_equal_events_are_all_dispatched_and_can_be_counted() -> None:
    manager, seen = EventManager(count_seen=True), list[BaseEvent]()
    manager.subscribe("*", seen.append)
    for number in (1, 1, 2, 1):
        manager.emit(event(number=number))
    assert numbers(seen) == [1, 1, 2, 1]
    assert [manager.seen(event(number=number)) for number in (1, 2, 3)] == [3, 1, 0]
    assert manager.seen(event(number=1).uuid) == 3
    with pytest.raises(ValueError, match="count_seen=True"):
        EventManager().seen(event())


def test_endlessly_many_names_do_not_fill_the_memory_and_all_arrive() -> None:
    manager, observer = EventManager(), Recording()
    manager.add_observer(observer)
    for number in range(10_000):
        manager.emit(event(f"work.{number}", number))
    assert numbers(observer.events) == list(range(10_000))
    assert len(manager._routes) <= 4096
    assert len(manager._subscriptions[0].interest) <= 4096


def with_handler(make: Callable[[], Any]) -> str:
    manager = EventManager()
    manager.subscribe("*", make())
    manager.emit(event())
    return manager.errors[0].handler


def test_a_failing_handler_is_called_by_a_name_its_author_knows() -> None:
    class Callable_:  # noqa: N801 - named for what it is
        def __call__(self, event: BaseEvent) -> None:
            raise ValueError

        def method(self, event: BaseEvent) -> None:
            raise ValueError

    assert with_handler(Callable_).endswith("Callable_")
    assert with_handler(lambda: Callable_().method).endswith("Callable_.method")
