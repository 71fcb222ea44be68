"""What is left when PANTHER or its supervisor is killed: nothing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest

from panther_core.process import Supervisor, alive_runs, leftovers
from panther_hookspecs import ResourceLimits, ServiceCommand, ShellCommand, TestExecutionError, why_not

SOON = 60.0
OWNER = """
import os, sys, time
from pathlib import Path
from panther_core.process import Supervisor
from panther_hookspecs import ControlGroup, ResourceLimits, ServiceCommand, ShellCommand, why_not
if not why_not(ResourceLimits(cpu=0.5)):
    ControlGroup.beside(os.getpid(), f"panther-{sys.argv[1]}-1", ResourceLimits(cpu=0.5))
supervisor = Supervisor.start(run_id=sys.argv[1])
script = "trap '' TERM INT HUP; sleep 600 & (setsid sh -c 'sleep 600 & exec sleep 600' &); echo up; wait"
for name, program in (("a", ShellCommand("sh", ("-c", script))), ("b", ShellCommand("sleep", (600,)))):
    supervisor.launcher.start(ServiceCommand(program=program), name=name, folder=Path(sys.argv[2]))
print("started", flush=True)
time.sleep(600)
"""
FORK = """
import os
child = os.fork()
if not child:
    time.sleep(60)
    os._exit(0)
print(child, flush=True)
"""


def eventually(true: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + SOON
    while not true():
        assert time.monotonic() < deadline, f"{what} did not happen"
        time.sleep(0.005)


def marked(run_id: str) -> list[int]:
    """Return the living processes of a run, its supervisor included, in the plainest way."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if run_id.encode() in (folder / "environ").read_bytes():
                found.append(int(folder.name))
        except OSError:
            continue
    return found


