"""The pool hands each free system the longest test that fits, and exclusive ones the whole machine."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from typing import Any

import attrs
import pytest

from panther_core.orchestrator import LocalSlots, Orchestrator, Work
from panther_core.plan.cases import PlannedCase
from panther_core.plugin_manager import PluginManager
from panther_core.run.functional import FUNCTIONAL
from panther_hookspecs import (
    NetworkEnvironmentDescriptor,
    NetworkEnvironmentInterface,
    Provisioner,
    System,
    TestCandidate,
    hookimpl,
)

NOWHERE = NetworkEnvironmentDescriptor(name="nowhere", summary="none", factory=NetworkEnvironmentInterface)


def case(name: str, **more: Any) -> PlannedCase:
    return PlannedCase(case_id=name, name=name, network=NOWHERE, network_options=None, test_type=FUNCTIONAL, **more)


def pool(
    run: Callable[[Work, System], Work | None],
    *,
    workers: int = 2,
    plugins: Iterable[object] = (),
    expected: dict[str, float] | None = None,
) -> Orchestrator:
    known = expected or {}
    orchestrator = Orchestrator(
        run, PluginManager.load(autoload=False, extra=tuple(plugins)).hooks, lambda each: known.get(each.name)
    )
    orchestrator.add_provisioner(LocalSlots(), max_workers=workers)
    return orchestrator


def test_every_case_runs_exactly_once_whatever_the_number_of_slots() -> None:
    seen: list[str] = []
    lock = threading.Lock()

    def run(work: Work, system: System) -> None:
        with lock:
            seen.append(work.case.name)

    pool(run, workers=8).run(Work(case=case(str(number))) for number in range(3000))
    assert sorted(seen, key=int) == [str(number) for number in range(3000)]


def test_the_longest_known_case_starts_first() -> None:
    seen: list[str] = []
    orchestrator = pool(lambda work, _: seen.append(work.case.name), workers=1, expected={"long": 9, "short": 1})
    orchestrator.run(iter([Work(case=case("short")), Work(case=case("new")), Work(case=case("long"))]))
    assert seen[0] == "long"
    assert sorted(seen) == ["long", "new", "short"]


def test_repetitions_stay_interleaved_whatever_durations_are_known() -> None:
    seen: list[tuple[str, int]] = []
    orchestrator = pool(
        lambda work, _: seen.append((work.case.name, work.case.repetition)), workers=1, expected={"long": 9, "short": 1}
    )
    works = [Work(case=case(name, repetition=number)) for number in (1, 2, 3) for name in ("short", "long")]
    orchestrator.run(iter(works))
    assert seen == [(name, number) for number in (1, 2, 3) for name in ("long", "short")]


def test_a_plan_is_taken_lazily_and_at_most_a_window_ahead() -> None:
    taken = 0
    ahead: list[int] = []

    def plan() -> Iterable[Work]:
        nonlocal taken
        for number in range(5000):
            taken += 1
            yield Work(case=case(str(number)))

    done = 0

    def run(work: Work, system: System) -> None:
        nonlocal done
        done += 1
        ahead.append(taken - done)

    pool(run, workers=1).run(iter(plan()))
    assert done == 5000
    assert max(ahead) <= 1000


def test_an_exclusive_case_runs_alone() -> None:
    running = 0
    together: dict[str, int] = {}
    lock = threading.Condition()

    def run(work: Work, system: System) -> None:
        nonlocal running
        with lock:
            running += 1
            together[work.case.name] = running
            lock.notify_all()
            if not work.case.exclusive:
                lock.wait(0.01)
            assert not work.case.exclusive or running == 1
            running -= 1

    works = [Work(case=case(f"{number}", exclusive=number % 5 == 0)) for number in range(40)]
    pool(run, workers=4).run(iter(works))
    assert len(together) == 40
    assert {together[name] for name in map(str, range(0, 40, 5))} == {1}


def test_a_case_that_wants_another_attempt_gets_it() -> None:
    attempts: list[int] = []

    def run(work: Work, system: System) -> Work | None:
        attempts.append(work.attempt)
        return attrs.evolve(work, attempt=work.attempt + 1) if work.attempt < 3 else None

    pool(run).run(iter([Work(case=case("flaky"))]))
    assert attempts == [1, 2, 3]


def test_a_case_that_no_system_can_run_is_told_and_the_others_run() -> None:
    seen: list[str] = []
    orchestrator = pool(lambda work, _: seen.append(work.case.name))
    orchestrator.run(iter([Work(case=case("gpu", labels=frozenset({"gpu"}))), Work(case=case("plain"))]))
    assert seen == ["plain"]
    assert [work.case.name for work in orchestrator.unplaced] == ["gpu"]


def test_an_error_of_the_runner_ends_the_run_and_is_raised() -> None:
    def run(work: Work, system: System) -> None:
        if work.case.name == "3":
            raise OSError("the disk is full")

    with pytest.raises(OSError, match="disk is full"):
        pool(run).run(Work(case=case(str(number))) for number in range(1000))


def test_stopping_hands_out_nothing_more() -> None:
    seen: list[str] = []

    def run(work: Work, system: System) -> None:
        seen.append(work.case.name)
        if len(seen) == 5:
            orchestrator.stop()

    orchestrator = pool(run, workers=1)
    orchestrator.run(Work(case=case(str(number))) for number in range(1000))
    assert len(seen) == 5
    assert orchestrator.unplaced == []


def test_a_dead_system_is_replaced() -> None:
    @attrs.define
    class Mortal(Provisioner):
        made: int = 0
        released: list[str] = attrs.field(factory=list)

        def reserve(self) -> System:
            self.made += 1
            return System(name=f"m{self.made}")

        def release(self, system: System) -> None:
            self.released.append(system.name)

        def is_alive(self, system: System) -> bool:
            return system.name != "m1"

    used: list[str] = []
    mortal = Mortal()
    orchestrator = Orchestrator(lambda _, system: used.append(system.name), PluginManager.load(autoload=False).hooks)
    orchestrator.add_provisioner(mortal)
    orchestrator.run(iter([Work(case=case("a")), Work(case=case("b")), Work(case=case("c"))]))
    assert used == ["m1", "m2", "m2"]
    assert sorted(mortal.released) == ["m1", "m2"]


def test_a_plugin_chooses_by_fitness_and_by_name() -> None:
    class Backwards:
        @hookimpl
        def panther_choose_fitness(self, test: TestCandidate) -> float:
            return float(test.name)

    seen: list[str] = []
    pool(lambda work, _: seen.append(work.case.name), workers=1, plugins=[Backwards()]).run(
        Work(case=case(str(number))) for number in range(10)
    )
    assert seen == [str(number) for number in reversed(range(10))]
