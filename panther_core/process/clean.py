"""Processes that dead runs have left behind: found by their environment, never one whose run is alive."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import attrs

from panther_core.process.supervisor import environment_of, parent_of
from panther_hookspecs import Leftover

_PATIENCE = 5.0
_MARKS = {b"PANTHER_RUN", b"PANTHER_SERVICE", b"PANTHER_PROCESS"}
"""All of them together: one alone may be a variable that a person has set."""


@attrs.frozen
class _Marked:
    """A process that PANTHER started, with what tells it from a later process of the same number."""

    pid: int
    run_id: str
    service: str
    born: bytes


def _birth(pid: int) -> bytes:
    """Return when ``pid`` was started, in the kernel's ticks; empty once it is gone or only waits to be reaped."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
    except OSError:
        return b""
    return b"" if fields[0] in (b"Z", b"X") else fields[19]


def _all_pids() -> list[int]:
    return [int(each.name) for each in Path("/proc").iterdir() if each.name.isdigit()]


def alive_runs() -> frozenset[str]:
    """Return the ids of all runs whose supervisor lives."""
    found = (environment_of(pid).get(b"PANTHER_SUPERVISOR") for pid in _all_pids())
    return frozenset(os.fsdecode(each) for each in found if each is not None)


def _supervised(pid: int) -> bool:
    """Return whether a supervisor stands above ``pid``: it is the parent of last resort of all that it started."""
    while pid > 1:
        pid = parent_of(pid)
        if pid and b"PANTHER_SUPERVISOR" in environment_of(pid):
            return True
    return False


def _marked() -> Iterator[_Marked]:
    above_us = _ancestors()
    for pid in _all_pids():
        env = environment_of(pid)
        if env.keys() >= _MARKS and pid not in above_us:
            yield _Marked(pid, os.fsdecode(env[b"PANTHER_RUN"]), os.fsdecode(env[b"PANTHER_SERVICE"]), _birth(pid))


def _ancestors() -> frozenset[int]:
    pid, found = os.getpid(), set()
    while pid > 0:
        found.add(pid)
        pid = parent_of(pid)
    return frozenset(found)


def leftovers() -> Iterator[Leftover]:
    """Yield each process of a dead run, never what PANTHER did not start or what a living supervisor owns."""
    for process in _marked():
        if process.born and not _supervised(process.pid):
            words = f"process {process.pid} ({_program(process.pid)}) of service {process.service}"
            yield Leftover(what=words, run_id=process.run_id, remove=partial(_remove, process))


def kill_run(run_id: str) -> None:
    """Kill what a dead supervisor of ``run_id`` has left, until nothing is found."""
    end = time.monotonic() + _PATIENCE
    while time.monotonic() < end:
        found = [each for each in leftovers() if each.run_id == run_id]
        if not found:
            return
        for each in found:
            each.remove()


def _program(pid: int) -> str:
    try:
        return os.fsdecode(Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").strip())[:80]
    except OSError:
        return "?"


def _remove(process: _Marked) -> None:
    """Kill the process and wait until it has gone, unless its number belongs to another one by now."""
    end = time.monotonic() + _PATIENCE
    while _birth(process.pid) == process.born and time.monotonic() < end:
        try:
            os.kill(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            return
        time.sleep(0.001)
