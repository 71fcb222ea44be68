"""A strace that is not the parent of the program: one that attached, or that runs beside it."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

from panther_hookspecs import EnvironmentUnavailableError, Process
from panther_profiler_strace.preflight import tracer_of

PATIENCE = 3.0
"""Seconds that strace may take to let go. Where a program is in the middle of ``vfork`` it never does."""
_PAUSE = 0.003


def is_running(pid: int) -> bool:
    """Return whether a process exists and has not just ended."""
    fields = _read(Path(f"/proc/{pid}/stat")).rpartition(")")[2].split()
    return bool(fields) and fields[0] not in "ZX"


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return ""


def _parent(pid: int) -> int:
    fields = _read(Path(f"/proc/{pid}/stat")).rpartition(")")[2].split()
    return int(fields[1]) if len(fields) > 1 else 0


def _names(pid: int) -> set[str]:
    """Return the names that a person would give to a process: of its program, and of a script that it runs."""
    program, *more = _read(Path(f"/proc/{pid}/cmdline")).split("\0")[:2]
    words = (program, *(word for word in more if "/" in word or "." in word))
    return {_read(Path(f"/proc/{pid}/comm")).strip(), *(word.rpartition("/")[2] for word in words)} - {""}


def _threads(pid: int) -> list[str]:
    try:
        return [thread.name for thread in Path(f"/proc/{pid}/task").iterdir()]
    except (FileNotFoundError, ProcessLookupError):
        return []


def programs_of(process: Process, name: str, timeout: float) -> tuple[int, ...]:
    """Return the processes of a service to attach to: those called ``name`` once they exist, or all but wrappers."""
    deadline = time.monotonic() + timeout
    while process.exit is None:
        wrappers, above = set(), _parent(process.program_pid)
        while above > 1:
            wrappers.add(above)
            above = _parent(above)
        found = [pid for pid in process.pids() if pid not in wrappers and is_running(pid)]
        wanted = tuple(pid for pid in found if not name or name in _names(pid))
        if wanted:
            return wanted
        if time.monotonic() > deadline:
            there = ", ".join(sorted({each for pid in found for each in _names(pid)}))
            raise EnvironmentUnavailableError(
                f"strace found no process {name!r} of service {process.name} within {timeout:g} s (there are: {there})"
            )
        time.sleep(_PAUSE)
    return ()


def refuse_traced(pids: Iterable[int], service: str) -> None:
    """Raise if somebody else traces one of the processes."""
    for pid in pids:
        tracer = tracer_of(pid)
        if tracer:
            who = ", ".join(sorted(_names(tracer))) or "unknown"
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
