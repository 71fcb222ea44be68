"""The project fixture runs real commands, shows what came of them, and leaves the process as it was."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from panther_core.plugin_manager import PluginManager
from panther_core.testing import EventRecorder, HookRecorder, MakeProject, recording_context
from panther_core.testing.dummy import DummyPlugin
from panther_hookspecs import ServiceCommand, ServiceReadyEvent, ShellCommand

pytest_plugins = ["panther_core.testing.plugin"]

EXPERIMENT = """
name: an experiment
protocol: dummy
network_environment: dummy
test_cases:
  - name: talk
    services:
      server: {implementation: dummy}
      client: {implementation: dummy}
"""


def test_an_outcome_has_everything_of_the_run(panther_project: MakeProject) -> None:
    project = panther_project({"exp.yaml": EXPERIMENT}, plugins=[DummyPlugin()])

    outcome = project.run("run exp.yaml")

    outcome.assert_ok()
    outcome.assert_exit(0, "1 pass")
    outcome.assert_verdicts({"talk": "pass"})
    assert outcome.run.parent == project.folder / "runs"
    assert [case["name"] for case in outcome.cases()] == ["talk"]
    assert len(outcome.attempts()) == 1
    assert outcome.text("services/client/stdout") == "talked\n"
    assert outcome.folder("talk") == outcome.folder()
    assert "server.cpu_seconds" in outcome.measurements("talk")
    assert outcome.measurements("no such case") == {}
    assert outcome.events()


def test_files_may_be_bytes_and_stand_in_folders(panther_project: MakeProject) -> None:
    project = panther_project({"deep/er/data.bin": b"\x00\xff", "a.txt": "\u00fc"})
    assert (project.folder / "deep/er/data.bin").read_bytes() == b"\x00\xff"
    assert (project.folder / "a.txt").read_text("utf-8") == "\u00fc"


def test_two_projects_know_nothing_of_each_other(panther_project: MakeProject) -> None:
    panther_project({"exp.yaml": EXPERIMENT}, plugins=[DummyPlugin()]).run("run exp.yaml").assert_ok()
    without = panther_project({"exp.yaml": EXPERIMENT}).run("run exp.yaml")
    without.assert_exit(2, "dummy")
    assert without.runs == ()


def test_the_process_is_left_as_it_was(panther_project: MakeProject, capsys: pytest.CaptureFixture[str]) -> None:
    before = (Path.cwd(), dict(os.environ), sys.stdout, sys.stderr)
    panther_project({}).run("plugins", environ={"NO_COLOR": "1"})
    assert (Path.cwd(), dict(os.environ), sys.stdout, sys.stderr) == before
    assert capsys.readouterr() == ("", "")


def test_failed_assertions_show_what_was_printed(panther_project: MakeProject) -> None:
    outcome = panther_project({"exp.yaml": EXPERIMENT}, plugins=[DummyPlugin()]).run("run exp.yaml")
    with pytest.raises(AssertionError, match="talk: pass: client talked"):
        outcome.assert_verdicts({"talk": "fail"})
    with pytest.raises(AssertionError, match=r"panther run exp\.yaml"):
        outcome.assert_exit(1)
    with pytest.raises(AssertionError, match="'no such text'"):
        outcome.assert_exit(0, "no such text")
    with pytest.raises(AssertionError, match="0 cases 'other'"):
        outcome.folder("other")


def test_a_command_that_makes_no_run_has_none(panther_project: MakeProject) -> None:
    outcome = panther_project({}).run("plugins")
    with pytest.raises(AssertionError, match="0 run directories"):
        outcome.cases()
    with pytest.raises(AssertionError, match="expected exit code 0"):
        panther_project({}).run("run nowhere.yaml").assert_ok()


def test_the_console_script_is_the_same_in_a_process_of_its_own(panther_project: MakeProject) -> None:
    project = panther_project({})
    inside, outside = project.run("--version"), project.run("--version", subprocess=True)
    assert (outside.exit_code, outside.stdout) == (inside.exit_code, inside.stdout)
    with pytest.raises(ValueError, match="installed plugins only"):
        panther_project({}, plugins=[DummyPlugin()]).run("plugins", subprocess=True)


def test_hooks_are_recorded_in_order_with_their_arguments(panther_project: MakeProject) -> None:
    recorder = HookRecorder()
    panther_project({"exp.yaml": EXPERIMENT}, plugins=[DummyPlugin(), recorder]).run("run exp.yaml").assert_ok()

    recorder.assert_order(
        [
            "panther_before_phase",
            "panther_before_test_case",
            ("panther_before_environment_setup", {"environment": "dummy"}),
            ("panther_after_environment_teardown", {"environment": "dummy", "leftovers": ()}),
            "panther_after_test_case",
            "panther_after_phase",
        ]
    )
    with pytest.raises(AssertionError, match="panther_before_test_case"):
        recorder.assert_order(["panther_after_test_case", "panther_before_test_case"])
    with pytest.raises(AssertionError, match="other"):
        recorder.assert_order([("panther_before_environment_setup", {"environment": "other"})])


def test_calls_to_every_plugin_are_recorded_where_a_manager_is_watched() -> None:
    plugin = DummyPlugin()
    manager = PluginManager.load(autoload=False, extra=[plugin])
    recorder = HookRecorder()
    with recorder.watching(manager):
        assert list(manager.hooks.registered("protocols", plugin))
    assert [(call.hook, call.plugin) for call in recorder.calls] == [("panther_register_protocols", "DummyPlugin")]
    list(manager.hooks.registered("protocols", plugin))
    assert len(recorder.calls) == 1, "after the block nothing is recorded"


def test_events_are_recorded_in_order() -> None:
    recorder = EventRecorder()
    with pytest.raises(AssertionError, match="none at all"):
        recorder.assert_order(["service.ready"])
    for name in ("server", "client"):
        recorder.handle_event(ServiceReadyEvent(service_name=name, environment_name="dummy"))
    recorder.assert_order(
        [("service.ready", {"service_name": "server"}), ("service.ready", {"service_name": "client"})]
    )
    with pytest.raises(AssertionError, match="'server'"):
        recorder.assert_order(
            [("service.ready", {"service_name": "client"}), ("service.ready", {"service_name": "server"})]
        )
    recorder.close()
    assert recorder.closed
    assert recorder.names == ["service.ready", "service.ready"]


def test_a_recording_context_starts_real_processes_and_ends_them(tmp_path: Path) -> None:
    with recording_context(tmp_path / "attempt", name="network") as context:
        sleeping = ServiceCommand(program=ShellCommand("sleep", ("3600",)))
        process = context.launcher.start(sleeping, name="one", folder=context.folder)
        assert Path(f"/proc/{process.pid}").exists()
        context.note("a note")
        context.metrics.record_counter("seen", 2)
        context.emit(ServiceReadyEvent(service_name="one", environment_name="dummy"))
        assert not context.cancelled()
        context.cancel.set()
        assert context.cancelled()
    assert not Path(f"/proc/{process.pid}").exists()
    assert context.folder == context.attempt / "network"
    assert context.notes == ["a note"]
    assert context.recorded.records == [("counter", "seen", 2, {})]
    assert [event.name for event in context.events] == ["service.ready"]
