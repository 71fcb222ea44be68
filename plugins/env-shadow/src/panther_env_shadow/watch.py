"""One simulation while it goes on: its progress, the user's wish to stop, and a hang that would last for ever."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import attrs

from panther_env_shadow.log import newest_heartbeat
from panther_env_shadow.simulation import SERVICE
from panther_hookspecs import Process, TestExecutionError

_PAUSE = 0.05
_BUSY = 0.2
"""Share of the time that a process which hangs gets at least of a processor, on a machine that has more to do."""
_TICKS = os.sysconf("SC_CLK_TCK")
_USER, _SYSTEM = 11, 12
"""Where /proc/PID/stat has its times, counted after the name of the program."""


@attrs.define
class Watch:
    """Waits for the end of the simulator."""

    process: Process
    log: Path
    stop_time: float
    hang_timeout: float
    deadline: float
    """Monotonic time at which the case is over."""
    cancelled: Callable[[], bool]
    report: Callable[[float, float], None]
    """Told simulated and real seconds now and then."""
    reached: float = 0.0
    began: float = attrs.field(factory=time.monotonic)
    _offset: int = 0
    _moved: float = attrs.field(factory=time.monotonic)
    _used: dict[int, float] = attrs.field(factory=dict)
    """What each process had used when the simulated time had last moved on."""

    def wait(self) -> None:
        """Return when it has ended, or was ended because the user wants to stop; raise if it will never end."""
        while self.process.wait(_PAUSE) is None:
            if self.cancelled():
                self.process.kill()
                return
            self._look()
            now = time.monotonic()
            if now - self._moved > self.hang_timeout:
                self._refuse_hang()
            if now > self.deadline:
                raise self._ended(
                    f"the simulation had reached {self.reached:.0f} of {self.stop_time:.0f} s when the case was over"
                    "\n  try: a longer timeout with a shadow.stop_time of its own, or fewer hosts"
                )
        self._look()

    def _look(self) -> None:
        """Read what has been added to the log."""
        with self.log.open("rb") as file:
            file.seek(self._offset)
            text = file.read()
        whole = text.rfind(b"\n") + 1
        self._offset += whole
        beat = newest_heartbeat(text[:whole])
        if beat is not None and beat > self.reached:
            self.reached, self._moved, self._used = beat, time.monotonic(), self._usage()
            self.report(beat, self._moved - self.began)

    def _usage(self) -> dict[int, float]:
        return {pid: seconds for pid in self.process.pids() if (seconds := _cpu_seconds(pid)) is not None}

    def _refuse_hang(self) -> None:
        """Raise if one service has been busy all the while: many that start at once are slow, and nothing worse."""
        used = {pid: seconds - self._used.get(pid, 0.0) for pid, seconds in self._usage().items()}
        services = {pid: name for pid in used if (name := _service_of(pid))}
        busy = max(services, key=lambda pid: used[pid], default=0)
        if not busy or used[busy] < _BUSY * self.hang_timeout:
            return
        raise self._ended(
            f"simulated time has stood at about {self.reached:.0f} s for {self.hang_timeout:g} s: {services[busy]} "
            f"(process {busy}) was busy for {used[busy]:.0f} s and never waited, as in a loop that asks for the time\n"
            "  try: shadow.model_unblocked_syscall_latency: true, if it is not; then, giving up that two runs are the "
            "same, shadow.experimental: {native_preemption_enabled: true}\n"
            "  or a longer shadow.hang_timeout, if it really computes for so long"
        )

    def _ended(self, why: str) -> TestExecutionError:
        self.process.kill()
        return TestExecutionError(why)


def _cpu_seconds(pid: int) -> float | None:
    try:
        words = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except OSError:
        return None
    return (int(words[_USER]) + int(words[_SYSTEM])) / _TICKS


def _service_of(pid: int) -> str:
    """Return the service that a simulated process belongs to, by the variable that it was started with."""
    try:
        pairs = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return ""
    mark = f"{SERVICE}=".encode()
    return next((os.fsdecode(each[len(mark) :]) for each in pairs if each.startswith(mark)), "")
