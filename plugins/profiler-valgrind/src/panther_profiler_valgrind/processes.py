"""What /proc tells about processes that run under valgrind."""

from __future__ import annotations

import os
import time
from pathlib import Path

_START_TIME = 19
"""Position of the start time among the fields of /proc/PID/stat that follow the name."""


def runs_under(pid: int, tool: str) -> bool:
    """Return whether a process is the tool of valgrind, with a program inside."""
    try:
        program = Path(f"/proc/{pid}/exe").readlink().name
    except OSError:
        return False
    return program.startswith((f"{tool}-", "valgrind"))


def age_of(pid: int) -> float:
    """Return for how many seconds a process has run; 0 once it has gone."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return 0.0
    started = int(text.rpartition(")")[2].split()[_START_TIME]) / os.sysconf("SC_CLK_TCK")
    return time.clock_gettime(time.CLOCK_BOOTTIME) - started
