"""A container as the engine sees a started process."""

from __future__ import annotations

import contextlib
import os
import signal as signals
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs

from panther_env_docker_compose.cgroup import Cgroup, child_below
from panther_env_docker_compose.docker import Docker
from panther_hookspecs import DockerComposeException, ExitStatus, Process, Usage

_LOOK = 0.05
"""Seconds between two looks at what a container costs: its control group is gone the moment it ends."""
_PAUSE = 0.05
_PATIENCE = 15.0
_OF_SHELLS = 128
_NOT_STARTED = (126, 127)
_INIT_FAILED = "[FATAL tini"


@attrs.frozen
class _Asked:
    signal: int
    detail: str = ""


@attrs.define(eq=False)
class ContainerProcess(Process):
    """A started container; ``attached`` carries its output into files and ends when it ends."""

    name: str
    container: str
    docker: Docker
    attached: Process
    stderr: Path
    forks: int = 0
    pid: int = 0
    """The container's init, as this machine numbers it; 0 if the container ended before it was seen."""
    _cgroup: Cgroup = Cgroup({})
    _asked: _Asked | None = None
    _exit: ExitStatus | None = None
    _usage: Usage = Usage(source="cgroup")
    _lock: threading.Lock = attrs.field(factory=threading.Lock)

    def begin(self, limit: float) -> None:
        """Wait until the container runs, or has ended already."""
        end = time.monotonic() + limit
        while self.attached.exit is None:
            self.pid = self.docker.state(self.container).get("Pid", 0)
            if self.pid:
                self._cgroup = Cgroup.of(self.pid)
                threading.Thread(target=self._watch, name=f"watch-{self.name}", daemon=True).start()
                return
            if time.monotonic() > end:
                self.attached.kill()
                raise DockerComposeException(f"service {self.name}: its container did not start within {limit:g} s")
            self.attached.wait(_PAUSE)

    def _watch(self) -> None:
        self._look()
        while self.attached.wait(_LOOK) is None:
            self._look()

    def _look(self) -> None:
        self._usage = self._cgroup.usage() or self._usage

    @property
    def program_pid(self) -> int:
        """The process id of the program itself, below the init and any wrapper that forks."""
        return child_below(self.pid, 1 + self.forks) if self.pid else 0

    @property
    def exit(self) -> ExitStatus | None:
        """How it ended, or None while it runs."""
        if self._exit is None and self.attached.exit is not None:
            with self._lock:
                if self._exit is None:
                    self._exit = self._ended()
        return self._exit

    @property
    def usage(self) -> Usage:
        """What the container cost, up to the last look before its end."""
        if self._exit is None:
            self._look()
        return self._usage

    @property
    def capped(self) -> Mapping[str, int]:
        """Streams whose file was cut, each with the bytes that the program has written (at least)."""
        return getattr(self.attached, "capped", {})

    def pids(self) -> tuple[int, ...]:
        """Return every live process of the container."""
        return self._cgroup.pids() if self.exit is None else ()

    def signal(self, number: int) -> None:
        """Send a signal to the program, never to a wrapper; nothing happens if it has ended."""
        if self.exit is not None:
            return
        pid = self.program_pid
        try:
            if self.forks and pid in self.pids():
                os.kill(pid, number)
                return
        except ProcessLookupError:
            return
        self._tell("--signal", str(int(number)))

    def _tell(self, *words: str) -> None:
        """Send a signal through the engine; a container that has ended meanwhile needs none."""
        try:
            self.docker.run("kill", *words, self.container)
        except DockerComposeException as error:
            if "is not running" not in str(error) and "No such container" not in str(error):
                raise

    def wait(self, timeout: float | None = None) -> ExitStatus | None:
        """Wait for the end; None if it still runs after ``timeout`` seconds."""
        self.attached.wait(timeout)
        return self.exit

    def stop(self, *, signal: int, grace: float) -> ExitStatus:
        """Ask the program to end with ``signal``; after ``grace`` seconds kill the container. Return how it ended."""
        if self.exit is None:
            self._look()
            self._asked = _Asked(signal)
            self.signal(signal)
            if self.wait(grace) is None:
                return self._kill(f"still ran {grace:g} s after signal {int(signal)}, so it was killed")
        return self._kill()

    def kill(self) -> ExitStatus:
        """End the container at once with all that runs in it."""
        return self._kill()

    def _kill(self, detail: str = "") -> ExitStatus:
        if self.exit is None:
            self._look()
            self._asked = _Asked(signals.SIGKILL, detail)
            self._tell()
            self.wait(_PATIENCE)
        return self.exit or ExitStatus(signal=9, reason="stopped", detail="the Docker engine could not kill it")

    def _ended(self) -> ExitStatus:
        try:
            state = self.docker.state(self.container)
            if state.get("Running"):
                self._tell()
                state = {**self.docker.state(self.container), "Error": "its output could no longer be read"}
        except DockerComposeException as error:
            return ExitStatus(signal=9, reason="signal", detail=str(error).splitlines()[0])
        return self._status(state)

    def _status(self, state: Mapping[str, Any]) -> ExitStatus:
        code, asked = int(state.get("ExitCode", 0)), self._asked
        failed = self._failure(state)
        if failed:
            return ExitStatus(reason="start_failed", detail=failed)
        number = code - _OF_SHELLS if code - _OF_SHELLS in signals.valid_signals() else None
        exit_code = None if number is not None else code
        if state.get("OOMKilled") and number == signals.SIGKILL:
            return ExitStatus(signal=number, reason="oom", detail="it used more memory than its limit")
        if asked is not None and number in (None, asked.signal, signals.SIGKILL):
            return ExitStatus(code=exit_code, signal=number, reason="stopped", detail=asked.detail)
        return ExitStatus(code=exit_code, signal=number, reason="exit" if number is None else "signal")

    def _failure(self, state: Mapping[str, Any]) -> str:
        """Return why the container or its program did not start; nothing if it did."""
        lines: list[str] = []
        with contextlib.suppress(OSError):
            lines = self.stderr.read_text(errors="replace").splitlines()[-1:]
        if state.get("Status") == "created":
            return str(state.get("Error") or (lines[0] if lines else "the Docker engine says nothing about it"))
        if state.get("ExitCode") in _NOT_STARTED and lines and lines[0].startswith(_INIT_FAILED):
            return lines[0].partition("] ")[2]
        return ""
