"""What an agent needs to know about processes: who is below whom, who belongs to whom, and how to end them all."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import time

SUBREAPER, PARENT_DEATH_SIGNAL = 36, 1


def kill(pid: int, number: int = signal.SIGKILL, *, group: bool = False) -> None:
    """Send a signal to a process, or group, that may have gone."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        (os.killpg if group else os.kill)(pid, number)


def read(path: str) -> bytes:
    """Return a file of /proc, empty once its process has gone."""
    try:
        with open(path, "rb", buffering=0) as file:
            return file.read()
    except OSError:
        return b""


def parents() -> dict[int, int]:
    """Return the parent of every process."""
    found = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            fields = read(f"/proc/{name}/stat").rpartition(b")")[2].split()
            if len(fields) > 1 and fields[0] != b"Z":
                found[int(name)] = int(fields[1])
    return found


def children() -> set[int]:
    """Return the processes just below this one."""
    listed = f"/proc/self/task/{os.getpid()}/children"
    if os.path.exists(listed):
        return {int(each) for each in read(listed).split()}
    return {pid for pid, parent in parents().items() if parent == os.getpid()}


def below(roots: list[int]) -> list[int]:
    """Return everything below ``roots``, and not these."""
    known = parents()
    found: list[int] = []
    level = set(roots)
    while level:
        level = {pid for pid, parent in known.items() if parent in level and pid not in found}
        found += level
    return found


def end_all(root: int, mark: str) -> None:
    """Kill all that is below ``root``, unless that is 0, and all that carries ``mark``, until there is none."""
    wanted = f"PANTHER_AGENT={mark}".encode()
    for _ in range(200):
        marked = [pid for pid in parents() if pid != root and wanted in read(f"/proc/{pid}/environ").split(b"\0")]
        doomed = {*(below([root]) if root else ()), *marked} - {os.getpid()}
        if not doomed:
            return
        for pid in doomed:
            kill(pid)
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        time.sleep(0.01)


def prctl(what: int, value: int) -> None:
    """Ask the kernel for something about this process; where there is no such call, nothing is gained."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(what, value, 0, 0, 0)
