"""Hooks: each plugin is called by itself, in a defined order, and what it raises is told with its name."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from panther_core.hooks import HookError, listed
from panther_core.plugin_manager import PluginManager
from panther_hookspecs import (
    BaseEvent,
    CaseInfo,
    ExperimentPhase,
    RunInfo,
    System,
    TestCandidate,
    TestEvent,
    Verdict,
    hookimpl,
)

RUN = RunInfo(run_id="r", name="r", folder=None)
CASE = CaseInfo(
    case_id="c", name="c", attempt=1, folder=Path(), protocol="", scenario="", network_environment="dummy", services=()
)
ONE, TWO = (TestCandidate(case_id=name, name=name) for name in ("one", "two"))
DESK = System(name="desk", labels=frozenset({"local"}))


class Raises:
    """Raises in every hook that it is asked."""

    @hookimpl
    def panther_before_phase(self) -> None:
        raise OSError("before phase")

    @hookimpl
    def panther_after_phase(self) -> None:
        raise OSError("after phase")

    @hookimpl
    def panther_before_test_case(self) -> None:
        raise OSError("before case")

    @hookimpl
    def panther_choose_next_test(self) -> None:
        raise OSError("choose")

    @hookimpl
    def panther_choose_port_range(self) -> None:
        raise OSError("ports")


class Notes:
    """Notes what it is told."""

    def __init__(self) -> None:
        self.told: list[Any] = []

    @hookimpl
    def panther_before_phase(self, phase: ExperimentPhase) -> None:
        self.told.append(("before", phase))

    @hookimpl
    def panther_after_phase(self, phase: ExperimentPhase) -> None:
        self.told.append(("after", phase))

    @hookimpl
    def panther_on_phase_error(self, error: BaseException) -> None:
        self.told.append(("error", str(error)))

    @hookimpl
    def panther_before_test_case(self, case: CaseInfo) -> None:
        self.told.append(("before", case.case_id))

    @hookimpl
    def panther_after_test_case(self, case: CaseInfo, verdict: Verdict) -> None:
        self.told.append((case.case_id, verdict))

    @hookimpl
    def panther_on_test_case_error(self, error: BaseException) -> None:
        self.told.append(("error", str(error)))

    @hookimpl
    def panther_before_environment_setup(self, environment: str) -> None:
        self.told.append(("setup", environment))

    @hookimpl
    def panther_after_environment_teardown(self, leftovers: Sequence[str]) -> None:
        self.told.append(("teardown", tuple(leftovers)))

    @hookimpl
    def panther_on_environment_error(self, environment: str, error: BaseException) -> None:
        self.told.append((environment, str(error)))

    @hookimpl
    def panther_on_event(self, event: BaseEvent) -> None:
        self.told.append(event.name)


def manager(*plugins: object) -> PluginManager:
    loaded = PluginManager.load(autoload=False, extra=plugins)
    assert {record.status for record in loaded.plugins} == {"active"}
    return loaded


def test_panther_before_phase_is_fatal_and_names_the_plugin() -> None:
    with pytest.raises(HookError, match="plugin Raises: panther_before_phase raised OSError: before phase"):
        manager(Raises()).hooks.before_phase(RUN, ExperimentPhase.INITIALIZATION)


def test_panther_after_phase_that_raises_keeps_nobody_from_being_told() -> None:
    notes = Notes()
    hooks = manager(notes, Raises()).hooks
    hooks.after_phase(RUN, ExperimentPhase.CLEANUP)
    hooks.after_phase(RUN, ExperimentPhase.CLEANUP)
    assert notes.told == [("after", ExperimentPhase.CLEANUP)] * 2
    assert listed(["no\n  try: yes"] * 2) == ("no (2 times)\n  try: yes",)
    assert listed(hooks.failures) == ("plugin Raises: panther_after_phase raised OSError: after phase (2 times)",)


def test_panther_on_phase_error_gets_the_error() -> None:
    notes = Notes()
    manager(notes).hooks.on_phase_error(RUN, ExperimentPhase.CLEANUP, ValueError("x"))
    assert notes.told == [("error", "x")]


def test_panther_before_test_case_is_fatal_for_the_attempt() -> None:
    with pytest.raises(HookError, match="before case"):
        manager(Raises()).hooks.before_test_case(CASE)
    notes = Notes()
    manager(notes).hooks.before_test_case(CASE)
    assert notes.told == [("before", "c")]


def test_panther_after_test_case_gets_the_verdict() -> None:
    notes = Notes()
    manager(notes).hooks.after_test_case(CASE, Verdict.PASS)
    assert notes.told == [("c", Verdict.PASS)]


def test_panther_on_test_case_error_gets_the_error() -> None:
    notes = Notes()
    manager(notes).hooks.on_test_case_error(CASE, ValueError("x"))
    assert notes.told == [("error", "x")]


def test_panther_before_environment_setup_gets_the_environment() -> None:
    notes = Notes()
    manager(notes).hooks.before_environment_setup(CASE, "netns")
    assert notes.told == [("setup", "netns")]


def test_panther_after_environment_teardown_gets_what_is_left() -> None:
    notes = Notes()
    manager(notes).hooks.after_environment_teardown(CASE, "netns", ("veth0",))
    assert notes.told == [("teardown", ("veth0",))]


def test_panther_on_environment_error_gets_the_error() -> None:
    notes = Notes()
    manager(notes).hooks.on_environment_error(CASE, "netns", ValueError("x"))
    assert notes.told == [("netns", "x")]


def test_panther_on_event_is_only_called_if_somebody_implements_it() -> None:
    assert manager().hooks.event_listener() is None
    notes = Notes()
    listen = manager(notes).hooks.event_listener()
    assert listen is not None
    listen(TestEvent(test_case_id="c", action="started"))
    assert notes.told == ["test.started"]


def test_panther_choose_next_test_takes_the_first_answer_of_a_waiting_test() -> None:
    class Second:
        @hookimpl
        def panther_choose_next_test(self, waiting: Sequence[TestCandidate], system: System) -> TestCandidate:
            return waiting[-1]

    assert manager(Second()).hooks.choose_next_test((ONE, TWO), DESK) == TWO
    assert manager().hooks.choose_next_test((ONE, TWO), DESK) is None


def test_panther_choose_next_test_that_raises_or_invents_leaves_the_choice_to_the_engine() -> None:
    class Invents:
        @hookimpl
        def panther_choose_next_test(self) -> TestCandidate:
            return TestCandidate(case_id="three", name="three")

    raising = manager(Raises()).hooks
    assert raising.choose_next_test((ONE,), DESK) is None
    assert "choose" in listed(raising.failures)[0]
    assert manager(Invents()).hooks.choose_next_test((ONE,), DESK) is None


def test_panther_choose_applicable_falls_back_to_labels() -> None:
    needs_docker = TestCandidate(case_id="d", name="d", labels=frozenset({"docker"}))
    assert manager().hooks.choose_applicable(ONE, DESK)
    assert not manager().hooks.choose_applicable(needs_docker, DESK)

    class Anything:
        @hookimpl
        def panther_choose_applicable(self) -> bool:
            return True

    assert manager(Anything()).hooks.choose_applicable(needs_docker, DESK)


def test_panther_choose_fitness_is_zero_without_an_opinion() -> None:
    class Prefers:
        @hookimpl
        def panther_choose_fitness(self, test: TestCandidate) -> float | None:
            return 7.0 if test.name == "one" else None

    hooks = manager(Prefers()).hooks
    assert (hooks.choose_fitness(ONE, DESK), hooks.choose_fitness(TWO, DESK)) == (7.0, 0.0)


def test_panther_choose_port_range_names_the_plugin_that_raises() -> None:
    class Ports:
        @hookimpl
        def panther_choose_port_range(self) -> tuple[int, int]:
            return (20000, 20010)

    assert manager(Ports()).hooks.choose_port_range(RUN) == (20000, 20010)
    assert manager().hooks.choose_port_range(RUN) is None
    with pytest.raises(HookError, match="plugin Raises"):
        manager(Raises()).hooks.choose_port_range(RUN)


def test_tryfirst_and_trylast_are_honoured() -> None:
    order: list[str] = []

    class Last:
        @hookimpl(trylast=True)
        def panther_before_phase(self) -> None:
            order.append("last")

    class First:
        @hookimpl(tryfirst=True)
        def panther_before_phase(self) -> None:
            order.append("first")

    manager(First(), Last()).hooks.before_phase(RUN, ExperimentPhase.CLEANUP)
    manager(Last(), First()).hooks.before_phase(RUN, ExperimentPhase.CLEANUP)
    assert order == ["first", "last"] * 2
