"""A perf that is attached to running processes: started, told to begin, and ended so that its file is complete."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import attrs

from panther_hookspecs import Context, EnvironmentUnavailableError, Process, ServiceCommand, ShellCommand

ENVIRONMENT = {"LC_ALL": "C", "PERF_CONFIG": "/dev/null"}
"""Numbers with a point, and nothing from the user's own configuration."""
_CONTROL, _ANSWER = "control", "answer"
_PAUSE = 0.005
_CHATTER = ("Error:", "Events ", "event syntax error:", "Warning:", "[ perf record:")


@attrs.define(eq=False)
class Tracer:
    """One perf, from being attached to having written its file."""

    process: Process
    folder: Path
    timeout: float
    _timer: threading.Timer | None = attrs.field(default=None, init=False)

    def end_after(self, seconds: float) -> None:
        """Let it write its file and go when the time is over, whether or not the program still runs."""
        self._timer = threading.Timer(seconds, self.process.signal, (signal.SIGINT,))
        self._timer.daemon = True
        self._timer.start()

    def end(self) -> None:
        """Let it write its file and go; return when it has."""
        if self._timer is not None:
            self._timer.cancel()
        self.process.stop(signal=signal.SIGINT, grace=self.timeout)

    def said(self) -> str:
        """Return everything it wrote to its outputs."""
        return "".join(_text(self.folder / stream) for stream in ("stdout", "stderr"))


def attach(context: Context, argv: Sequence[str], pids: Sequence[int], watched: Process, timeout: float) -> Tracer:
    """Start ``perf`` on the processes; return when it counts, or when there is nobody left to be watched."""
    folder = context.folder
    with _pipes(folder) as (control, answer):
        wiring = ("--delay=-1", "--control", f"fifo:{_CONTROL},{_ANSWER}", "-p", ",".join(map(str, pids)))
        command = ShellCommand("perf", (*argv, *wiring), env=ENVIRONMENT)
        process = context.launcher.start(ServiceCommand(program=command), name=f"{watched.name}-perf", folder=folder)
        tracer = Tracer(process, folder, timeout)
        os.write(control, b"enable\n")
        counts = _answered(answer, process, timeout)
    if not counts and watched.exit is None:
        reason = complaint(tracer.said()) or str(process.exit or f"no answer within {timeout:g} s")
        raise EnvironmentUnavailableError(f"perf could not attach to service {watched.name}: {reason}")
    return tracer


@contextlib.contextmanager
def _pipes(folder: Path) -> Iterator[tuple[int, int]]:
    """Give the near ends of the pipes by which perf is told what to do and says that it has done so."""
    paths = (folder / _CONTROL, folder / _ANSWER)
    with contextlib.ExitStack() as stack:
        ends = []
        for path in paths:
            os.mkfifo(path, 0o600)
            stack.callback(path.unlink)
            ends.append(os.open(path, os.O_RDWR | os.O_NONBLOCK))
            stack.callback(os.close, ends[-1])
        yield ends[0], ends[1]


def _answered(answer: int, process: Process, timeout: float) -> bool:
    deadline = time.monotonic() + timeout
    while process.exit is None and time.monotonic() < deadline:
        if select.select([answer], [], [], _PAUSE)[0]:
            return os.read(answer, 16).startswith(b"ack")
    return False


def complaint(text: str) -> str:
    """Return the first line of what perf said that tells what is wrong."""
    lines = (line.strip() for line in text.splitlines())
    return next((line for line in lines if line and not line.startswith(_CHATTER)), "")


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""


def processes_of(process: Process, name: str, timeout: float) -> tuple[int, ...]:
    """Return the processes of a service to attach to: those called ``name`` once they exist, or all but wrappers."""
    deadline = time.monotonic() + timeout
    while process.exit is None:
        wrappers = set(_above(process.program_pid))
        there = [pid for pid in process.pids() if pid not in wrappers]
        wanted = tuple(pid for pid in there if not name or name in _names(pid))
        if wanted:
            return wanted
        if time.monotonic() > deadline:
            seen = ", ".join(sorted({each for pid in there for each in _names(pid)}))
            raise EnvironmentUnavailableError(
                f"perf found no process {name!r} of service {process.name} within {timeout:g} s (there are: {seen})"
            )
        time.sleep(_PAUSE)
    return ()


def _proc(pid: int, name: str) -> str:
    try:
        return Path(f"/proc/{pid}/{name}").read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return ""


def _above(pid: int) -> Iterator[int]:
    """Yield the parents of a process, the nearest first."""
    while pid > 1:
        fields = _proc(pid, "stat").rpartition(")")[2].split()
        pid = int(fields[1]) if len(fields) > 1 else 0
        yield pid


def _names(pid: int) -> set[str]:
    """Return what a person would call a process: its program, or the script that the program runs."""
    program, *more = _proc(pid, "cmdline").split("\0")[:2]
    words = (program, *(word for word in more if "/" in word or "." in word))
    return {_proc(pid, "comm").strip(), *(word.rpartition("/")[2] for word in words)} - {""}
