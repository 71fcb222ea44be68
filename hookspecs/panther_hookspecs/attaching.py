"""For instruments that look into a running process: which one it is, and the tool that does it."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import attrs

from panther_hookspecs.commands import Process
from panther_hookspecs.errors import EnvironmentUnavailableError

_PAUSE = 0.003
_STATE, _PARENT = 0, 1


@attrs.define(eq=False)
class AttachedTool:
    """A program beside the service, from being attached to having written its file. SIGINT makes it write and go."""

    process: Process
    folder: Path
    timeout: float
    """Seconds that it may take for that."""
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


def processes_to_attach(process: Process, name: str, timeout: float, *, by: str) -> tuple[int, ...]:
    """Return the processes of a service to attach to: those called ``name`` once they exist, or all but wrappers.

    None if the service has ended. ``by`` is the tool that wants to attach, for the message when there is no such name.
    """
    deadline = time.monotonic() + timeout
    while process.exit is None:
        wrappers = set(_above(process.program_pid))
        there = [pid for pid in process.pids() if pid not in wrappers and is_running(pid)]
        wanted = tuple(pid for pid in there if not name or name in process_names(pid))
        if wanted:
            return wanted
        if time.monotonic() > deadline:
            seen = ", ".join(sorted({each for pid in there for each in process_names(pid)}))
            raise EnvironmentUnavailableError(
                f"{by} found no process {name!r} of service {process.name} within {timeout:g} s (there are: {seen})"
            )
        time.sleep(_PAUSE)
    return ()


def is_running(pid: int) -> bool:
    """Return whether a process exists and has not just ended."""
    fields = _stat(pid)
    return bool(fields) and fields[_STATE] not in "ZX"


def process_names(pid: int) -> set[str]:
    """Return what a person would call a process: its program, or the script or module that the program runs."""
    program, *words = _text(Path(f"/proc/{pid}/cmdline")).rstrip("\0").split("\0")
    own = _text(Path(f"/proc/{pid}/comm")).strip()
    return {own, program.rpartition("/")[2], *_script(words)} - {""}


def _script(words: Sequence[str]) -> Iterator[str]:
    """Yield the name of what an interpreter runs: what follows ``-m``, or the first word that looks like a file."""
    for before, word in zip(("", *words), words, strict=False):
        if before == "-m" or not word.startswith("-"):
            if before == "-m" or "/" in word or "." in word:
                yield word.rpartition("/")[2]
            return


def _above(pid: int) -> Iterator[int]:
    """Yield the parents of a process, the nearest first."""
    while pid > 1:
        fields = _stat(pid)
        pid = int(fields[_PARENT]) if len(fields) > _PARENT else 0
        yield pid


def _stat(pid: int) -> list[str]:
    """Return the fields of /proc/PID/stat from the state on, none if the process is gone."""
    return _text(Path(f"/proc/{pid}/stat")).rpartition(")")[2].split()


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError, PermissionError):  # gone, or hidden from this user
        return ""
