"""Real programs under the real strace: what is reported is what the program does and what strace itself has counted."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from panther_profiler_strace.environment import StraceEnvironment
from panther_profiler_strace.figures import disagreements, read_figures, told_figures
from panther_profiler_strace.log import read_log
from panther_profiler_strace.options import Fault, StraceOptions
from panther_profiler_strace.watch import Watch

from panther_core.testing import RecordingContext, recording_context
from panther_hookspecs import (
    Bytes,
    EnvironmentUnavailableError,
    Finding,
    InstrumentTarget,
    MonitoringData,
    Process,
    Seconds,
    ServiceCommand,
    ShellCommand,
)

pytestmark = pytest.mark.skipif(shutil.which("strace") is None, reason="needs strace")

CONNECTIONS = 4
SOON = 20.0
TIMES = 3
"""benchmarks/planted.py looks more often."""

SERVER = """
#include <arpa/inet.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static int listener;

static void *serve(void *unused) {
    char text[100];
    int on = 1, peer = accept(listener, NULL, NULL);
    setsockopt(peer, SOL_SOCKET, 9999, &on, sizeof on);  /* there is no such option */
    send(peer, text, recv(peer, text, sizeof text, MSG_WAITALL), 0);
    close(peer);
    return unused;
}

int main(int count, char **words) {
    int forks = count > 1 && !strcmp(words[1], "fork"), connections = 4;
    struct sockaddr_in own = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof own;
    pthread_t threads[4];
    char text[100] = "x";
    listener = socket(AF_INET, SOCK_STREAM, 0);
    bind(listener, (struct sockaddr *)&own, size);
    listen(listener, 10);
    getsockname(listener, (struct sockaddr *)&own, &size);
    for (int i = 0; i < connections; i++) {
        if (forks) { if (!fork()) { serve(NULL); _exit(0); } }
        else pthread_create(threads + i, NULL, serve, NULL);
    }
    for (int i = 0; i < connections; i++) {
        int s = socket(AF_INET, SOCK_STREAM, 0);
        connect(s, (struct sockaddr *)&own, size);
        send(s, text, sizeof text, 0);
        recv(s, text, sizeof text, MSG_WAITALL);
        close(s);
    }
    for (int i = 0; i < connections; i++) { if (forks) wait(NULL); else pthread_join(threads[i], NULL); }
    return 7;
}
"""

WAITING_THREADS = """
#include <pthread.h>
#include <signal.h>
#include <unistd.h>
static void stop(int unused) { _exit(5); }
static void *work(void *unused) { for (;;) { getppid(); usleep(2000); } return unused; }
int main(void) {
    pthread_t threads[3];
    signal(SIGTERM, stop);
    for (int i = 0; i < 3; i++) pthread_create(threads + i, NULL, work, NULL);
    for (;;) pause();
}
"""

BUSY = """
#include <unistd.h>
int main(void) { for (int i = 0; i < 40000; i++) getppid(); return 0; }
"""

DENYING = """
case "$*" in
    *-V*) echo "strace -- version 6.1" ;;
    *) echo "strace: ptrace(PTRACE_TRACEME, ...): Operation not permitted" >&2; exit 1 ;;
