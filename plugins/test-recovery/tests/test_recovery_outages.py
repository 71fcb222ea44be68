"""What a fault has cost, computed from requests whose fate is known."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from panther_test_recovery.outages import Break, recoveries

from panther_hookspecs import LoadRequest


def requests(answer: Callable[[float], float | None], count: int = 100) -> list[LoadRequest]:
    """Return a request every 10 ms; ``answer`` says when one that was due then was answered."""
    dues = [number / 100 for number in range(count)]
    return [LoadRequest(number, due, due, answer(due), right=True, tries=1) for number, due in enumerate(dues)]


def soon(due: float) -> float:
    return due + 0.001


def test_an_outage_lasts_from_the_last_answer_before_to_the_first_after_it() -> None:
    made = requests(lambda due: None if 0.3 <= due < 0.5 else soon(due))
    (found,) = recoveries(made, [Break("kill server", 0.295, 0.45, ready=0.46)])
    assert found.seconds == pytest.approx(0.501 - 0.295)
    assert found.after_fault == pytest.approx(0.501 - 0.45)
    assert found.outage == pytest.approx(0.501 - 0.291)
    assert (found.lost, found.late) == (20, 0)
    assert found.slower == pytest.approx(1)
    assert found.fault.restart == pytest.approx(0.01)


def test_requests_that_waited_are_late_and_not_lost() -> None:
    made = requests(lambda due: 0.6 if 0.3 <= due < 0.6 else soon(due))
    (found,) = recoveries(made, [Break("stop server", 0.3, 0.6)])
    assert (found.lost, found.late) == (0, 30)
    assert found.after_fault == 0


def test_a_service_that_never_comes_back_has_no_recovery() -> None:
    made = requests(lambda due: None if due >= 0.3 else soon(due))
    (found,) = recoveries(made, [Break("kill server", 0.3, 0.4)])
    assert (found.seconds, found.outage, found.slower) == (None, None, None)
    assert found.lost == 70


@pytest.mark.parametrize("last", [0.305, 0.405])
def test_a_last_answer_that_was_under_way_is_no_recovery(last: float) -> None:
    made = requests(lambda due: None if due >= last else soon(due))
    (found,) = recoveries(made, [Break("full_disk server", 0.3, 0.4)])
    assert (found.seconds, found.outage) == (None, None)
    assert found.lost == sum(each.answered is None for each in made)


def test_a_pause_long_after_a_fault_is_none_of_its_business() -> None:
    made = requests(lambda due: due + 0.2 if 0.7 <= due < 0.8 else soon(due))
    (found,) = recoveries(made, [Break("rebind", 0.3, 0.3)])
    assert found.seconds is not None
    assert found.seconds < 0.03


def test_each_fault_has_a_recovery_of_its_own() -> None:
    made = requests(lambda due: None if 0.2 <= due < 0.3 or 0.6 <= due < 0.65 else soon(due))
    first, second = recoveries(made, [Break("a", 0.2, 0.25), Break("b", 0.6, 0.6)])
    assert (first.lost, second.lost) == (10, 5)
    assert first.seconds == pytest.approx(0.101)
    assert second.seconds == pytest.approx(0.051)
