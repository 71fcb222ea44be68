"""Emitters keep what nobody takes yet; state managers refuse what their table does not list."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any

import pytest

from panther_core.events import EventManager
from panther_hookspecs import BaseEvent, EntityEventEmitterBase, StateManager, emitting_to


class Kind(Enum):
    STEP = "walk.step"


@dataclass(frozen=True)
class Step(BaseEvent):
    number: int = 0
    event_type: Any = Kind.STEP


class Walker(EntityEventEmitterBase[Kind]):
    def __init__(self) -> None:
        super().__init__("walker-1", "walker")

    def step(self, number: int) -> None:
        self.emit_event(Step(number=number))


def numbers(events: list[BaseEvent]) -> list[int]:
    return [event.number for event in events if isinstance(event, Step)]


def test_events_are_kept_until_a_bus_is_there_and_then_sent_in_order() -> None:
    walker, seen = Walker(), list[BaseEvent]()
    for number in range(3):
        walker.step(number)
    assert numbers(list(walker.pending)) == [0, 1, 2]
    walker.connect(seen.append)
    walker.step(3)
    assert numbers(seen) == [0, 1, 2, 3]
    assert not walker.pending


def test_the_current_bus_gets_the_kept_events_first() -> None:
    walker, seen = Walker(), list[BaseEvent]()
    walker.step(0)
    with emitting_to(seen.append):
        walker.step(1)
    walker.step(2)
    assert numbers(seen) == [0, 1]
    assert numbers(list(walker.pending)) == [2]


def test_a_bus_of_its_own_comes_before_the_current_one() -> None:
    own, current = list[BaseEvent](), list[BaseEvent]()
    walker = Walker()
    walker.connect(own.append)
    with emitting_to(current.append):
        walker.step(1)
    assert (numbers(own), current) == ([1], [])


def test_an_event_gets_the_entity_of_its_emitter_and_the_original_stays_as_it_was() -> None:
    walker, seen = Walker(), list[BaseEvent]()
    walker.connect(seen.append)
    event = Step(number=1)
    before = event.uuid
    walker.emit_event(event)
    assert (seen[0].entity_type, seen[0].entity_id) == ("walker", "walker-1")
    assert seen[0].uuid == Step(number=1, entity_type="walker", entity_id="walker-1").uuid
    assert seen[0].timestamp == event.timestamp
    assert (event.entity_type, event.uuid) == ("", before)


def test_an_event_that_says_whom_it_is_about_is_emitted_itself() -> None:
    walker, seen = Walker(), list[BaseEvent]()
    walker.connect(seen.append)
    event = Step(number=1, entity_type="other", entity_id="other-1")
    walker.emit_event(event)
    assert seen[0] is event


def test_events_emitted_while_kept_ones_are_sent_come_after_them() -> None:
    walker, seen = Walker(), list[BaseEvent]()

    def bus(event: BaseEvent) -> None:
        seen.append(event)
        if numbers([event]) == [0]:
            walker.step(9)

    walker.step(0)
    walker.step(1)
    walker.connect(bus)
    assert numbers(seen) == [0, 1, 9]


def test_a_bus_that_raises_loses_nothing() -> None:
    walker, seen = Walker(), list[BaseEvent]()
    walker.step(0)
    walker.step(1)

    def broken(event: BaseEvent) -> None:
        raise OSError("no bus")

    with pytest.raises(OSError, match="no bus"):
        walker.connect(broken)
    walker.connect(seen.append)
    assert numbers(seen) == [0, 1]


def test_connecting_while_other_threads_emit_keeps_every_threads_order() -> None:
    walker, seen = Walker(), list[BaseEvent]()
    manager = EventManager()
    manager.subscribe("*", seen.append)
    begin = threading.Barrier(4)

    def emit(base: int) -> None:
        begin.wait()
        for number in range(200):
            walker.step(base + number)

    threads = [threading.Thread(target=emit, args=(base,)) for base in (0, 1000, 2000)]
    for thread in threads:
        thread.start()
    begin.wait()
    walker.connect(manager.emit)
    for thread in threads:
        thread.join()
    for base in (0, 1000, 2000):
        assert [number for number in numbers(seen) if base <= number < base + 1000] == list(range(base, base + 200))


class Light(Enum):
    RED = "red"
    GREEN = "green"
    BROKEN = "broken"


TABLE = {Light.RED: [Light.GREEN, Light.BROKEN], Light.GREEN: [Light.RED, Light.BROKEN], Light.BROKEN: []}


def test_a_state_manager_follows_its_table() -> None:
    light = StateManager(initial_state=Light.RED, valid_transitions=TABLE)
    terminal = [light.is_terminal]
    assert light.transition_to(Light.GREEN)
    assert not light.transition_to(Light.GREEN)
    assert light.current_state is Light.GREEN
    assert light.transition_to(Light.BROKEN)
    assert [*terminal, light.is_terminal] == [False, True]
    assert not light.can_transition_to(Light.RED)
    assert light.history == [Light.RED, Light.GREEN, Light.BROKEN]


@pytest.mark.parametrize(
    ("table", "said"),
    [
        (lambda: {Light.RED: [Light.GREEN], Light.GREEN: []}, "BROKEN is missing"),
        (lambda: TABLE | {"blue": []}, "'blue' is no state of Light"),
        (lambda: TABLE | {Light.RED: ["green"]}, "'green' after <Light.RED: 'red'> is no state of Light"),
        (lambda: TABLE | {Light.RED: Light.GREEN}, "must be a list of states, not <Light.GREEN"),
        (lambda: TABLE | {Light.RED: "green"}, "must be a list of states, not 'green'"),
        (lambda: TABLE | {Light.RED: None}, "must be a list of states, not None"),
    ],
)
def test_a_wrong_table_is_refused_at_once(table: Callable[[], Any], said: str) -> None:
    with pytest.raises(ValueError, match="transition table of Light") as caught:
        StateManager(Light.RED, table())
    assert said in str(caught.value)


def test_all_problems_of_a_table_are_told_together() -> None:
    with pytest.raises(ValueError, match=r"GREEN is missing.*BROKEN is missing.*'x' after"):
        StateManager[Any](Light.RED, {Light.RED: ["x"]})


def test_later_changes_of_the_table_have_no_effect() -> None:
    table = {state: list(after) for state, after in TABLE.items()}
    light = StateManager(Light.BROKEN, table)
    table[Light.BROKEN].append(Light.RED)
    assert not light.transition_to(Light.RED)


class Yielding(Enum):
    """Lets other threads in whenever a state is looked up in the table."""

    OPEN = "open"
    TAKEN = "taken"

    def __hash__(self) -> int:
        time.sleep(0)
        return hash(self.value)


def test_of_competing_transitions_exactly_one_wins() -> None:
    def compete(door: StateManager[Yielding], won: list[bool], begin: threading.Barrier) -> None:
        begin.wait()
        won.append(door.transition_to(Yielding.TAKEN))

    for _ in range(50):
        door, won = StateManager(Yielding.OPEN, {Yielding.OPEN: [Yielding.TAKEN], Yielding.TAKEN: []}), list[bool]()
        begin = threading.Barrier(4)
        threads = [threading.Thread(target=compete, args=(door, won, begin)) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(won) == [False, False, False, True]
