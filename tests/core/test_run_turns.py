"""Turns: as many prepared cases run as there are jobs, and a longer one is not overtaken at the last moment."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable

import pytest

from panther_core.run.engine import CancelledError
from panther_core.run.turns import Turns


def in_thread(turns: Turns, name: str, order: list[str]) -> tuple[threading.Thread, threading.Event]:
    """Ask for a turn elsewhere; return the thread, and what tells that it waits or has its turn."""
    asked = threading.Event()

    def run() -> None:
        with turns.turn(name, asked.set):
            order.append(name)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return thread, asked


def test_a_case_that_is_ready_first_leaves_the_turn_to_a_much_longer_one() -> None:
    turns, order = Turns(1), list[str]()
    with turns.coming("short", 0, 1.0), turns.coming("long", 0, 1e9):
        thread, asked = in_thread(turns, "short", order)
        assert asked.wait(60)
        with turns.turn("long", lambda: None):
            order.append("long")
        thread.join(60)
    assert order == ["long", "short"]


@pytest.mark.parametrize(
    ("priority", "seconds"), [(0, 1.2), (0, None), (-1, 1e9)], ids=["as long", "not known", "less important"]
)
def test_it_does_not_wait_for_others(priority: int, seconds: float | None) -> None:
    turns, order = Turns(1), list[str]()
    with turns.coming("ready", 0, 1.0), turns.coming("other", priority, seconds):
        in_thread(turns, "ready", order)[0].join(60)
    assert order == ["ready"]


def test_it_does_not_wait_where_there_is_a_turn_for_both_nor_for_longer_than_is_worth_it() -> None:
    turns, order = Turns(2), list[str]()
    with turns.coming("short", 0, 1.0), turns.coming("long", 0, 1e9):
        in_thread(turns, "short", order)[0].join(60)
    with turns.coming("tiny", 0, 0.0), turns.coming("a", 0, 0.001), turns.coming("b", 0, 0.001):
        in_thread(turns, "tiny", order)[0].join(60)
    assert order == ["short", "tiny"]


def test_a_longer_one_that_never_gets_ready_is_not_waited_for() -> None:
    turns, order = Turns(1), list[str]()
    with turns.coming("short", 0, 1.0):
        with contextlib.suppress(ValueError), turns.coming("long", 0, 1e9):
            thread, asked = in_thread(turns, "short", order)
            assert asked.wait(60)
            raise ValueError
        thread.join(60)
    assert order == ["short"]


def test_who_waits_hears_of_a_cancelled_run() -> None:
    turns, ended = Turns(1), list[str]()
    cancelled = threading.Event()

    def waiting(seen: Callable[[], None]) -> None:
        def check() -> None:
            seen()
            if cancelled.is_set():
                raise CancelledError("cancelled")

        with pytest.raises(CancelledError, match="cancelled"), turns.turn("late", check):
            ended.append("it ran")
        ended.append("it ended")

    asked = threading.Event()
    with turns.turn("busy", lambda: None):
        thread = threading.Thread(target=waiting, args=(asked.set,), daemon=True)
        thread.start()
        assert asked.wait(60)
        cancelled.set()
        turns.wake()
        thread.join(60)
    assert ended == ["it ended"]
