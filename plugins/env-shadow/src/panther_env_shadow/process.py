"""A service as the engine sees it, whose life is over as soon as anybody can look at it."""

from __future__ import annotations

import signal as signals
from collections.abc import Callable, Mapping
from pathlib import Path

import attrs

from panther_hookspecs import ExitStatus, Process, TestExecutionError, Usage


@attrs.define(eq=False)
class SimulatedProcess(Process):
    """Stands for a process that lives by simulated time only. Nobody can send it anything."""

    name: str
    end_all: Callable[[], None]
    """Ends the simulation, which is the only way to end one of its processes."""
    pid: int = 0
    status: ExitStatus | None = None
    syscall_logs: tuple[Path, ...] = ()
    """What it asked the system for, one file for each process, if the simulator wrote that down."""
    capped: Mapping[str, int] = attrs.field(factory=dict)
    """Streams whose file was cut, each with the bytes that the program has written."""

    @property
    def program_pid(self) -> int:
        """There is none that would mean anything outside."""
        return self.pid

    @property
    def exit(self) -> ExitStatus | None:
        """How it ended, or None while the simulation goes on."""
        return self.status

    @property
    def usage(self) -> Usage:
        """Nothing: work costs no simulated time, and real time says nothing about the program."""
        return Usage(source="unknown")

    def pids(self) -> tuple[int, ...]:
        """Return nothing: the simulation as a whole is watched."""
        return ()

    def signal(self, number: int) -> None:
        """Refuse: signals are sent at times that are known before."""
        if self.status is None:
            raise TestExecutionError(f"{self.name} is simulated, and cannot be sent signal {number} meanwhile")

    def wait(self, timeout: float | None = None) -> ExitStatus | None:  # noqa: ARG002 - it is over
        """Return how it ended; None if it would have gone on."""
        return None if self.status is None or self.status.reason == "timeout" else self.status

    def stop(self, *, signal: int, grace: float) -> ExitStatus:  # noqa: ARG002 - it is over
        """Return how it ended; it was stopped at its time."""
        return self.kill()

    def kill(self) -> ExitStatus:
        """End the whole simulation if it still goes on."""
        if self.status is None:
            self.end_all()
            self.status = ExitStatus(signal=signals.SIGKILL, reason="stopped")
        return self.status
