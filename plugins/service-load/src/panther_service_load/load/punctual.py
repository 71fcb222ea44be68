"""Makes this process wake when it wants to: precise timers, and precedence over others where that is allowed."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

_SLACK = Path("/proc/self/timerslack_ns")


def be_punctual() -> bool:
    """Ask the kernel for both; return whether precedence was given, which takes root.

    By default a timer may ring 50 microseconds late, and a process that wakes waits until others have had their share.
    """
    with contextlib.suppress(OSError):  # where the kernel does not offer it, timers are as precise as they are
        _SLACK.write_text("1", encoding="ascii")
    try:
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(os.sched_get_priority_min(os.SCHED_RR)))
    except OSError:
        return False
    return True
