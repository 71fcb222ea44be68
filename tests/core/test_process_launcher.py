"""Starting, waiting for and ending programs, the nasty ones above all."""

from __future__ import annotations

import os
import re
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from panther_core.process import LocalProcess, Supervisor
from panther_hookspecs import Layer, LayerRole, ServiceCommand, ShellCommand

SOON = 20.0
CALL = "sys.exit(subprocess.call(sys.argv[1:]))"
DAEMON = """
import os, sys, time
def last():
    os.setsid()
    if os.fork():
        os._exit(0)
    open(sys.argv[1], "w").write(str(os.getpid()))
    time.sleep(600)
if not os.fork():
    last()
time.sleep(600 if sys.argv[2] == "stay" else 0)
"""


@pytest.fixture(scope="module")
def supervisor() -> Iterator[Supervisor]:
    with Supervisor.start(run_id="test-launcher") as started:
        yield started


@pytest.fixture
def start(supervisor: Supervisor, tmp_path: Path) -> Callable[..., LocalProcess]:
    def _start(
        *argv: object, layers: tuple[Layer, ...] = (), working_dir: str | None = None, **more: object
    ) -> LocalProcess:
        program = ShellCommand(str(argv[0]), argv[1:], working_dir)
        command = ServiceCommand(program=program, layers=layers)
        return supervisor.launcher.start(command, name="service", folder=tmp_path, **more)  # type: ignore[arg-type]

    return _start


