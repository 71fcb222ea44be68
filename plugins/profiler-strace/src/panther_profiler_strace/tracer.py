"""A strace that is not the parent of the program: one that attached, or that runs beside it."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

from panther_hookspecs import EnvironmentUnavailableError, Process, is_running, process_names
from panther_profiler_strace.preflight import tracer_of

PATIENCE = 3.0
"""Seconds that strace may take to let go. Where a program is in the middle of ``vfork`` it never does."""
_PAUSE = 0.003


def _threads(pid: int) -> list[str]:
    try:
        return [thread.name for thread in Path(f"/proc/{pid}/task").iterdir()]
    except (FileNotFoundError, ProcessLookupError):
        return []


def refuse_traced(pids: Iterable[int], service: str) -> None:
    """Raise if somebody else traces one of the processes."""
    for pid in pids:
        tracer = tracer_of(pid)
        if tracer:
            who = ", ".join(sorted(process_names(tracer))) or "unknown"
            raise EnvironmentUnavailableError(
                f"strace cannot attach to process {pid} of service {service}: process {tracer} ({who}) traces it"
            )


def wait_until_attached(tracer: Process, pids: Sequence[int], timeout: float) -> None:
    """Return when every thread is traced, or when there is nothing left to trace or nobody to do it."""
    deadline = time.monotonic() + timeout
    while tracer.exit is None and time.monotonic() < deadline:
        threads = [thread for pid in pids for thread in _threads(pid)]
        if all(tracer_of(thread) for thread in threads):
            return
        time.sleep(_PAUSE)


def wait_for_tracer(process: Process, timeout: float) -> int:
    """Return the strace that runs beside a program that was just started, 0 if the program has ended already."""
    deadline = time.monotonic() + timeout
    while process.exit is None and time.monotonic() < deadline:
        tracer = tracer_of(process.program_pid)
        if tracer:
            return tracer
        time.sleep(_PAUSE)
    return 0


def leave(tracer: int) -> bool:
    """Ask a strace to let go of its programs; return whether it had to be killed for that."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(tracer, signal.SIGINT)
    if wait_gone(tracer, PATIENCE):
        return False
    with contextlib.suppress(ProcessLookupError):
        os.kill(tracer, signal.SIGKILL)
    return wait_gone(tracer, PATIENCE)


def wait_gone(tracer: int, timeout: float) -> bool:
    """Return whether a strace has written the last of its log and ended within the time."""
    deadline = time.monotonic() + timeout
    while is_running(tracer):
        if time.monotonic() > deadline:
            return False
        time.sleep(_PAUSE)
    return True
