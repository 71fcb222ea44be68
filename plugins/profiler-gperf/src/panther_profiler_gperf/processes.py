"""What /proc tells about running processes; one that has ended meanwhile is no error."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

_GONE = (FileNotFoundError, ProcessLookupError, PermissionError)
_STATE, _PARENT, _START_CODE, _START_STACK = 0, 1, 23, 25
_SIGNALS = re.compile(r"^(Sig\w+|ShdPnd):\s*([0-9a-f]{16})$", re.MULTILINE)


def catches(pid: int, number: int) -> bool:
    """Return whether a process has a handler for a signal; without one most signals would end it."""
    return _has(pid, number, "SigCgt")


def is_pending(pid: int, number: int) -> bool:
    """Return whether a signal was sent to a process that has not got it yet."""
    return _has(pid, number, "SigPnd", "ShdPnd")


def _has(pid: int, number: int, *sets: str) -> bool:
    try:
        status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8", errors="replace")
    except _GONE:
        return False
    return any(int(bits, 16) >> (number - 1) & 1 for name, bits in _SIGNALS.findall(status) if name in sets)


def is_waiting(pid: int) -> bool:
    """Return whether the first thread of a process waits for something, and so is in no function of a library."""
    return _stat(pid)[_STATE] == "S"


def time_on_cpu(pid: int) -> int:
    """Return for how many nanoseconds the first thread of a process has run, 0 where nothing tells."""
    try:
        return int(Path(f"/proc/{pid}/schedstat").read_text(encoding="ascii").split()[0])
    except (*_GONE, ValueError, IndexError):
        return 0


def forked(pids: Iterable[int]) -> tuple[int, ...]:
    """Return those of ``pids`` that another of them has forked without starting a program in it.

    They have kept the places of code and stack, which the kernel chooses anew for each program that it starts.
    """
    known = {pid: _image(pid) for pid in pids}
    return tuple(pid for pid, image in known.items() if image[0] and known.get(parent(pid)) == image)


def parent(pid: int) -> int:
    """Return the parent of a process, 0 if it is gone."""
    return int(_stat(pid)[_PARENT] or 0)


def executable(pid: int) -> str:
    """Return the file that a process runs, nothing if it is gone."""
    try:
        return str(Path(f"/proc/{pid}/exe").readlink())
    except _GONE:
        return ""


def open_files(pid: int, folder: Path) -> tuple[Path, ...]:
    """Return the files below ``folder`` that a process has open."""
    found = []
    try:
        for entry in Path(f"/proc/{pid}/fd").iterdir():
            target = entry.readlink()
            if target.is_relative_to(folder):
                found.append(target)
    except _GONE:
        return tuple(found)
    return tuple(found)


def _image(pid: int) -> tuple[str, str, str]:
    """Return what is the same in a process and in those that it forks: its file, and where code and stack begin."""
    fields = _stat(pid)
    return executable(pid), fields[_START_CODE], fields[_START_STACK]


def _stat(pid: int) -> list[str]:
    """Return the fields of /proc/PID/stat from the state on."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except _GONE:
        return [""] * 50
    return text.rpartition(")")[2].split()
