"""Waits until a service can be talked to, without disturbing it, and notices at once if it ends before."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from pathlib import Path

import attrs

from panther_hookspecs._sockets import holds_any, open_inodes
from panther_hookspecs.commands import CommandResult, Process, ShellCommand
from panther_hookspecs.errors import UnsupportedError
from panther_hookspecs.networks import ServiceLaunch, ServiceNotReadyError
from panther_hookspecs.values import ExitStatus

_SHORTEST, _LONGEST, _GROWTH = 0.001, 0.02, 1.5
_SEARCHED = 1 << 20
_QUOTED = 3
STREAMS = ("stdout", "stderr")


def _sizes_of(folder: Path) -> dict[str, int]:
    return {name: (folder / name).stat().st_size if (folder / name).exists() else 0 for name in STREAMS}


@attrs.define
class ReadinessWatch:
    """One wait for one service. Make it before the service is started: what a former start has printed is no sign."""

    launch: ServiceLaunch
    execute: Callable[[ShellCommand], CommandResult]
    """Runs a probe to its end where the service is."""
    cancelled: Callable[[], bool] = lambda: False
    advise: Callable[[str], str] = lambda _stderr: ""
    """What to try, as far as the error output of a service that ended tells."""
    process: Process = attrs.field(init=False)
    began: float = attrs.field(factory=time.monotonic, init=False)
    offsets: dict[str, int] = attrs.field(init=False)
    _seen: dict[str, bytes] = attrs.field(factory=lambda: dict.fromkeys(STREAMS, b""))
    _last_exit: str = ""

    def __attrs_post_init__(self) -> None:
        """Remember how long the outputs are already."""
        self.offsets = _sizes_of(self.launch.folder)

    def wait(self, process: Process, timeout: float | None) -> None:
        """Return as soon as the service is ready; raise ServiceNotReadyError if it ends before, or takes too long."""
        self.process, self.began = process, time.monotonic()
        limit = float(self.launch.ready.timeout) if timeout is None else timeout
        probe = self._probe()
        pause = _SHORTEST
        while not probe():
            status = self.process.wait(pause)
            pause = min(pause * _GROWTH, _LONGEST)
            if status is not None:
                if self.launch.ends_by_itself and status.ok:
                    return
                if not probe():
                    raise self._ended(status)
            elif self.cancelled():
                raise ServiceNotReadyError(f"service {self.launch.name} was not ready yet when the run was cancelled")
            elif self._waited() > limit:
                raise ServiceNotReadyError(self._too_late(limit))
        early = self.process.exit
        if early is not None and not self.launch.ends_by_itself:
            raise self._ended(early)

    def _waited(self) -> float:
        return time.monotonic() - self.began

    def _probe(self) -> Callable[[], bool]:
        probes: dict[str, Callable[[], bool]] = {
            "none": lambda: True,
            "tcp": self._listens,
            "udp": self._listens,
            "log": self._printed,
            "command": self._command_succeeds,
            "delay": lambda: self._waited() >= self.launch.ready.delay,
        }
        return probes[self.launch.ready.kind]

    def _listens(self) -> bool:
        endpoint, ready = self.launch.endpoint, self.launch.ready
        addresses = [each for each in (endpoint.ip, endpoint.ip6) if each]
        inodes = open_inodes(self.process.pid, ready.kind, addresses, ready.number(endpoint.ports))
        return bool(inodes) and holds_any(self.process.pids(), inodes)

    def _printed(self) -> bool:
        """Look through what was printed since the last look, and the end of what was there before."""
        return any(self._stream_matches(name) for name in STREAMS)

    def _stream_matches(self, name: str) -> bool:
        try:
            with (self.launch.folder / name).open("rb") as file:
                file.seek(self.offsets[name])
                new = file.read(_SEARCHED)
        except OSError:
            return False
        if not new:
            return False
        self.offsets[name] += len(new)
        text = self._seen[name] + new
        self._seen[name] = text[-_SEARCHED:]
        return re.search(self.launch.ready.pattern, text.decode("utf-8", "replace"), re.MULTILINE) is not None

    def _command_succeeds(self) -> bool:
        command = self.launch.ready.command
        if command is None:
            return True
        left = max(float(self.launch.ready.timeout) - self._waited(), _LONGEST)
        bounded = attrs.evolve(command, timeout=min(command.timeout or left, left))
        result = self.execute(bounded)
        said = (result.stderr or result.stdout).strip().splitlines()
        self._last_exit = f"{result.exit}{': ' + said[-1] if said else ''}"
        return result.exit_code == 0

    def _claim(self) -> str:
        """Return what was waited for, as a person says it."""
        ready, endpoint = self.launch.ready, self.launch.endpoint
        if ready.kind in ("tcp", "udp"):
            return f"no {ready.kind} socket at {endpoint.ip}:{ready.number(endpoint.ports)}"
        if ready.kind == "log":
            return f"nothing printed that matches {ready.pattern!r}"
        if ready.kind == "command" and ready.command is not None:
            return f"{ready.command.to_string()} did not succeed (last: {self._last_exit or 'still running'})"
        return "it was waited for"

    def _too_late(self, limit: float) -> str:
        whole = limit >= self.launch.ready.timeout
        waited, longer = (f"after {limit:g} s", "ready.") if whole else (f"in the {limit:.3g} s that were left", "")
        return (
            f"service {self.launch.name} was not ready {waited}: {self._claim()}{self._last_lines()}\n"
            f"  try: a longer {longer}timeout, or another way to see that it is ready"
        )

    def _ended(self, status: ExitStatus) -> ServiceNotReadyError | UnsupportedError:
        if status.code is not None and status.code == self.launch.ready.declines:
            return UnsupportedError(
                f"service {self.launch.name} declines with exit code {status.code}{self._last_lines()}"
            )
        return ServiceNotReadyError(self._why_ended(status))

    def _why_ended(self, status: ExitStatus) -> str:
        text = (
            f"service {self.launch.name} ended before it was ready, after {self._waited():.2f} s: {status} "
            f"({self._claim()}){self._last_lines()}"
        )
        if self.process.pids():
            return f"{text}\n  try: its option to stay in the foreground, because it has put itself into the background"
        advice = self.advise(self._output("stderr"))
        return f"{text}\n  try: {advice}" if advice else text

    def _output(self, name: str) -> str:
        path = self.launch.folder / name
        return path.read_text(encoding="utf-8", errors="replace")[-_SEARCHED:] if path.exists() else ""

    def _last_lines(self) -> str:
        for name in reversed(STREAMS):
            lines = self._output(name).strip().splitlines()[-_QUOTED:]
            if lines:
                return f"\n  {name} ends with: " + " | ".join(line.strip() for line in lines)
        return ""
