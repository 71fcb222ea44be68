"""A program in a container as the engine of PANTHER sees a started process."""

from __future__ import annotations

import abc
import contextlib
import os
import signal as signals
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs

from panther_hookspecs import ControlGroup, DockerComposeException, ExitStatus, Process, Usage, child_below
from panther_lib_containers.engine import Engine
from panther_lib_containers.output import Output

_PATIENCE = 15.0
_EXEC_PATIENCE, _PAUSE = 2.0, 0.001
_OF_SHELLS = 128
_NOT_STARTED = (126, 127)
_INIT_FAILED = "[FATAL tini"


@attrs.frozen
class _Asked:
    signal: int
    detail: str = ""


@attrs.define(eq=False)
class ContainedProcess(Process):
    """What programs in containers have in common: output that a thread carries into files, and an end that is told."""

    name: str
    container: str
    engine: Engine
    folder: Path
    output_limit: int
    forks: int = 0
    pid: int = 0
    """The first process, as this machine numbers it; 0 if it ended before it was seen."""
    _output: Output = attrs.field(init=False)
    _asked: _Asked | None = None
    _exit: ExitStatus | None = None
    _usage: Usage = Usage(source="cgroup")
    _lock: threading.Lock = attrs.field(factory=threading.Lock)

    def __attrs_post_init__(self) -> None:
        """Open the files of its output."""
        self._output = Output(self.folder, self.output_limit, self._look)

    def begin(self) -> None:
        """Start it; one that cannot be started has ended with that reason."""
        try:
            self._start()
        except DockerComposeException as error:
            self._exit = ExitStatus(reason="start_failed", detail=str(error))
            if not self._output.ended.is_set():
                self._output.close()

    @abc.abstractmethod
    def _start(self) -> None:
        """Connect to its output, start it, and find out its process id."""

    @abc.abstractmethod
    def _look(self) -> None:
        """Remember what it has cost so far."""

    @abc.abstractmethod
    def _end(self) -> None:
        """End all of it at once."""

    @abc.abstractmethod
    def _ended(self) -> ExitStatus:
        """Ask how it ended."""

    @property
    def exit(self) -> ExitStatus | None:
        """How it ended, or None while it runs."""
        if self._exit is None and self._output.ended.is_set():
            with self._lock:
                if self._exit is None:
                    self._exit = self._asked_how()
        return self._exit

    def _asked_how(self) -> ExitStatus:
        try:
            return self._ended()
        except DockerComposeException as error:
            self._end_by_hand()
            return ExitStatus(signal=9, reason="signal", detail=str(error).splitlines()[0])

    def _end_by_hand(self) -> None:
        """End it without the engine, which has ended itself: nobody else would do it."""
        for pid in self.pids_seen():
            with contextlib.suppress(OSError):
                os.kill(pid, signals.SIGKILL)

    @abc.abstractmethod
    def pids_seen(self) -> tuple[int, ...]:
        """Return every live process of it, without asking the engine."""

    @property
    def usage(self) -> Usage:
        """What it cost, up to the last look before its end."""
        if self._exit is None:
            self._look()
        return self._usage

    @property
    def capped(self) -> Mapping[str, int]:
        """Streams whose file was cut, each with the bytes that the program has written."""
        return self._output.capped

    def pids(self) -> tuple[int, ...]:
        """Return every live process of it."""
        return self.pids_seen() if self.exit is None else ()

    def wait(self, timeout: float | None = None) -> ExitStatus | None:
        """Wait for the end; None if it still runs after ``timeout`` seconds."""
        self._output.ended.wait(timeout)
        return self.exit

    def stop(self, *, signal: int, grace: float) -> ExitStatus:
        """Ask the program to end with ``signal``; after ``grace`` seconds end all of it. Return how it ended."""
        if self.exit is None:
            self._look()
            self._asked = _Asked(signal)
            with contextlib.suppress(DockerComposeException):  # then it is killed, and that does without the engine
                self.signal(signal)
            if self.wait(grace) is None:
                return self._kill(f"still ran {grace:g} s after signal {int(signal)}, so it was killed")
        return self._kill()

    def kill(self) -> ExitStatus:
        """End it at once with all that it has started."""
        return self._kill()

    def _kill(self, detail: str = "") -> ExitStatus:
        if self.exit is None:
            self._look()
            self._asked = _Asked(signals.SIGKILL, detail)
            try:
                self._end()
            except DockerComposeException:
                self._end_by_hand()
            self.wait(_PATIENCE)
        return self.exit or ExitStatus(signal=9, reason="stopped", detail="the Docker engine could not kill it")

    def status_of(self, code: int, *, oom: bool = False) -> ExitStatus:
        """Return what an exit code means, which for a signal is what a shell would say."""
        asked = self._asked
        number = code - _OF_SHELLS if code - _OF_SHELLS in signals.valid_signals() else None
        exit_code = None if number is not None else code
        if oom and number == signals.SIGKILL:
            return ExitStatus(signal=number, reason="oom", detail="it used more memory than its limit")
        if asked is not None and number in (None, asked.signal, signals.SIGKILL):
            return ExitStatus(code=exit_code, signal=number, reason="stopped", detail=asked.detail)
        return ExitStatus(code=exit_code, signal=number, reason="exit" if number is None else "signal")