@pytest.fixture
def run_id() -> str:
    return f"test-{uuid.uuid4().hex}"


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_nothing_is_left_when_panther_was_killed(tmp_path: Path, run_id: str, number: int) -> None:
    (tmp_path / "owner.py").write_text(OWNER)
    owner = subprocess.Popen(
        [sys.executable, str(tmp_path / "owner.py"), run_id, str(tmp_path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert owner.stdout is not None
    with owner.stdout:
        assert owner.stdout.readline() == b"started\n"
        eventually(lambda: len(marked(run_id)) >= 7, "five processes and a supervisor")
        groups = list(Path("/sys/fs/cgroup").rglob(f"panther-{run_id}-*"))
        assert groups or why_not(ResourceLimits(cpu=0.5))
        os.kill(owner.pid, number)
        eventually(lambda: not marked(run_id), "the end of everything")
        assert not any(each.exists() for each in groups), "control groups go before the last process does"
    owner.wait()


def test_a_fork_of_panther_does_not_keep_its_programs_alive(tmp_path: Path, run_id: str) -> None:
    (tmp_path / "owner.py").write_text(OWNER.replace("print(", FORK + "\nprint("))
    owner = subprocess.Popen(
        [sys.executable, "-W", "ignore", str(tmp_path / "owner.py"), run_id, str(tmp_path)], stdout=subprocess.PIPE
    )
    assert owner.stdout is not None
    with owner.stdout:
        fork = int(owner.stdout.readline())
        owner.kill()
        owner.wait()
        try:
            eventually(lambda: not marked(run_id), "the end of everything")
            assert Path(f"/proc/{fork}").exists(), "the fork has ended, so it showed nothing"
        finally:
            os.kill(fork, signal.SIGKILL)


def test_a_killed_supervisor_is_noticed_and_its_programs_end(tmp_path: Path, run_id: str) -> None:
    with Supervisor.start(run_id=run_id) as supervisor:
        script = "(setsid sleep 600 &); sleep 600 & wait"
        process = supervisor.launcher.start(
            ServiceCommand(program=ShellCommand("sh", ("-c", script))), name="a", folder=tmp_path
        )
        eventually(lambda: len(process.pids()) == 3, "three processes")
        os.kill(supervisor.pid, signal.SIGKILL)
        status = process.wait(SOON)
        assert status is not None
        assert (status.signal, status.ok) == (9, False)
        assert "process supervisor" in status.detail
        assert marked(run_id) == []
        assert process.pids() == ()
        assert process.stop(signal=15, grace=1) == status
        with pytest.raises(TestExecutionError, match="try: run the experiment again"):
            supervisor.launcher.start(ServiceCommand(program=ShellCommand("true")), name="b", folder=tmp_path)


def test_a_process_that_is_just_becoming_another_program_is_found_when_it_is(tmp_path: Path, run_id: str) -> None:
    """It has no environment at that moment; one that never had any until then shows the same for longer."""
    os.mkfifo(tmp_path / "go")
    late = 'read line <go; export PANTHER_RUN="$0" PANTHER_PROCESS="$1"; exec sleep 600'
    script = f"(setsid env -i sh -c '{late}' $PANTHER_RUN $PANTHER_PROCESS &); exec sleep 600"
    with Supervisor.start(run_id=run_id) as supervisor:
        process = supervisor.launcher.start(
            ServiceCommand(program=ShellCommand("sh", ("-c", script))), name="a", folder=tmp_path
        )
        with (tmp_path / "go").open("w") as go:  # waits for the reader, which has no environment
            assert process.pids() == (process.pid,)
            go.write("now\n")
        eventually(lambda: len(process.pids()) == 2, "that the late program is known as one of the service")


def test_a_stopped_terminal_group_does_not_reach_programs(tmp_path: Path, run_id: str) -> None:
    with Supervisor.start(run_id=run_id) as supervisor:
        process = supervisor.launcher.start(
            ServiceCommand(program=ShellCommand("sleep", (600,))), name="a", folder=tmp_path
        )
        assert os.getsid(process.pid) == process.pid
        assert os.getsid(supervisor.pid) != os.getsid(0)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            os.kill(supervisor.pid, number)
        assert supervisor.commands.execute(ShellCommand("true")).exit.ok
        assert process.exit is None


def test_starting_after_the_end_is_an_error(tmp_path: Path, run_id: str) -> None:
    supervisor = Supervisor.start(run_id=run_id)
    supervisor.close()
    supervisor.close()
    with pytest.raises(TestExecutionError, match="is closed"):
        supervisor.launcher.start(ServiceCommand(program=ShellCommand("true")), name="a", folder=tmp_path)


def test_processes_of_a_living_run_are_no_leftovers(tmp_path: Path, run_id: str) -> None:
    with Supervisor.start(run_id=run_id) as supervisor:
        process = supervisor.launcher.start(
            ServiceCommand(program=ShellCommand("sleep", (600,))), name="a", folder=tmp_path
        )
        eventually(lambda: process.pid in marked(run_id), "the program's start")
        assert run_id in alive_runs()
        assert [each for each in leftovers() if each.run_id == run_id] == []
    assert run_id not in alive_runs()


def test_a_leftover_of_a_dead_run_is_found_and_removed_and_nothing_else_is(run_id: str) -> None:
    marks = {"PANTHER_RUN": run_id, "PANTHER_SERVICE": "server", "PANTHER_PROCESS": "1"}
    ours = subprocess.Popen(["sleep", "600"], env={**os.environ, **marks})
    other = subprocess.Popen(["sleep", "600"], env={**os.environ, "PANTHER_RUN": run_id})
    try:
        eventually(lambda: Path(f"/proc/{ours.pid}/cmdline").read_bytes().startswith(b"sleep"), "the program's start")
        found = [each for each in leftovers() if each.run_id == run_id]
        assert [each.what for each in found] == [f"process {ours.pid} (sleep 600) of service server"]
        found[0].remove()
        assert ours.wait() == -9
        found[0].remove()
        assert other.poll() is None
        assert not any(str(other.pid) in each.what for each in leftovers())
    finally:
        for process in (ours, other):
            process.kill()
            process.wait()