def eventually(true: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + SOON
    while not true():
        assert time.monotonic() < deadline, f"{what} did not happen"
        time.sleep(0.005)


def runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def number_in(path: Path) -> int:
    eventually(lambda: path.exists() and path.read_text().strip(), f"a number in {path.name}")
    return int(path.read_text())


def test_exit_code_and_output_are_those_of_the_program(start: Callable[..., LocalProcess], tmp_path: Path) -> None:
    process = start("sh", "-c", "echo out; echo err >&2; exit 7")
    assert str(process.wait(SOON)) == "exit code 7"
    assert (tmp_path / "stdout").read_text() == "out\n"
    assert (tmp_path / "stderr").read_text() == "err\n"


def test_a_death_by_signal_is_told_from_an_exit_code(start: Callable[..., LocalProcess]) -> None:
    status = start("sh", "-c", "kill -SEGV $$").wait(SOON)
    assert status is not None
    assert (status.code, status.signal, status.reason) == (None, signal.SIGSEGV, "signal")


def test_a_program_sees_its_folder_an_empty_input_and_its_marks(
    start: Callable[..., LocalProcess], tmp_path: Path
) -> None:
    start("sh", "-c", "pwd; wc -c; echo $PANTHER_RUN $PANTHER_SERVICE").wait(SOON)
    assert (tmp_path / "stdout").read_text().split() == [str(tmp_path), "0", "test-launcher", "service"]


def test_a_program_inherits_three_descriptors_and_default_signals(
    start: Callable[..., LocalProcess], tmp_path: Path
) -> None:
    reader, writer = os.pipe()
    os.set_inheritable(writer, True)
    script = (
        "import os; print(sorted(map(int, os.listdir('/proc/self/fd')))[:-1]); print(open('/proc/self/status').read())"
    )
    try:
        start(sys.executable, "-I", "-c", script).wait(SOON)
    finally:
        os.close(reader)
        os.close(writer)
    fds, status = (tmp_path / "stdout").read_text().split("\n", 1)
    marks = dict(line.split(":\t", 1) for line in status.splitlines() if line.startswith("Sig"))
    assert fds == "[0, 1, 2]"
    assert int(marks["SigBlk"], 16) == 0
    known = {*signal.valid_signals()} - {signal.SIGPIPE, signal.SIGXFSZ}  # Python itself ignores these two
    assert [number for number in known if int(marks["SigIgn"], 16) >> (number - 1) & 1] == []


def test_a_given_environment_replaces_the_inherited_one(start: Callable[..., LocalProcess], tmp_path: Path) -> None:
    start("/usr/bin/env", env={"ONLY": "this"}).wait(SOON)
    assert {line.partition("=")[0] for line in (tmp_path / "stdout").read_text().splitlines()} == {
        "ONLY",
        "PANTHER_RUN",
        "PANTHER_SERVICE",
        "PANTHER_PROCESS",
    }


def test_a_second_start_in_the_same_folder_keeps_what_the_first_has_printed(
    start: Callable[..., LocalProcess], tmp_path: Path
) -> None:
    for word in ("first", "second"):
        start("echo", word).wait(SOON)
    assert (tmp_path / "stdout").read_text() == "first\nsecond\n"


@pytest.mark.parametrize(
    ("program", "said"),
    [
        ("no-such-program-at-all", r"no-such-program-at-all: No such file or directory; it is in no folder of PATH"),
        ("/no/such/program", "/no/such/program: No such file or directory$"),
        ("./plain", r"\./plain: Permission denied; it may not be executed"),
        ("./lost", r"\./lost: No such file or directory; it exists, but the interpreter in its first line"),
        ("./text", r"\./text: Exec format error; .* first line such as #!/bin/sh"),
        ("./", r"\./: Permission denied; it is a folder"),
        ("nul\0byte", "embedded null"),
    ],
)
def test_a_program_that_cannot_start_says_why(
    start: Callable[..., LocalProcess], tmp_path: Path, program: str, said: str
) -> None:
    for name, content, mode in (
        ("plain", "#!/bin/sh\n", 0o644),
        ("lost", "#!/no/such/shell\n", 0o755),
        ("text", "no script\n", 0o755),
    ):
        (tmp_path / name).write_text(content)
        (tmp_path / name).chmod(mode)
    process = start(program)
    assert process.exit is not None
    assert process.exit.reason == "start_failed"
    assert (process.exit.code, process.exit.signal, process.pid, process.pids()) == (None, None, 0, ())
    assert process.stop(signal=15, grace=1) == process.kill() == process.wait() == process.exit
    assert not process.exit.ok
    assert re.search(said, process.exit.detail), process.exit.detail


def test_a_missing_working_directory_is_not_taken_for_a_missing_program(start: Callable[..., LocalProcess]) -> None:
    process = start("true", working_dir="/no/such/folder")
    assert str(process.exit) == (
        "could not start: true: its working directory /no/such/folder: No such file or directory"
    )


def test_an_output_that_cannot_be_opened_is_the_reason(supervisor: Supervisor, tmp_path: Path) -> None:
    (tmp_path / "stderr").mkdir()
    process = supervisor.launcher.start(ServiceCommand(program=ShellCommand("true")), name="x", folder=tmp_path)
    assert f"true: cannot open its stderr {tmp_path}/stderr: Is a directory" in str(process.exit)


def test_an_output_on_a_full_disk_is_the_reason(supervisor: Supervisor, tmp_path: Path) -> None:
    (tmp_path / "stdout").symlink_to("/proc/self/nothing-can-be-created-here")
    process = supervisor.launcher.start(ServiceCommand(program=ShellCommand("true")), name="x", folder=tmp_path)
    assert process.exit is not None
    assert process.exit.reason == "start_failed"
    assert "stdout" in process.exit.detail


def test_stopping_gives_the_program_its_signal(start: Callable[..., LocalProcess], tmp_path: Path) -> None:
    process = start("sh", "-c", "trap 'echo bye; exit 5' INT; echo up; while :; do sleep 0.01; done")
    eventually((tmp_path / "stdout").read_text, "the program's start")
    status = process.stop(signal=signal.SIGINT, grace=SOON)
    assert (status.code, status.reason, status.ok) == (5, "stopped", True)
    assert "bye" in (tmp_path / "stdout").read_text()


def test_a_program_that_ignores_its_signal_is_killed_after_the_grace(
    start: Callable[..., LocalProcess], tmp_path: Path
) -> None:
    process = start("sh", "-c", "trap '' TERM; echo up; while :; do sleep 0.01; done")
    eventually((tmp_path / "stdout").read_text, "the program's start")
    began = time.monotonic()
    status = process.stop(signal=signal.SIGTERM, grace=0.2)
    assert 0.2 <= time.monotonic() - began < SOON
    assert (status.signal, status.reason, status.ok) == (9, "stopped", False)
    assert status.detail == "still ran 0.2 s after SIGTERM, so it was killed"
    assert process.pids() == ()


def test_a_crash_while_stopping_is_a_crash(start: Callable[..., LocalProcess], tmp_path: Path) -> None:
    process = start("sh", "-c", "trap 'kill -ABRT $$' TERM; echo up; while :; do sleep 0.01; done")
    eventually((tmp_path / "stdout").read_text, "the program's start")
    status = process.stop(signal=signal.SIGTERM, grace=SOON)
    assert (status.signal, status.reason, status.ok) == (signal.SIGABRT, "signal", False)


def test_waiting_with_a_time_limit_returns_none_while_it_runs(start: Callable[..., LocalProcess]) -> None:
    process = start("sleep", "600")
    assert process.wait(0.01) is None
    assert process.exit is None
    assert process.kill().signal == 9


@pytest.mark.parametrize("main", ["stay", "go"])
def test_a_daemon_belongs_to_its_service_and_ends_with_it(
    start: Callable[..., LocalProcess], tmp_path: Path, main: str
) -> None:
    process = start(sys.executable, "-I", "-c", DAEMON, tmp_path / "pid", main)
    daemon = number_in(tmp_path / "pid")
    if main == "go":
        process.wait(SOON)
    eventually(lambda: daemon in process.pids(), "the daemon's being found")
    process.stop(signal=signal.SIGTERM, grace=SOON)
    assert not runs(daemon)
    assert process.pids() == ()


def test_a_daemon_that_hides_its_environment_is_found_all_the_same(
    start: Callable[..., LocalProcess], tmp_path: Path
) -> None:
    other = start("sleep", "600")
    process = start("sh", "-c", "setsid env -i sh -c 'echo $$ > pid; exec sleep 600' & sleep 0.1")
    daemon = number_in(tmp_path / "pid")
    process.wait(SOON)
    eventually(lambda: daemon in process.pids(), "the daemon's being found")
    assert other.pids() == (other.pid,)
    process.kill()
    assert not runs(daemon)
    assert other.exit is None
    other.kill()


def test_a_tree_that_keeps_forking_is_ended(start: Callable[..., LocalProcess], tmp_path: Path) -> None:
    process = start("sh", "-c", "echo up; while :; do (setsid sleep 600 &) ; sleep 0.001; done")
    eventually((tmp_path / "stdout").read_text, "the program's start")
    eventually(lambda: len(process.pids()) > 20, "twenty daemons")
    process.kill()
    assert process.pids() == ()


def test_the_signal_goes_to_the_program_below_its_wrapper(start: Callable[..., LocalProcess], tmp_path: Path) -> None:
    wrapper = "import signal, subprocess, sys; signal.signal(15, signal.SIG_IGN); " + CALL
    layer = Layer(role=LayerRole.INSTRUMENT, by="wrapper", argv=(sys.executable, "-I", "-c", wrapper), forks=True)
    program = "import signal; signal.signal(15, lambda *_: exit(3)); print('up', flush=True); signal.pause()"
    process = start(sys.executable, "-I", "-c", program, layers=(layer,))
    eventually((tmp_path / "stdout").read_text, "the program's start")
    assert process.program_pid != process.pid
    assert process.program_pid in process.pids()
    assert process.stop(signal=signal.SIGTERM, grace=SOON).code == 3


def test_a_copy_that_a_wrapper_has_made_of_itself_is_not_the_program(
    start: Callable[..., LocalProcess], tmp_path: Path
) -> None:
    wrapper = "import os, subprocess, sys, time; os.fork() or time.sleep(600); " + CALL
    layer = Layer(role=LayerRole.INSTRUMENT, by="wrapper", argv=(sys.executable, "-I", "-c", wrapper), forks=True)
    process = start(
        sys.executable, "-I", "-c", "import time; print('up', flush=True); time.sleep(600)", layers=(layer,)
    )
    eventually((tmp_path / "stdout").read_text, "the program's start")
    assert b"'up'" in Path(f"/proc/{process.program_pid}/cmdline").read_bytes().split(b"\0")[3]
    assert len(process.pids()) == 3


def test_a_signal_waits_for_a_wrapper_that_has_not_started_its_program_yet(start: Callable[..., LocalProcess]) -> None:
    wrapper = "import signal, subprocess, sys, time; signal.signal(15, lambda *_: 0); time.sleep(0.3); " + CALL
    layer = Layer(role=LayerRole.INSTRUMENT, by="wrapper", argv=(sys.executable, "-I", "-c", wrapper), forks=True)
    status = start("sleep", "600", layers=(layer,)).stop(signal=signal.SIGTERM, grace=SOON)
    assert (status.code, status.reason) == (256 - signal.SIGTERM, "stopped"), "the program was not ended by SIGTERM"


def test_many_threads_start_and_wait_at_once(supervisor: Supervisor, tmp_path: Path) -> None:
    codes: dict[int, int | None] = {}

    def one(number: int) -> None:
        folder = tmp_path / str(number)
        folder.mkdir()
        command = ServiceCommand(program=ShellCommand("sh", ("-c", f"exit {number}")))
        status = supervisor.launcher.start(command, name=f"s{number}", folder=folder).wait(SOON)
        codes[number] = status.code if status else None

    threads = [threading.Thread(target=one, args=(number,)) for number in range(200)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert codes == {number: number for number in range(200)}


def test_several_threads_may_kill_and_wait_for_the_same_process(start: Callable[..., LocalProcess]) -> None:
    process = start("sh", "-c", "sleep 600 & setsid sleep 600 & wait")
    seen: list[object] = []
    threads = [threading.Thread(target=lambda: seen.append(process.kill())) for _ in range(8)]
    threads += [threading.Thread(target=lambda: seen.append(process.wait(SOON))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(seen) == {process.exit}
    assert len(seen) == 16


def test_leaving_the_supervisor_ends_everything(tmp_path: Path) -> None:
    with Supervisor.start(run_id="test-leaving") as own:
        program = ShellCommand(sys.executable, ("-I", "-c", DAEMON, tmp_path / "pid", "stay"))
        process = own.launcher.start(ServiceCommand(program=program), name="a", folder=tmp_path)
        daemon = number_in(tmp_path / "pid")
    assert not runs(process.pid)
    assert not runs(daemon)
    assert process.exit is not None
    assert process.exit.signal == 9
