"""What tests want to know of a process that is not their own child."""

from __future__ import annotations

import os
import select


def ends(pid: int, within: float = 60.0) -> bool:
    """Wait until a process is gone; return whether it went within so many seconds."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([descriptor], [], [], within)[0])
    finally:
        os.close(descriptor)