esac
"""

PYTHON = """
import socket, subprocess, threading
a, b = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
threading.Thread(target=b.recv, args=(9,)).start()
a.send(b"x")
subprocess.run(["true"], check=True)
"""


@pytest.fixture
def compiled(tmp_path: Path) -> Callable[[str], str]:
    """Compile C programs."""
    if shutil.which("cc") is None:
        pytest.skip("needs a C compiler")

    def compile_source(source: str) -> str:
        path = tmp_path / f"program-{abs(hash(source))}"
        if not path.exists():
            path.with_suffix(".c").write_text(source)
            subprocess.run(["cc", "-pthread", "-o", path, path.with_suffix(".c")], check=True)
        return str(path)

    return compile_source


@contextlib.contextmanager
def instrument(folder: Path, **options: Any) -> Iterator[tuple[StraceEnvironment, RecordingContext]]:
    with recording_context(folder, name="profiles/one/strace") as context:
        yield StraceEnvironment(context, StraceOptions(**options)), context


def started(tool: StraceEnvironment, context: RecordingContext, *argv: str) -> Process:
    """Do what the engine does up to the start."""
    command = ServiceCommand(program=ShellCommand(argv[0], argv[1:]))
    target = InstrumentTarget(service="one", command=command, runtime="native", stop_signal=signal.SIGTERM)
    assert [str(each) for each in tool.check(target)] == []
    folder = context.attempt / "services" / "one"
    folder.mkdir(parents=True, exist_ok=True)
    process = context.launcher.start(tool.wrap(command), name="one", folder=folder)
    tool.start_monitoring(process)
    return process


def finished(tool: StraceEnvironment, process: Process) -> MonitoringData:
    assert process.wait(SOON) is not None
    tool.stop_monitoring()
    process.stop(signal=signal.SIGTERM, grace=1)
    return tool.get_monitoring_data()


def watched(folder: Path, *argv: str, **options: Any) -> MonitoringData:
    """Return what strace finds out about a program that ends by itself."""
    with instrument(folder, **options) as (tool, context):
        return finished(tool, started(tool, context, *argv))


def numbers(data: MonitoringData) -> Mapping[str, float]:
    return {each.name.removeprefix("strace."): each.value for each in data.measurements}


def kinds(data: MonitoringData) -> Mapping[str, Finding]:
    return {each.kind: each for each in data.findings}


@pytest.mark.parametrize("how", ["fork", "thread"])
def test_a_server_with_workers_is_followed_and_the_planted_failure_counted(
    compiled: Callable[[str], str], tmp_path: Path, how: str
) -> None:
    data = watched(tmp_path / "attempt", compiled(SERVER), how)
    assert data.problems == ()
    found = kinds(data)
    assert set(found) == {"setsockopt.ENOPROTOOPT"}
    assert found["setsockopt.ENOPROTOOPT"].count == CONNECTIONS
    seen = numbers(data)
    assert seen["tasks"] == 1 + CONNECTIONS
    assert seen["accept.count"] == seen["setsockopt.count"] == seen["setsockopt.errors"] == CONNECTIONS
    assert seen["net.bytes_sent"] == seen["net.bytes_received"] == 2 * 100 * CONNECTIONS
    assert seen["truncated"] == 0


@pytest.mark.parametrize("how", ["fork", "thread"])
def test_the_planted_failure_is_found_in_every_run(compiled: Callable[[str], str], tmp_path: Path, how: str) -> None:
    program = compiled(SERVER)
    found = [kinds(watched(tmp_path / f"{number}", program, how)) for number in range(TIMES)]
    assert [{(each.fingerprint, each.count) for each in one.values()} for one in found] == [
        {("strace:setsockopt:ENOPROTOOPT:TCP", CONNECTIONS)}
    ] * TIMES


@pytest.mark.parametrize("name", ["fork", "thread", "python", "shell"])
def test_counts_errors_and_times_are_those_of_strace_itself(
    compiled: Callable[[str], str], tmp_path: Path, name: str
) -> None:
    programs = {
        "fork": (compiled(SERVER), "fork"),
        "thread": (compiled(SERVER), "thread"),
        "python": (sys.executable, "-c", PYTHON),
        "shell": ("sh", "-c", "for i in 1 2 3; do echo $i | cat >/dev/null; done; ls /nonexistent; true"),
    }
    assert watched(tmp_path / "attempt", *programs[name]).problems == ()
    trace = read_log(tmp_path / "attempt" / "profiles" / "one" / "strace" / "strace.log")
    assert (trace.tables, trace.unread, disagreements(trace)) == (1, 0, [])
    read, told = read_figures(trace), told_figures(trace)
    assert {name: (each.count, each.errors) for name, each in read.items()} == {
        name: (each.count, each.errors) for name, each in told.items()
    }
    assert all(abs(read[each].nanoseconds - told[each].nanoseconds) <= 1000 for each in read)


@pytest.mark.parametrize(
    "options", [{"calls": ("network",)}, {"calls": ("/^(send|recv)",)}, {"exclude": ("memory", "getpid")}]
)
@pytest.mark.parametrize("fast", [True, False])
def test_a_filter_leaves_the_same_calls_with_and_without_the_kernels_help(
    compiled: Callable[[str], str], tmp_path: Path, options: dict[str, Any], *, fast: bool
) -> None:
    seen = numbers(watched(tmp_path / "attempt", compiled(SERVER), "fork", seccomp_bpf=fast, **options))
    assert seen["sendto.count"] == 2 * CONNECTIONS
    assert "mmap.count" not in seen
    assert ("setsockopt.count" in seen) == (options != {"calls": ("/^(send|recv)",)})


def test_a_named_call_that_is_never_made_is_measured_as_zero(tmp_path: Path) -> None:
    seen = numbers(watched(tmp_path / "attempt", "true", calls=("connect", "network")))
    assert (seen["connect.count"], seen["connect.errors"]) == (0, 0)


def test_a_fault_is_injected_and_is_no_finding_itself(compiled: Callable[[str], str], tmp_path: Path) -> None:
    fault = Fault(calls=("setsockopt",), error="EPERM", first=1)
    data = watched(tmp_path / "attempt", compiled(SERVER), "fork", inject=(fault,))
    seen = numbers(data)
    assert (seen["injected"], seen["setsockopt.EPERM.count"]) == (CONNECTIONS, CONNECTIONS)
    assert (data.findings, data.problems) == ((), ())


def test_a_fault_that_never_happened_is_a_problem(tmp_path: Path) -> None:
    data = watched(tmp_path / "attempt", "true", inject=(Fault(calls=("connect",), error="EIO"),))
    assert ["no fault was injected" in str(each) for each in data.problems] == [True]


def test_a_delayed_call_takes_longer(tmp_path: Path) -> None:
    fault = Fault(calls=("getuid", "geteuid"), delay=Seconds(0.2))
    seen = numbers(watched(tmp_path / "attempt", "id", "-u", inject=(fault,)))
    assert seen["geteuid.seconds"] >= 0.2


def test_attached_to_a_running_server_every_thread_is_seen_and_the_server_lives_on(
    compiled: Callable[[str], str], tmp_path: Path
) -> None:
    with instrument(tmp_path / "attempt", attach=True) as (tool, context):
        process = started(tool, context, compiled(WAITING_THREADS))
        log = context.folder / "strace.log"
        until(lambda: log.exists() and log.read_bytes().count(b"getppid") > 30)
        tool.stop_monitoring()
        assert process.exit is None
        assert process.stop(signal=signal.SIGTERM, grace=SOON).code == 5
        data = tool.get_monitoring_data()
    seen = numbers(data)
    assert data.problems == ()
    assert seen["tasks"] == 4
    assert seen["getppid.count"] > 10


def test_attaching_by_name_leaves_out_the_rest_of_the_service(tmp_path: Path) -> None:
    script = "sleep 60 & while :; do :; done"
    with instrument(tmp_path / "attempt", attach=True, target_process="sleep") as (tool, context):
        process = started(tool, context, "sh", "-c", script)
        tool.stop_monitoring()
        process.kill()
        told = (context.folder / "stderr").read_text()
    assert told.count(" attached") == 1


def test_what_is_traced_already_is_refused(compiled: Callable[[str], str], tmp_path: Path) -> None:
    program = compiled(WAITING_THREADS)
    with instrument(tmp_path / "first") as (first, context):
        process = started(first, context, program)
        until(lambda: Path(f"/proc/{process.program_pid}/cmdline").read_bytes().startswith(program.encode()))
        second = StraceEnvironment(context, StraceOptions(attach=True))
        with pytest.raises(EnvironmentUnavailableError, match=r"strace\) traces it"):
            second.start_monitoring(process)
        process.stop(signal=signal.SIGTERM, grace=SOON)


def test_a_program_that_has_ended_cannot_be_attached_to(tmp_path: Path) -> None:
    with instrument(tmp_path / "attempt", attach=True) as (tool, context):
        process = context.launcher.start(
            ServiceCommand(program=ShellCommand("true")), name="one", folder=context.attempt
        )
        process.wait(SOON)
        tool.start_monitoring(process)
        data = finished(tool, process)
    assert ["the service ended before" in str(each) for each in data.problems] == [True]


def test_strace_leaves_when_its_time_is_over_and_the_program_goes_on(
    compiled: Callable[[str], str], tmp_path: Path
) -> None:
    with instrument(tmp_path / "attempt", monitoring_duration=Seconds(0.3)) as (tool, context):
        process = started(tool, context, compiled(WAITING_THREADS))
        log = context.folder / "strace.log"
        until(lambda: log.exists() and b"% time" in log.read_bytes())
        assert process.exit is None
        tool.stop_monitoring()
        assert process.stop(signal=signal.SIGTERM, grace=SOON).code == 5
        data = tool.get_monitoring_data()
    assert data.problems == ()
    assert 0 < numbers(data)["getppid.count"] < 600


def test_a_log_that_grows_too_large_is_cut_and_the_counts_are_complete(
    compiled: Callable[[str], str], tmp_path: Path
) -> None:
    with instrument(tmp_path / "attempt", log_limit=Bytes(1 << 17)) as (tool, context):
        data = finished(tool, started(tool, context, compiled(BUSY)))
        notes = list(context.notes)
        size = (context.folder / "strace.log").stat().st_size
    seen = numbers(data)
    assert seen["getppid.count"] == 40_000
    assert seen["truncated"] == 1
    assert size < 40_000 * 60
    assert any("cut off at its limit" in note for note in notes)
    assert data.problems == ()


def test_cutting_keeps_whole_lines_and_never_the_table_away(tmp_path: Path) -> None:
    log = tmp_path / "strace.log"
    line = b"7 1700000000.000000 getppid() = 1 <0.000001000>\n"
    log.write_bytes(line * 60_000)
    watch = Watch(log, 1000, lambda: True)
    watch.cut()
    kept = log.read_bytes()
    assert kept.startswith(line * 20)
    assert kept.endswith(b"+++\n")
    with log.open("ab") as file:
        file.write(line * 60_000 + b"% time     seconds\n")
    before = log.stat().st_size
    watch.cut()
    assert log.stat().st_size == before


def test_a_killed_strace_is_a_problem_with_what_was_seen_so_far(compiled: Callable[[str], str], tmp_path: Path) -> None:
    with instrument(tmp_path / "attempt") as (tool, context):
        process = started(tool, context, compiled(WAITING_THREADS))
        log = context.folder / "strace.log"
        until(lambda: log.exists() and log.read_bytes().count(b"getppid") > 30)
        process.kill()
        data = tool.get_monitoring_data()
    assert ["its table is missing" in str(each) for each in data.problems] == [True]
    assert numbers(data)["truncated"] == 1


def test_a_program_that_does_not_exist_is_an_error_that_says_so(tmp_path: Path) -> None:
    with instrument(tmp_path / "attempt") as (tool, context):
        process = started(tool, context, "no-such-program")
        with pytest.raises(EnvironmentUnavailableError, match="Can't stat 'no-such-program'"):
            finished(tool, process)


def test_the_results_go_where_the_user_wants_them(tmp_path: Path) -> None:
    data = watched(tmp_path / "attempt", "true", output_directory="traces")
    assert {Path(each.path) for each in data.artifacts} >= {tmp_path / "attempt" / "traces" / "one" / "strace.log"}
    assert all(Path(each.path).stat().st_size for each in data.artifacts)


def until(condition: Callable[[], bool]) -> None:
    """Wait for something that must happen."""
    deadline = time.monotonic() + SOON
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        os.sched_yield()
        time.sleep(0.005)


def refusals(folder: Path, environ: Mapping[str, str], monkeypatch: pytest.MonkeyPatch, **options: Any) -> list[str]:
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    with instrument(folder, **options) as (tool, _):
        command = ServiceCommand(program=ShellCommand("true"))
        target = InstrumentTarget(service="one", command=command, runtime="native", stop_signal=signal.SIGTERM)
        return [str(each) for each in tool.check(target)]


def fake(folder: Path, script: str) -> Mapping[str, str]:
    """Return an environment in which strace is another program."""
    folder.mkdir()
    (folder / "strace").write_text(f"#!/bin/sh\n{script}\n")
    (folder / "strace").chmod(0o755)
    return {"PATH": f"{folder}:{os.environ['PATH']}"}


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"calls": ("sendtoo",)}, "no system call or class 'sendtoo'"),
        ({"exclude": ("%nosuch",)}, "no system call or class '%nosuch'"),
        ({"inject": (Fault(calls=("read",), error="EFOO"),)}, "refuses its options"),
    ],
)
def test_options_that_cannot_be_kept_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: dict[str, Any], text: str
) -> None:
    (told,) = refusals(tmp_path / "attempt", {}, monkeypatch, **options)
    assert text in told


def test_options_that_cannot_be_honoured_are_no_options() -> None:
    with pytest.raises(ValueError, match="no sampling_rate"):
        StraceOptions(sampling_rate=10.0)
    with pytest.raises(ValueError, match="attach: true"):
        StraceOptions(target_process="worker")


@pytest.mark.parametrize(
    ("script", "text"),
    [
        ("echo 'strace -- version 4.26'", "strace is too old"),
        ("echo \"strace: unrecognized option '--syscall-times=ns'\" >&2; exit 1", "strace is too old"),
        (
            DENYING,
            "the kernel does not let strace trace",
        ),
    ],
)
def test_a_strace_that_cannot_work_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, text: str
) -> None:
    (told,) = refusals(tmp_path / "attempt", fake(tmp_path / "bin", script), monkeypatch)
    assert text in told


def test_a_missing_strace_is_refused_with_its_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (told,) = refusals(tmp_path / "attempt", {"PATH": str(tmp_path)}, monkeypatch)
    assert "apt-get install strace" in told
