"""A perf that is attached to running processes: started, told to begin, and ended so that its file is complete."""

from __future__ import annotations

import contextlib
import os
import select
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from panther_hookspecs import AttachedTool, Context, EnvironmentUnavailableError, Process, ServiceCommand, ShellCommand

ENVIRONMENT = {"LC_ALL": "C", "PERF_CONFIG": "/dev/null"}
"""Numbers with a point, and nothing from the user's own configuration."""
_CONTROL, _ANSWER = "control", "answer"
_PAUSE = 0.005
_CHATTER = ("Error:", "Events ", "event syntax error:", "Warning:", "[ perf record:")


def attach(
    context: Context, argv: Sequence[str], pids: Sequence[int], watched: Process, timeout: float
) -> AttachedTool:
    """Start ``perf`` on the processes; return when it counts, or when there is nobody left to be watched."""
    folder = context.folder
    with _pipes(folder) as (control, answer):
        wiring = ("--delay=-1", "--control", f"fifo:{_CONTROL},{_ANSWER}", "-p", ",".join(map(str, pids)))
        command = ShellCommand("perf", (*argv, *wiring), env=ENVIRONMENT)
        process = context.launcher.start(ServiceCommand(program=command), name=f"{watched.name}-perf", folder=folder)
        tracer = AttachedTool(process, folder, timeout)
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
