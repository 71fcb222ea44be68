"""When going on would only waste time: errors that no later case can escape."""

from __future__ import annotations

import errno
import threading
from collections.abc import Mapping
from typing import Any

import attrs

from panther_hookspecs import ResourceExhaustionException, TimeoutCascadeException

_EXHAUSTED = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EMFILE, errno.ENFILE, errno.ENOMEM})


def raise_if_exhausted(error: OSError) -> None:
    """Raise ResourceExhaustionException if the error means that the machine has run out of something."""
    if error.errno in _EXHAUSTED:
        where = f": {error.filename}" if error.filename else ""
        raise ResourceExhaustionException(
            f"stopped: {error.strerror}{where}\n  every result so far is kept\n"
            "  try: make room and continue with `panther resume`"
        ) from error


@attrs.define
class FastFail:
    """Looks at each attempt and raises for the first that shows the run to be pointless."""

    enabled: bool = True
    cascade: int = 10
    """So many timeouts one after the other end the run."""
    _timeouts: int = 0
    _lock: threading.Lock = attrs.field(factory=threading.Lock)

    def look(self, record: Mapping[str, Any], error: BaseException | None) -> None:
        """Raise if the error is critical, or if this was one timeout too many."""
        if not self.enabled:
            return
        if isinstance(error, OSError):
            raise_if_exhausted(error)
        if isinstance(error, ResourceExhaustionException):
            raise error
        timed_out = any("time of the case was over" in check["evidence"] for check in record["checks"])
        with self._lock:
            self._timeouts = self._timeouts + 1 if timed_out else 0
            if self._timeouts >= self.cascade:
                raise TimeoutCascadeException(
                    f"stopped after {self._timeouts} timeouts one after the other\n"
                    "  try: a longer timeout, or --no-fast-fail to go on regardless"
                )
