"""What runs on another system: it tells while it runs, outlives the connection, never the lease."""

from __future__ import annotations

import fcntl
import os
import shlex
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from panther_core.remote import connection
from panther_core.remote.cases import RemoteCases
from panther_core.remote.far import bridge
from panther_core.remote.host import RemoteHost
from panther_core.testing import ends
from panther_hookspecs import CaseTask, EnvironmentUnavailableError, JobEnd, System, SystemLostError

LONG = ("sh", "-c", 'echo "{\\"name\\": \\"pid\\", \\"value\\": $$}" >&3; sleep 600')
Connect = Callable[..., RemoteHost]


def run(host: RemoteHost, argv: Sequence[str], **how: Any) -> JobEnd:
    return host.start(argv, **how).wait()


@pytest.fixture
def base(tmp_path: Path) -> Path:
    return tmp_path / f"panther-{os.getuid()}"


@pytest.fixture
def connect(base: Path) -> Iterator[Connect]:
    """Connects to this machine as if it was another one: the same processes, the same way."""
    made: list[RemoteHost] = []

    def make(name: str = "far", lease: float = 60.0) -> RemoteHost:
        facts = {"folder": str(base.parent), "interpreter": sys.executable, "lease": str(lease)}
        made.append(RemoteHost.connect(System(name=name, reach=tuple, facts=facts), "run"))
        return made[-1]

    yield make
    for host in made:
        host.close()


def begun(host: RemoteHost) -> tuple[int, Callable[[], object]]:
    """Start what takes long; return its process and what waits for its end."""
    told: list[int] = []
    reader, writer = os.pipe()

    def heard(said: object) -> None:
        told.append(said["value"])  # type: ignore[index]
        os.write(writer, b".")

    job = host.start(LONG, heard=heard)
    result: list[object] = []

    def wait() -> None:
        try:
            result.append(job.wait())
        except SystemLostError as error:
            result.append(error)

    thread = threading.Thread(target=wait, daemon=True)
    thread.start()
    os.read(reader, 1)

    def outcome() -> object:
        thread.join(60)
        return result[0]

    return told[0], outcome


def agent_of(host: RemoteHost) -> int:
    return int(host.connection._birth.partition("-")[0])


def test_a_command_tells_results_files_and_output_while_and_after_it_runs(connect: Connect, tmp_path: Path) -> None:
    script = """
        echo '{"name": "one", "status": "fail", "partial": true}' >&3
        echo 'no json' >&3
        echo '{"name": "one", "status": "pass"}' >&3
        echo evidence > proof.txt
        echo '{"file": "proof.txt"}' >&3
        seq 1 20000
        exit 3
    """
    heard: list[object] = []
    host = connect()
    end = host.start(("sh", "-c", script), files=tmp_path / "kept", heard=heard.append).wait()
    assert (end.reason, end.code) == ("ended", 3)
    assert end.results == ({"name": "one", "status": "pass"},)
    assert len(heard) == 3
    assert end.notes == ("this is no result: no json",)
    assert (tmp_path / "kept/proof.txt").read_text() == "evidence\n"
    assert (tmp_path / "kept/output.txt").read_text() == "".join(f"{number}\n" for number in range(1, 20001))


