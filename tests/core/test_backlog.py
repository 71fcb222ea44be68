"""What a free system takes next: priorities, deadlines, resources, hosts."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from panther_core.plan.cases import PlannedCase
from panther_core.pool.backlog import Backlog
from panther_core.pool.work import Work
from panther_core.results.durations import Durations
from panther_core.run.functional import FUNCTIONAL
from panther_core.testing import MakeProject
from panther_hookspecs import NetworkEnvironmentDescriptor, NetworkEnvironmentInterface, System

NOWHERE = NetworkEnvironmentDescriptor(name="nowhere", summary="none", factory=NetworkEnvironmentInterface)
TWO = System(name="s", capacity={"cpus": 2, "memory": 8e9})


def case(name: str, **more: Any) -> PlannedCase:
    return PlannedCase(case_id=name, name=name, network=NOWHERE, network_options=None, test_type=FUNCTIONAL, **more)


def backlog(*cases: PlannedCase, seconds: Mapping[str, float] | None = None) -> Backlog[PlannedCase]:
    known = seconds or {}
    return Backlog((Work(case=each) for each in cases), None, lambda each: known.get(each.name))


def taken(queue: Backlog[PlannedCase], system: System) -> str | None:
    work = queue.take(system)
    return work.case.name if work else None


def end(queue: Backlog[PlannedCase], name: str, system: System) -> None:
    queue.done(next(work for work in queue.running() if work.case.name == name), system)


def order(queue: Backlog[PlannedCase], system: System = TWO) -> list[str]:
    """Take and end one work after the other."""
    found = []
    while work := queue.take(system):
        queue.done(work, system)
        found.append(work.case.name)
    return found


def test_priority_comes_before_deadlines_these_before_length() -> None:
    queue = backlog(
        case("short"),
        case("long"),
        case("soon", deadline=20),
        case("sooner", deadline=30),
        case("first", priority=1),
        case("last", priority=-1),
        seconds={"short": 1, "long": 9, "soon": 1, "sooner": 15, "first": 1, "last": 99},
    )
    assert order(queue) == ["first", "sooner", "soon", "long", "short", "last"]


def test_what_is_not_known_counts_as_the_median_and_a_longer_timeout_settles_what_is_equal() -> None:
    seconds = {"short": 1, "middle": 5, "long": 9}
    cases = [case(name) for name in seconds] + [case("new", timeout=10), case("new and slow", timeout=600)]
    assert order(backlog(*cases, seconds=seconds)) == ["long", "new and slow", "middle", "new", "short"]
    assert order(backlog(case("a", timeout=10), case("b", timeout=20))) == ["b", "a"]


def test_a_named_resource_is_used_by_one_at_a_time_in_the_whole_run() -> None:
    queue = backlog(case("one", uses={"licence": 1}), case("two", uses={"licence": 1}), case("free"))
    here, there = System(name="a"), System(name="b", host="there")
    assert taken(queue, here) == "one"
    assert taken(queue, there) == "free"
    assert taken(queue, there) is None
    end(queue, "one", here)
    assert taken(queue, there) == "two"


def test_what_a_host_declares_is_counted_for_each_host() -> None:
    queue = backlog(*(case(name, uses={"gpu": 1}) for name in "abcd"))
    here, there = System(name="1", capacity={"gpu": 1}), System(name="2", host="there", capacity={"gpu": 2})
    assert [taken(queue, each) for each in (here, here, there, there, there)] == ["a", None, "b", "c", None]


def test_a_work_that_waits_for_room_is_not_overtaken_by_those_that_want_the_same_room() -> None:
    small, large = {"cpus": 1.0}, {"cpus": 2.0}
    works = [case("one", uses=small), case("large", uses=large), case("two", uses=small), case("other")]
    queue = backlog(*works, seconds={"one": 9, "large": 8, "two": 7, "other": 1})
    assert taken(queue, TWO) == "one"
    assert taken(queue, TWO) == "other"
    assert taken(queue, TWO) is None
    end(queue, "one", TWO)
    assert [taken(queue, TWO), taken(queue, TWO)] == ["large", None]


def test_what_needs_more_than_there_is_neither_runs_nor_keeps_others_from_running() -> None:
    queue = backlog(case("huge", uses={"memory": 1e12}, priority=1), case("small", uses={"memory": 1e6}))
    assert order(queue) == ["small"]
    assert [work.needs() for work in queue.waiting()] == ["1e+12 memory to itself"]


def test_an_exclusive_case_has_its_host_for_itself_and_not_the_others() -> None:
    queue = backlog(case("alone", exclusive=True, priority=1), case("a"), case("b"))
    here, there = System(name="1"), System(name="2", host="there")
    assert [taken(queue, each) for each in (here, here, there)] == ["alone", None, "a"]
    end(queue, "alone", here)
    assert taken(queue, here) == "b"


def test_a_cell_that_never_ran_is_expected_to_take_as_long_as_others_of_its_test_case(tmp_path: Path) -> None:
    durations = Durations.load(tmp_path)
    durations.saw(case("transfer", cell={"size": "1"}), 4.0)
    durations.save()
    known = Durations.load(tmp_path)
    assert known.expected(case("transfer", cell={"size": "1"})) == 4.0
    assert known.expected(case("transfer", cell={"size": "2"})) == 4.0
    assert known.expected(case("handshake")) is None


LATE = """
name: late
network_environment: localhost
services: {one: {implementation: command, argv: ["true"]}}
test_cases:
  - {name: early, priority: 1, uses: {cpus: 1, memory: 1MiB}}
  - {name: late, deadline: 1us}
"""


def test_a_case_whose_deadline_is_over_is_recorded_as_not_started_and_left_to_a_resumed_run(
    panther_project: MakeProject,
) -> None:
    project = panther_project({"late.yaml": LATE})
    outcome = project.run("run late.yaml")
    outcome.assert_exit(1)
    outcome.assert_verdicts({"early": "pass", "late": "cancelled"})
    late = next(each for each in outcome.attempts() if each["name"] == "late")
    assert late["why"].startswith("not started: its deadline was 1e-06 s after the beginning")
    assert not late["final"]
    again = project.run(f"resume {outcome.run}")
    again.assert_exit(1)
    assert [each["name"] for each in outcome.attempts()][2:] == ["late"]
