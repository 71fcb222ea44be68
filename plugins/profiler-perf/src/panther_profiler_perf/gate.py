"""A program that waits, stopped, until perf has been attached to it: it is watched from its first instruction on.

perf can start a program itself, but then it stands between the program and who started it: signals, exit status and
the moment at which watching ends are perf's to decide. Here the program keeps its process id and its exit status.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from pathlib import Path

import attrs

from panther_hookspecs import EnvironmentUnavailableError, Layer, LayerRole, Process, ServiceCommand

_NAME = "panther-gate"
_SCRIPT = 'if [ -e "$1" ]; then { echo again >>"$1"; } 2>&-; else kill -STOP $$; fi; shift; exec "$@"'
_PAUSE = 0.002


@attrs.frozen
class Gate:
    """Where one service waits. It opens once: a service that is started again later does not wait for anybody."""

    mark: Path
    """This file exists once the gate is open; it gets a line for every later start."""

    @classmethod
    def of(cls, command: ServiceCommand) -> Gate | None:
        """Return the gate that the command has already."""
        found = (layer.argv[-1] for layer in command.layers if layer.by == _NAME)
        return next((cls(Path(mark)) for mark in found), None)

    @property
    def argv(self) -> tuple[str, ...]:
        """What stands before the program."""
        return ("/bin/sh", "-c", _SCRIPT, _NAME, str(self.mark))

    def before(self, command: ServiceCommand) -> ServiceCommand:
        """Return the command with the gate around it."""
        return command.wrapped(Layer(role=LayerRole.INSTRUMENT, by=_NAME, argv=self.argv))

    @property
    def later_starts(self) -> int:
        """How often the service was started again after the gate was opened."""
        return self.mark.read_bytes().count(b"\n") if self.mark.exists() else 0

    def wait(self, process: Process, timeout: float) -> int:
        """Return the process id of the program that waits, 0 if the service has ended before."""
        deadline = time.monotonic() + timeout
        while process.exit is None:
            for pid in process.pids():
                if self._holds(pid):
                    return pid
            if time.monotonic() > deadline:
                raise EnvironmentUnavailableError(
                    f"service {process.name} did not get to where perf can be attached within {timeout:g} s"
                )
            time.sleep(_PAUSE)
        return 0

    def open(self, pid: int, timeout: float) -> None:
        """Let the program run; return when it does. One that had not come to its stop yet is told again."""
        self.mark.parent.mkdir(parents=True, exist_ok=True)
        self.mark.touch()
        deadline = time.monotonic() + timeout
        while self._holds(pid) and time.monotonic() < deadline:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)
            time.sleep(_PAUSE)

    def _holds(self, pid: int) -> bool:
        try:
            words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        except (FileNotFoundError, ProcessLookupError):
            return False
        return words[: len(self.argv)] == [os.fsencode(word) for word in self.argv]