def test_a_tree_travels_once_and_is_the_same_there(connect: Connect, tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    (tree / "deep").mkdir(parents=True)
    (tree / "deep/program").write_text("#!/bin/sh\necho ran\n")
    (tree / "deep/program").chmod(0o755)
    host = connect()
    there = host.copy(tree)
    assert run(host, ("deep/program",), cwd=there).output == b"ran\n"
    (Path(there) / "seen").touch()
    assert host.copy(tree) == there
    assert (Path(there) / "seen").exists()
    host.fetch(there, tmp_path / "back")
    assert (tmp_path / "back/deep/program").read_bytes() == (tree / "deep/program").read_bytes()


def test_what_does_not_exist_ends_as_in_a_shell(connect: Connect) -> None:
    host = connect()
    end = run(host, ("no-such-program",))
    assert end.code == 127
    assert b"no-such-program: No such file" in end.output
    with pytest.raises(Exception, match="No such file"):
        host.fetch("/no/such/folder", Path("/tmp"))


def test_a_timeout_ends_all_that_was_started_and_can_be_moved(connect: Connect) -> None:
    host = connect()
    script = """sleep 600 & setsid sleep 600 & echo "{\\"name\\": \\"a\\", \\"pids\\": [$!, $$]}" >&3; wait"""
    end = run(host, ("sh", "-c", script), timeout=1)
    assert (end.reason, end.code) == ("timeout", -signal.SIGTERM)
    assert all(ends(pid) for pid in end.results[0]["pids"])
    longer = """echo '{"duration": "+600"}' >&3; sleep 2; echo survived"""
    assert run(host, ("sh", "-c", longer), timeout=1).output == b"survived\n"


def test_what_runs_goes_on_while_the_connection_is_broken(connect: Connect, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    host = connect()
    script = f"""cat {gate}; echo '{{"name": "late", "status": "pass"}}' >&3; echo done"""
    job = host.start(("sh", "-c", script))
    process = host.connection._process
    assert process is not None
    process.kill()
    process.wait()  # until then it may still bring the end of the job
    gate.write_text("go\n")
    end = job.wait()
    assert end.output == b"go\ndone\n"
    assert [each["name"] for each in end.results] == ["late"]
    assert host.connection.breaks == 1


def test_a_killed_agent_loses_what_ran_and_leaves_none_of_it(connect: Connect) -> None:
    host = connect()
    pid, outcome = begun(host)
    os.kill(agent_of(host), signal.SIGKILL)
    assert isinstance(outcome(), SystemLostError)
    assert ends(pid)
    assert run(host, ("echo", "again")).output == b"again\n"


def test_when_agent_and_guard_are_killed_the_next_one_cleans_up(connect: Connect, base: Path) -> None:
    host = connect()
    pid, outcome = begun(host)
    guard = int(Path(f"/proc/{agent_of(host)}/stat").read_text().rpartition(")")[2].split()[1])
    os.kill(guard, signal.SIGSTOP)
    os.kill(agent_of(host), signal.SIGKILL)
    os.kill(guard, signal.SIGKILL)
    assert isinstance(outcome(), SystemLostError)
    assert ends(pid)
    host.close()
    assert not base.exists()


def test_nothing_is_left_when_the_lease_is_over(connect: Connect, base: Path) -> None:
    host = connect(lease=0.2)
    other = connect("other")
    pid, _ = begun(host)
    guard = int(Path(f"/proc/{agent_of(host)}/stat").read_text().rpartition(")")[2].split()[1])
    host.connection.leave()
    assert ends(pid)
    assert ends(guard)
    assert [each.name for each in (base / "agents").iterdir()] == [other.connection.agent]
    other.close()
    assert not base.exists()


def test_a_system_that_is_gone_before_a_case_is_sent_has_begun_nothing(connect: Connect, tmp_path: Path) -> None:
    host = connect()
    cases = RemoteCases(host, code="")
    cases.begin()
    os.kill(agent_of(host), signal.SIGKILL)
    task = CaseTask(run_id="run", case_id="one", attempt=1, experiment="", here="", keep_capture="always")
    with pytest.raises(SystemLostError) as lost:
        cases.carry_out(task, tmp_path)
    assert not lost.value.begun


def test_what_all_share_is_never_seen_half_removed(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (base / "trees/one").mkdir(parents=True)
    (base / "trees.gone/of-one-who-was-killed").mkdir(parents=True)
    (base / "agents").mkdir()
    remove, seen = shutil.rmtree, []

    def watched(path: str, **how: object) -> None:
        assert path.endswith(".gone")
        folder = os.open(base, os.O_RDONLY)
        with pytest.raises(BlockingIOError):
            fcntl.flock(folder, fcntl.LOCK_SH | fcntl.LOCK_NB)
        os.close(folder)
        seen.append(path)
        remove(path, **how)  # type: ignore[arg-type]

    monkeypatch.setattr(shutil, "rmtree", watched)
    bridge.sweep(str(base))
    assert seen
    assert not base.exists()


def test_an_agent_that_does_nothing_any_more_is_lost_although_its_connection_stands(
    connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "SILENCE", 0.3)
    host = connect(lease=0.3)
    _, outcome = begun(host)
    agent = agent_of(host)
    monkeypatch.setattr(connection, "ANSWER_WITHIN", 1.0)
    os.kill(agent, signal.SIGSTOP)
    try:
        lost = outcome()
    finally:
        os.kill(agent, signal.SIGKILL)
    assert isinstance(lost, SystemLostError)


def test_who_comes_back_as_another_one_finds_nothing_running(connect: Connect) -> None:
    first = connect()
    pid, _ = begun(first)
    first.connection.leave()
    second = connect()
    assert ends(pid)
    assert agent_of(second) == agent_of(first)


def test_a_command_that_restarts_its_host_begins_anew(connect: Connect, tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    tree.mkdir()
    (tree / "test.sh").write_text(
        "if [ -z $PANTHER_REBOOTS ]; then echo '{\"reboot\": true}' >&3; head -n1 <&3; kill -9 $1; sleep 600; fi\n"
        "echo up again\n"
    )
    host = connect()
    there = host.copy(tree)
    end = run(host, ("sh", "test.sh", str(agent_of(host))), cwd=there)
    assert (end.output, end.reboots) == (b"up again\n", 1)


def test_cancelling_ends_it_from_any_thread(connect: Connect) -> None:
    host = connect()
    job = host.start(LONG)
    job.cancel()
    job.cancel()
    assert job.wait().reason == "cancelled"


def test_a_way_that_leads_nowhere_says_why() -> None:
    system = System(name="nowhere", reach=lambda _argv: ("sh", "-c", "echo no route to host >&2; exit 255"))
    with pytest.raises(EnvironmentUnavailableError, match="nowhere cannot be used: no route to host"):
        RemoteHost.connect(system, "run")


@pytest.mark.parametrize(
    ("python", "oldest", "why"),
    [
        (sys.executable, (99, 0), r"is Python 3\.\d+\.\d+ there, not 99.0 or later\n  try: install Python 99.0"),
        ("/none/python3", (3, 9), "/none/python3 cannot be started there: .*not found\n  try: install Python 3.9"),
    ],
)
def test_a_python_that_will_not_do_is_named_with_what_is_needed(python: str, oldest: tuple[int, int], why: str) -> None:
    by_a_shell = System(
        name="far", reach=lambda argv: ("sh", "-c", shlex.join(argv)), facts={"interpreter": python, "folder": "/tmp"}
    )
    with pytest.raises(EnvironmentUnavailableError, match=why) as error:
        RemoteHost.connect(by_a_shell, "run", oldest=oldest)
    assert error.value.lasting


def test_a_folder_that_is_not_there_is_named() -> None:
    facts = {"folder": "/proc/none", "interpreter": sys.executable}
    with pytest.raises(EnvironmentUnavailableError, match="/proc/none is no folder there"):
        RemoteHost.connect(System(name="far", reach=tuple, facts=facts), "run")


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to mount a small disk")
def test_a_full_disk_there_loses_the_system_and_not_the_verdict(connect: Connect, base: Path) -> None:
    base.mkdir()
    subprocess.run(("mount", "-t", "tmpfs", "-o", "size=1m", "none", str(base)), check=True)
    try:
        host = connect()
        with pytest.raises(SystemLostError, match="full"):
            run(host, ("sh", "-c", "head -c 2000000 /dev/zero > big"))
        host.close()
    finally:
        subprocess.run(("umount", str(base)), check=True)
