"""The pool hands each free system the longest test that fits, and exclusive ones the whole machine."""

from __future__ import annotations

import os
import re
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import attrs
import pytest

from panther_core.plan.cases import PlannedCase
from panther_core.plugin_manager import PluginManager
from panther_core.pool.orchestrator import Orchestrator
from panther_core.pool.slots import LocalSlots
from panther_core.pool.trouble import told
from panther_core.pool.work import Work
from panther_core.run.functional import FUNCTIONAL
from panther_core.session import refuse_unplaced
from panther_hookspecs import (
    EnvironmentUnavailableError,
    NetworkEnvironmentDescriptor,
    NetworkEnvironmentInterface,
    Provisioner,
    System,
    SystemLostError,
    TestCandidate,
    TestExecutionError,
    hookimpl,
)

NOWHERE = NetworkEnvironmentDescriptor(name="nowhere", summary="none", factory=NetworkEnvironmentInterface)


def case(name: str, **more: Any) -> PlannedCase:
    return PlannedCase(case_id=name, name=name, network=NOWHERE, network_options=None, test_type=FUNCTIONAL, **more)


def pool(
    run: Callable[[Work[PlannedCase], System], Work[PlannedCase] | None],
    *,
    workers: int = 2,
    plugins: Iterable[object] = (),
    expected: dict[str, float] | None = None,
) -> Orchestrator[PlannedCase]:
    known = expected or {}
    orchestrator = Orchestrator(
        run, PluginManager.load(autoload=False, extra=tuple(plugins)).hooks, lambda each: known.get(each.name)
    )
    orchestrator.add_provisioner(LocalSlots(), max_workers=workers)
    return orchestrator


def test_every_case_runs_exactly_once_whatever_the_number_of_slots() -> None:
    seen: list[str] = []
    lock = threading.Lock()

    def run(work: Work[PlannedCase], system: System) -> None:
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

    def plan() -> Iterable[Work[PlannedCase]]:
        nonlocal taken
        for number in range(5000):
            taken += 1
            yield Work(case=case(str(number)))

    done = 0

    def run(work: Work[PlannedCase], system: System) -> None:
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

    def run(work: Work[PlannedCase], system: System) -> None:
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

    def run(work: Work[PlannedCase], system: System) -> Work[PlannedCase] | None:
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
    def run(work: Work[PlannedCase], system: System) -> None:
        if work.case.name == "3":
            raise OSError("the disk is full")

    with pytest.raises(OSError, match="disk is full"):
        pool(run).run(Work(case=case(str(number))) for number in range(1000))


def test_stopping_hands_out_nothing_more() -> None:
    seen: list[str] = []

    def run(work: Work[PlannedCase], system: System) -> None:
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
    orchestrator: Orchestrator[PlannedCase] = Orchestrator(
        lambda _, system: used.append(system.name), PluginManager.load(autoload=False).hooks
    )
    orchestrator.add_provisioner(mortal)
    orchestrator.run(iter([Work(case=case("a")), Work(case=case("b")), Work(case=case("c"))]))
    assert used == ["m1", "m2", "m2"]
    assert sorted(mortal.released) == ["m1", "m2"]


def test_what_ran_on_a_lost_system_runs_once_more_elsewhere_and_is_marked() -> None:
    seen: list[tuple[str, int]] = []

    def run(work: Work[PlannedCase], system: System) -> None:
        seen.append((work.case.name, len(work.losses)))
        if work.case.name == "b" and not work.losses:
            raise SystemLostError("the cable is out")

    orchestrator = pool(run, workers=1)
    orchestrator.run([Work(case=case(name)) for name in "abc"])
    assert sorted(seen) == [("a", 0), ("b", 0), ("b", 1), ("c", 0)]
    assert told(orchestrator.failures) == ("local-1: the cable is out",)


def test_what_was_lost_twice_is_not_tried_a_third_time() -> None:
    seen: list[str] = []

    def run(work: Work[PlannedCase], system: System) -> None:
        seen.append(system.name)
        raise SystemLostError("no space left on it")

    orchestrator = pool(run, workers=1)
    orchestrator.pauses = (0, 0)
    orchestrator.run([Work(case=case("a"))])
    assert seen == ["local-1", "local-2"]


