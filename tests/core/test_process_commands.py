"""Commands that are run to their end."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from panther_core.process import LocalCommandProcessor, Supervisor
from panther_hookspecs import BaseEvent, CommandExecutionEvent, ShellCommand

SOON = 20.0


@pytest.fixture(scope="module")
def supervisor() -> Iterator[Supervisor]:
    with Supervisor.start(run_id="test-commands", output_limit=1 << 20) as started:
        yield started


@pytest.fixture
def commands(supervisor: Supervisor) -> LocalCommandProcessor:
    return supervisor.commands


def test_the_result_holds_code_output_and_cost(commands: LocalCommandProcessor) -> None:
    result = commands.execute(ShellCommand("sh", ("-c", "echo out; echo err >&2; exit 4")))
    assert (result.exit_code, result.stdout, result.stderr) == (4, "out\n", "err\n")
    assert (result.stdout_path, result.stderr_path) == (None, None)
    assert 0 < result.duration < SOON
    assert result.usage.max_rss_bytes > 0


def test_output_is_kept_in_the_log_folder_and_never_overwritten(
    commands: LocalCommandProcessor, tmp_path: Path
) -> None:
    results = [
        commands.execute(ShellCommand("echo", (word,)), log_dir=tmp_path / "logs", name="say")
        for word in ("one", "two")
    ]
    assert [result.stdout for result in results] == ["one\n", "two\n"]
    assert sorted(path.name for path in (tmp_path / "logs").iterdir()) == [
        "say-2.stderr",
        "say-2.stdout",
        "say.stderr",
        "say.stdout",
    ]
    assert results[1].stdout_path == tmp_path / "logs" / "say-2.stdout"


def test_input_reaches_the_command(commands: LocalCommandProcessor) -> None:
    assert commands.execute(ShellCommand("wc", ("-c",)), stdin=b"x" * 300_000).stdout.strip() == "300000"


def test_a_command_that_takes_too_long_ends_with_its_whole_tree(
    commands: LocalCommandProcessor, tmp_path: Path
) -> None:
    began = time.monotonic()
    script = "echo begun; (setsid sh -c 'echo $$ > pid; exec sleep 600' &); sleep 600"
    result = commands.execute(ShellCommand("sh", ("-c", script), str(tmp_path), 0.3))
    assert time.monotonic() - began < SOON
    assert str(result.exit) == "timeout (signal 9)"
    assert result.exit.detail == "ran longer than 0.3 s"
    assert result.stdout == "begun\n"
    assert not Path(f"/proc/{(tmp_path / 'pid').read_text().strip()}").exists()


def test_a_daemon_of_a_command_does_not_outlive_it(commands: LocalCommandProcessor, tmp_path: Path) -> None:
    script = "setsid sleep 600 & echo $! > pid"
    assert commands.execute(ShellCommand("sh", ("-c", script), str(tmp_path))).exit.ok
    assert not Path(f"/proc/{(tmp_path / 'pid').read_text().strip()}").exists()


def test_a_missing_program_is_a_result_and_no_exception(commands: LocalCommandProcessor) -> None:
    result = commands.execute(ShellCommand("no-such-tool"))
    assert result.exit_code == 127
    assert "no-such-tool" in result.exit.detail


def test_a_log_folder_that_cannot_be_made_is_a_result_and_no_exception(commands: LocalCommandProcessor) -> None:
    result = commands.execute(ShellCommand("true"), log_dir=Path("/proc/nowhere"))
    assert result.exit.reason == "start_failed"
    assert "/proc/nowhere" in result.exit.detail


def test_only_the_beginning_of_much_output_is_returned(commands: LocalCommandProcessor, tmp_path: Path) -> None:
    much = ShellCommand("sh", ("-c", "head -c 3000000 /dev/zero | tr '\\0' x"))
    kept = commands.execute(much, log_dir=tmp_path, name="much")
    for result in (commands.execute(much), kept):
        assert result.stdout == "x" * (64 << 10)
    assert kept.stdout_path is not None
    assert kept.stdout_path.stat().st_size == 1 << 20


def test_variables_that_would_change_an_interpreter_are_not_inherited(
    commands: LocalCommandProcessor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONHOME", "/nowhere")
    monkeypatch.setenv("INHERITED", "yes")
    shown = commands.execute(ShellCommand("env", env={"OWN": "too"})).stdout.splitlines()
    assert not [line for line in shown if line.startswith("PYTHONHOME=")]
    assert {"INHERITED=yes", "OWN=too"} <= set(shown)


def test_every_command_is_told_as_an_event(supervisor: Supervisor) -> None:
    told: list[BaseEvent] = []
    LocalCommandProcessor(supervisor.launcher, told.append, "here").execute(ShellCommand("sh", ("-c", "exit 3")))
    (event,) = told
    assert isinstance(event, CommandExecutionEvent)
    assert (event.command, event.exit_code, event.environment_name) == ("sh -c 'exit 3'", 3, "here")
