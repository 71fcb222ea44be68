"""What goes on beside a running strace: its log is kept below its limit, and it leaves when its time is over."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

import attrs

from panther_profiler_strace.log import CUT

_INTERVAL = 0.1
_SLACK = 1 << 20
"""The log is cut back only when there is this much to cut."""
_TAIL = 16 << 10
_TABLE = b"% time "


@attrs.define(eq=False)
class Watch:
    """A thread that looks at the log ten times a second until ``alive`` says that strace has ended."""

    log: Path
    limit: int
    alive: Callable[[], bool]
    duration: float = 0.0
    """After this time ``leave`` is called; 0 means never."""
    leave: Callable[[], None] = lambda: None
    dropped: int = attrs.field(default=0, init=False)
    _kept: int = attrs.field(default=0, init=False)
    _stopped: threading.Event = attrs.field(factory=threading.Event, init=False)
    _thread: threading.Thread | None = attrs.field(default=None, init=False)

    def start(self) -> None:
        """Begin to look."""
        self._thread = threading.Thread(target=self._run, name="panther-strace", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Look no more; return when the thread has ended."""
        self._stopped.set()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        due = time.monotonic() + self.duration if self.duration else float("inf")
        while self.alive() and not self._stopped.wait(max(0.0, min(_INTERVAL, due - time.monotonic()))):
            self.cut()
            if time.monotonic() >= due:
                self.leave()
                return

    def cut(self) -> None:
        """Drop what has been written since the limit was reached.

        strace writes at the end of the file, wherever that is. Its table, the last thing that it writes, is never
        dropped.
        """
        try:
            file = os.open(self.log, os.O_RDWR)
        except FileNotFoundError:
            return
        try:
            size = os.fstat(file).st_size
            if size <= (self._kept or self.limit) + _SLACK or _TABLE in os.pread(file, _TAIL, max(0, size - _TAIL)):
                return
            if not self._kept:
                self._kept = self._mark(file)
            os.ftruncate(file, self._kept)
            self.dropped += size - self._kept
        finally:
            os.close(file)

    def _mark(self, file: int) -> int:
        """Write the mark for missing lines after the last whole line below the limit; return where it ends."""
        start = max(0, self.limit - _TAIL)
        end = start + os.pread(file, _TAIL, start).rfind(b"\n") + 1
        return end + os.pwrite(file, f"{CUT}\n".encode(), end)