def test_a_system_that_was_gone_before_a_test_had_begun_does_not_count_against_it() -> None:
    seen: list[str] = []

    def run(work: Work[PlannedCase], system: System) -> None:
        seen.append(system.name)
        if len(seen) < 3:
            raise SystemLostError("the cable is out", begun=len(seen) == 1)

    orchestrator = pool(run, workers=1)
    orchestrator.pauses = (0, 0)
    orchestrator.run([Work(case=case("a"))])
    assert seen == ["local-1", "local-2", "local-3"]


def test_a_provisioner_that_raises_is_asked_again_and_then_left_out() -> None:
    @attrs.define
    class Broken(Provisioner):
        asked: int = 0

        def reserve(self) -> System:
            self.asked += 1
            raise OSError("the cloud is down")

        def release(self, system: System) -> None:
            raise AssertionError(system)

    seen: list[str] = []
    broken = Broken()
    orchestrator: Orchestrator[PlannedCase] = Orchestrator(
        lambda work, _: seen.append(work.case.name), PluginManager.load(autoload=False).hooks
    )
    orchestrator.pauses = (0, 0)
    orchestrator.add_provisioner(broken)
    orchestrator.run([Work(case=case("a"))])
    assert (broken.asked, seen) == (3, [])
    assert [work.case.name for work in orchestrator.unplaced] == ["a"]
    assert told(orchestrator.failures) == ("Broken: the cloud is down (3 times)",)


@attrs.define
class Boxes(Provisioner):
    """Supplies systems by number and says how many there can be."""

    limit: int
    asked: int = 0

    def most(self) -> int:
        return self.limit

    def reserve(self) -> System:
        self.asked += 1
        return System(name=f"box-{self.asked}")

    def release(self, system: System) -> None:
        pass


def test_who_lacks_what_does_not_come_by_itself_is_asked_once_and_the_others_go_on() -> None:
    def prepare(system: System, _is_alive: Callable[[], bool]) -> System:
        if system.name.startswith("box"):
            raise EnvironmentUnavailableError(f"{system.name} has no Python", lasting=True)
        return system

    seen: list[str] = []
    lacking = Boxes(limit=3)
    orchestrator = pool(lambda work, _: seen.append(work.case.name), workers=1)
    orchestrator.prepare = prepare
    orchestrator.add_provisioner(lacking)
    orchestrator.run([Work(case=case("a")), Work(case=case("boxed", labels=frozenset({"box"})))])
    assert (lacking.asked, seen) == (3, ["a"])
    (trouble,) = told(orchestrator.failures)
    assert re.fullmatch(r"box-\d has no Python \(and so box-\d and 1 more\)", trouble)
    with pytest.raises(EnvironmentUnavailableError, match="no system can run boxed") as error:
        refuse_unplaced(orchestrator)
    assert error.value.exit_code == 3


def test_one_worker_tries_the_other_systems_where_the_first_lacks_what_does_not_come() -> None:
    def prepare(system: System, _is_alive: Callable[[], bool]) -> System:
        if system.name == "box-1":
            raise EnvironmentUnavailableError("box-1 has no Python", lasting=True)
        return system

    seen: list[str] = []
    orchestrator: Orchestrator[PlannedCase] = Orchestrator(
        lambda _, system: seen.append(system.name), PluginManager.load(autoload=False).hooks
    )
    orchestrator.prepare = prepare
    orchestrator.pauses = (0, 0)
    orchestrator.add_provisioner(Boxes(limit=2), max_workers=1)
    orchestrator.run([Work(case=case("a"))])
    assert seen == ["box-2"]


def test_systems_of_one_name_are_told_apart_and_given_back_as_they_were() -> None:
    together = threading.Barrier(2)
    released: list[str] = []
    used: list[str] = []

    class Twin(LocalSlots):
        def reserve(self) -> System:
            return System(name="twin")

        def release(self, system: System) -> None:
            released.append(system.name)

    def run(work: Work[PlannedCase], system: System) -> None:
        used.append(system.name)
        together.wait(30)

    orchestrator = Orchestrator(run, PluginManager.load(autoload=False).hooks)
    orchestrator.add_provisioner(Twin)
    orchestrator.add_provisioner(Twin)
    orchestrator.run([Work(case=case(name)) for name in "ab"])
    assert (sorted(used), released) == (["twin", "twin.2"], ["twin", "twin"])