def _arguments(pid: int) -> list[bytes]:
    try:
        return [word for word in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0") if word]
    except OSError:
        return []


@attrs.define(eq=False)
class ContainerProcess(ContainedProcess):
    """A service that has a container for itself."""

    _cgroup: ControlGroup = ControlGroup({})

    def _start(self) -> None:
        source = self.engine.stream(f"/containers/{self.container}/attach?stream=1&stdout=1&stderr=1")
        try:
            self.engine.start(self.container)
            self.pid = int(self.engine.inspect(self.container)["State"].get("Pid") or 0)
        except DockerComposeException:
            source.close()
            raise
        self._cgroup = ControlGroup.of(self.pid) if self.pid else self._cgroup
        self._output.carry(source, self.name)
        self._wait_for_program()

    def _wait_for_program(self) -> None:
        """Wait until the init has become the program, or has failed to: what cannot start is told at once."""
        end = time.monotonic() + _EXEC_PATIENCE
        init = _arguments(self.pid)[:1]
        while not self._output.ended.wait(_PAUSE) and time.monotonic() < end:
            child = child_below(self.pid, 1)
            if child != self.pid and _arguments(child)[:1] not in ([], init):
                return

    def _look(self) -> None:
        self._usage = self._cgroup.usage() or self._usage

    @property
    def program_pid(self) -> int:
        """The process id of the program itself, below the init and any wrapper that forks."""
        return child_below(self.pid, 1 + self.forks) if self.pid else 0

    def pids_seen(self) -> tuple[int, ...]:
        """Return every live process of the container."""
        return self._cgroup.pids()

    def signal(self, number: int) -> None:
        """Send a signal to the program, never to a wrapper; nothing happens if it has ended."""
        if self.exit is not None:
            return
        pid = self.program_pid
        try:
            # The first process of a container may be an init that passes signals on, but not those it cannot catch.
            if (self.forks or number in (signals.SIGSTOP, signals.SIGCONT)) and pid in self.pids():
                os.kill(pid, number)
                return
        except ProcessLookupError:
            return
        self.engine.kill(self.container, number)

    def _end(self) -> None:
        self.engine.kill(self.container, signals.SIGKILL)

    def _ended(self) -> ExitStatus:
        self.engine.wait(self.container)
        state = self.engine.inspect(self.container)["State"]
        failed = self._failure(state)
        if failed:
            return ExitStatus(reason="start_failed", detail=failed)
        return self.status_of(int(state.get("ExitCode", 0)), oom=bool(state.get("OOMKilled")))

    def _failure(self, state: Mapping[str, Any]) -> str:
        """Return why the program did not start; nothing if it did."""
        lines: list[str] = []
        with contextlib.suppress(OSError):
            lines = (self.folder / "stderr").read_text(errors="replace").splitlines()[-1:]
        if state.get("ExitCode") in _NOT_STARTED and lines and lines[0].startswith(_INIT_FAILED):
            return lines[0].partition("] ")[2]
        return ""
