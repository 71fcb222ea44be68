"""The conformance suites find what is wrong: each test here breaks one promise and sees that promise named."""

from __future__ import annotations

import argparse
import queue
import sys
import types
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest

from panther_core.testing.conformance import (
    CommandConformance,
    ObserverConformance,
    PluginConformance,
    ProtocolConformance,
    ProvisionerConformance,
    ReportConformance,
    ServiceConformance,
    sample_run,
)
from panther_core.testing.conformance.base import registered, unmet
from panther_core.testing.conformance.outputs import RecordingCommandContext
from panther_hookspecs import (
    CheckResult,
    CommandDescriptor,
    Descriptor,
    Need,
    Observer,
    ObserverDescriptor,
    ProtocolDescriptor,
    Provisioner,
    ProvisionerDescriptor,
    ReportDescriptor,
    Role,
    ServiceDescriptor,
    ServiceManager,
    ServicePlan,
    ShellCommand,
    System,
    TestScenario,
    Verdict,
    hookimpl,
)


def plugin_of(hook: str, *descriptors: Descriptor) -> types.ModuleType:
    """Return a plugin module that registers ``descriptors``."""
    module = types.ModuleType("panther_made_for_a_test")
    setattr(module, f"panther_register_{hook}", hookimpl(lambda: descriptors))
    return module


def suite(kind: type[PluginConformance], hook: str, *descriptors: Descriptor, **attributes: Any) -> Any:
    """Return the suite of a kind, to be called test by test, for a plugin with these descriptors."""
    module = plugin_of(hook, *descriptors)
    made = type("Made", (kind,), {"plugin": "made", "module": lambda self: module, **attributes})
    return made()


def assert_found(message: str, test: Callable[..., object], *arguments: object) -> None:
    """Assert that the test of a suite fails, with ``message`` somewhere in the reason."""
    with pytest.raises((AssertionError, pytest.fail.Exception), match=message):
        test(*arguments)


# --------------------------------------------------------------------------------------------- every plugin


def _service(**more: Any) -> ServiceDescriptor:
    given: dict[str, Any] = {
        "name": "one",
        "summary": "One",
        "factory": lambda options: _Planned(lambda _: _ECHO),
        **more,
    }
    return ServiceDescriptor(**given)


@attrs.frozen
class _Undocumented:
    key: int = 1


@pytest.mark.parametrize(
    ("descriptor", "said"),
    [
        (_service(summary=""), "one line of text"),
        (_service(summary="two\nlines"), "line break"),
        (_service(options=_Undocumented), "needs a help text"),
        (_service(options=dict), "must be an attrs class"),
    ],
)
def test_descriptors_that_say_too_little_are_found(descriptor: ServiceDescriptor, said: str) -> None:
    made = suite(ServiceConformance, "services", descriptor)
    assert_found(said, made.test_descriptors_are_well_formed)


def test_a_name_registered_twice_is_found() -> None:
    assert_found(
        "twice", suite(ServiceConformance, "services", _service(), _service()).test_descriptors_are_well_formed
    )


def test_a_hook_with_an_unknown_argument_or_without_its_decorator_is_found() -> None:
    made = suite(ServiceConformance, "services", _service())
    made.test_hook_implementations_match_the_specifications()
    made.module().panther_on_event = lambda event: None
    assert_found("lack the decorator", made.test_hook_implementations_match_the_specifications)
    made.module().panther_on_event = hookimpl(lambda happening: None)
    with pytest.raises(Exception, match="happening"):
        made.test_hook_implementations_match_the_specifications()


def test_a_register_hook_that_counts_is_found() -> None:
    names = iter(("a", "b"))
    made = suite(ServiceConformance, "services")
    made.module().panther_register_services = hookimpl(lambda: [_service(name=next(names))])
    assert_found("something else than the first", made.test_registering_twice_gives_the_same)


@pytest.mark.parametrize(
    ("source", "test", "said"),
    [
        ("import ssl", "test_importing_it_is_light", "imports ssl"),
        ("import panther_core", "test_it_imports_the_contract_and_not_the_engine", "imports panther_core"),
        ("raise RuntimeError('boom')", "test_importing_it_is_light", "boom"),
    ],
)
def test_what_an_import_must_not_do_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str, test: str, said: str
) -> None:
    (tmp_path / "made_on_disk.py").write_text(source)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))

    class Made(PluginConformance):
        __test__ = False
        plugin = "made_on_disk"

    assert_found(said, getattr(Made(), test))