def test_what_no_system_can_run_is_told_with_the_labels_that_none_had() -> None:
    orchestrator = pool(lambda _work, _system: None)
    orchestrator.run([Work(case=case("a", labels=frozenset({"local", "big"})))])
    with pytest.raises(TestExecutionError, match="no system can run a: it needs the labels big, local; none had big"):
        refuse_unplaced(orchestrator)


def test_a_system_is_given_back_as_soon_as_nothing_left_applies_to_it() -> None:
    released = threading.Event()

    @attrs.define
    class Small(LocalSlots):
        def reserve(self) -> System:
            return System(name="small")

        def release(self, system: System) -> None:
            released.set()

    def run(work: Work[PlannedCase], system: System) -> None:
        if system.name != "small":
            assert released.wait(30), "the system that nothing applies to is still held while another one works"

    orchestrator = pool(run, workers=1)
    orchestrator.add_provisioner(Small)
    orchestrator.run([Work(case=case("big", labels=frozenset({"local"})))])
    assert not orchestrator.unplaced


def test_what_a_test_leaves_on_a_system_is_seen_by_the_next_choice() -> None:
    class Affine:
        @hookimpl
        def panther_choose_fitness(self, test: TestCandidate, system: System) -> float:
            return float(system.notes.get("snapshot") == test.name[0])

    seen: list[str] = []

    def run(work: Work[PlannedCase], system: System) -> None:
        seen.append(work.case.name)
        system.notes["snapshot"] = work.case.name[0]

    pool(run, workers=1, plugins=[Affine()]).run([Work(case=case(name)) for name in ("a1", "b1", "a2", "b2", "a3")])
    assert seen == ["a1", "a2", "a3", "b1", "b2"]


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


def test_who_gets_a_system_that_does_not_fit_for_one_that_was_lost_asks_again() -> None:
    class Fickle(Provisioner):
        def __init__(self) -> None:
            self.kinds = ["big", "small", "big"]

        def reserve(self) -> System | None:
            kind = self.kinds.pop(0) if self.kinds else None
            return System(name=f"{kind}-{len(self.kinds)}", labels=frozenset({kind})) if kind else None

        def release(self, system: System) -> None:
            pass

    ran: list[str] = []

    def run_test(_work: Work[PlannedCase], system: System) -> None:
        ran.append(system.name)
        if len(ran) == 1:
            raise SystemLostError("it went away")

    orchestrator = Orchestrator(run_test, PluginManager.load(autoload=False).hooks, pauses=(0.0, 0.0))
    orchestrator.add_provisioner(Fickle())
    orchestrator.run([Work(case=case("one", labels=frozenset({"big"})))])
    assert ran == ["big-2", "big-0"]
    assert not orchestrator.unplaced


class InterruptedRunError(Exception):
    """Raised by the handler of a signal, as KeyboardInterrupt is, but nothing that ends the tests."""


@pytest.fixture
def interrupt() -> Iterator[Callable[[], None]]:
    """Give what interrupts the main thread, from any other."""

    def handler(_number: int, _frame: object) -> None:
        raise InterruptedRunError

    before = signal.signal(signal.SIGUSR1, handler)
    yield lambda: os.kill(os.getpid(), signal.SIGUSR1)
    signal.signal(signal.SIGUSR1, before)


def test_an_interrupt_that_the_kernel_gives_to_a_worker_is_seen_all_the_same(interrupt: Callable[[], None]) -> None:
    over, in_time = threading.Event(), list[bool]()

    def run(work: Work[PlannedCase], system: System) -> None:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGUSR1])
        interrupt()
        in_time.append(over.wait(60))

    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
    orchestrator = pool(run, workers=1)
    try:
        with pytest.raises(InterruptedRunError):
            orchestrator.run([Work(case=case("one"))])
    finally:
        over.set()
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGUSR1])
    orchestrator.wait()
    assert in_time == [True]


def test_an_interrupt_while_workers_are_started_ends_those_that_were(interrupt: Callable[[], None]) -> None:
    orchestrator = pool(lambda work, system: interrupt(), workers=200)
    with pytest.raises(InterruptedRunError):
        orchestrator.run([Work(case=case("one"))])
    orchestrator.wait()