def test_a_plugin_that_is_not_installed_is_found() -> None:
    assert_found("is it installed", suite(ServiceConformance, "services").test_one_entry_point_by_the_law_of_names)


def test_what_a_machine_lacks_is_named() -> None:
    needs = [Need("tool", "no-such-tool", package="nice"), Need("tool", "sh"), Need("python", "no_such_module")]
    assert unmet(needs) == ["tool no-such-tool (package nice)", "python no_such_module"]


def test_a_suite_of_a_plugin_with_several_needs_a_name() -> None:
    several = (_service(), _service(name="two"))
    assert_found("say which one", suite(ServiceConformance, "services", *several).found, ServiceDescriptor)
    named = suite(ServiceConformance, "services", *several, name="two")
    assert named.found(ServiceDescriptor).name == "two"


# ------------------------------------------------------------------------------------------------- protocols


def _protocol(check: Callable[..., Iterable[CheckResult]], **more: Any) -> ProtocolDescriptor:
    scenario = TestScenario(name="talk", summary="talks", check=check)
    given: dict[str, Any] = {"roles": (Role(name="peer"),), "scenarios": (scenario,), **more}
    return ProtocolDescriptor(name="made", summary="Made", **given)


def _result(verdict: Verdict = Verdict.PASS, evidence: str = "seen") -> CheckResult:
    return CheckResult(name="talked", verdict=verdict, evidence=evidence, proves_exchange=True)


def test_a_scenario_that_passes_without_evidence_is_found(tmp_path: Path) -> None:
    made = suite(ProtocolConformance, "protocols", _protocol(lambda seen: [_result()]))
    assert_found("without any evidence", made.test_nothing_exchanged_is_never_a_pass, tmp_path)
    assert_found("although", made.test_odd_evidence_is_judged_without_raising, tmp_path, "crashed")


def test_a_check_that_gives_no_reason_is_found(tmp_path: Path) -> None:
    made = suite(ProtocolConformance, "protocols", _protocol(lambda seen: [_result(Verdict.FAIL, "")]))
    assert_found("gives no evidence", made.test_nothing_exchanged_is_never_a_pass, tmp_path)


def test_a_protocol_that_shows_no_success_is_found(tmp_path: Path) -> None:
    made = suite(ProtocolConformance, "protocols", _protocol(lambda seen: [_result(Verdict.FAIL)]))
    assert_found("must define plant_success", made.test_planted_success_passes, tmp_path)
    made.plant_success = lambda scenario, folders: None
    assert_found("does not pass", made.test_planted_success_passes, tmp_path)


def test_a_role_that_talks_to_nobody_is_found() -> None:
    made = suite(ProtocolConformance, "protocols", _protocol(lambda seen: [], roles=(Role(name="a", target="b"),)))
    assert_found("which is no role", made.test_roles_are_well_formed)


# -------------------------------------------------------------------------------------------------- services

_ECHO = ServicePlan(run=ShellCommand("echo", ("hi",)), ends_by_itself=True)


@attrs.frozen
class _Planned(ServiceManager):
    make: Callable[[Any], ServicePlan]

    def plan(self, context: Any) -> ServicePlan:
        return self.make(context)


def _planning(make: Callable[[Any], ServicePlan]) -> Any:
    return suite(ServiceConformance, "services", _service(factory=lambda options: _Planned(make)))


def test_a_plan_that_changes_is_found(tmp_path: Path) -> None:
    numbers = iter(range(9))
    made = _planning(lambda _: ServicePlan(run=ShellCommand("echo", (next(numbers),))))
    assert_found("different plans", made.test_planning_is_pure, tmp_path)


def test_a_plan_that_writes_is_found(tmp_path: Path) -> None:
    def plan(_: object) -> ServicePlan:
        Path("config.ini").touch()
        return _ECHO

    assert_found("has written files", _planning(plan).test_planning_is_pure, tmp_path)


def test_an_unknown_placeholder_is_found() -> None:
    made = _planning(lambda _: ServicePlan(run=ShellCommand("echo", ("{sevrer.ip}",))))
    with pytest.raises(Exception, match=r"\{sevrer\.ip\}"):
        made.test_placeholders_are_known()


def test_an_undeclared_tool_is_found() -> None:
    made = _planning(lambda _: ServicePlan(run=ShellCommand("openssl")))
    assert_found("'openssl' is not declared", made.test_needed_tools_are_declared)


def test_files_that_leave_the_folder_are_found() -> None:
    made = _planning(lambda _: ServicePlan(run=ShellCommand("echo"), files={"../x": b""}))
    assert_found("leaves the folder", made.test_files_stay_in_the_folder)


# ---------------------------------------------------------------------------- provisioners, outputs


@attrs.define
class _Generous(Provisioner):
    """Hands out the same system to everybody."""

    def reserve(self) -> System | None:
        return System(name="only")

    def release(self, system: System) -> None:
        pass


def test_a_system_handed_out_twice_is_found() -> None:
    descriptor = ProvisionerDescriptor(name="made", summary="Made", factory=lambda options: _Generous())
    made = suite(ProvisionerConformance, "provisioners", descriptor, systems=2)
    assert_found("handed out twice", made.test_systems_are_distinct, _Generous())
    assert_found("although it is taken", made.test_reserving_one_too_many_waits_or_says_no, _Generous())


def test_an_honest_provisioner_passes() -> None:
    class Honest(Provisioner):
        def __init__(self) -> None:
            self.free: queue.SimpleQueue[System] = queue.SimpleQueue()
            self.free.put(System(name="desk"))

        def reserve(self) -> System | None:
            return self.free.get()

        def release(self, system: System) -> None:
            self.free.put(system)

    made = suite(ProvisionerConformance, "provisioners")
    for name in dir(ProvisionerConformance):
        if name.startswith("test_") and not hasattr(PluginConformance, name):
            getattr(made, name)(Honest())


class _Littering(Observer):
    def handle_event(self, event: Any) -> None:
        Path("events.txt").touch()


def test_an_observer_that_changes_its_mind_or_writes_anywhere_is_found(tmp_path: Path) -> None:
    descriptor = ObserverDescriptor(name="made", summary="Made", factory=lambda context: _Littering())
    made = suite(ObserverConformance, "observers", descriptor)

    def make(name: str) -> Observer:
        (tmp_path / name).mkdir()
        return _Littering()

    assert_found("the interest has changed", made.test_interest_depends_on_the_name_alone, lambda name: _Alternating())
    assert_found("it wrote", made.test_it_writes_into_the_run_only, make, tmp_path)


class _Alternating(Observer):
    def __init__(self) -> None:
        self.asked = 0

    def is_interested(self, event_type: str) -> bool:
        self.asked += 1
        return self.asked % 7 == 0

    def handle_event(self, event: Any) -> None:
        pass


def test_reports_that_differ_touch_the_run_or_need_a_case_are_found(tmp_path: Path) -> None:
    def write(run: Any, target: Path, options: Any) -> None:
        target.write_text(str(target) + next(iter(run.cases()))["verdict"])
        (run.folder / "mine.txt").touch()

    descriptor = ReportDescriptor(name="made", summary="Made", filename="../up.txt", write=write)
    made = suite(ReportConformance, "reports", descriptor)
    assert_found("is no file name", made.test_its_file_name_is_one)
    assert_found("differ", made.test_the_same_run_gives_the_same_report, _fresh(tmp_path, "a"))
    assert_found("was changed", made.test_the_run_is_left_as_it_was, _fresh(tmp_path, "b"))
    with pytest.raises(StopIteration):
        made.test_an_empty_run_is_reported(_fresh(tmp_path, "c"))


def test_commands_that_print_or_fail_are_found(tmp_path: Path) -> None:
    def run(args: Any, context: Any) -> int:
        sys.stdout.write("hello\n")
        return 0

    def configure(parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--unexplained")

    made = suite(
        CommandConformance,
        "commands",
        CommandDescriptor(name="made", summary="Made", configure=configure, run=run),
    )
    assert_found("no help text", made.test_every_argument_is_explained)
    context = _context(tmp_path)
    assert_found("use context.say", made.test_it_works_with_its_arguments, context)


def _context(tmp_path: Path) -> Any:
    return RecordingCommandContext(tmp_path)


def _fresh(tmp_path: Path, name: str) -> Path:
    folder = tmp_path / name
    folder.mkdir()
    return folder


def test_the_sample_run_has_every_verdict_and_reads_as_a_run(tmp_path: Path) -> None:
    run = sample_run(tmp_path / "run")
    assert {case["verdict"] for case in run.cases()} == {verdict.value for verdict in Verdict}
    assert len(list(run.attempts())) == len(Verdict) + 1
    assert run.experiment["name"] == "sample"
    assert list(sample_run(tmp_path / "empty", empty=True).cases()) == []


def test_registered_asks_every_hook() -> None:
    def bring() -> Iterator[Descriptor]:
        yield _service()

    module = types.ModuleType("made")
    module.panther_register_services = hookimpl(bring)  # type: ignore[attr-defined]
    assert [each.name for each in registered(module)] == ["one"]
