"""Programs that run beside the services of a case: they say when they are ready, and write something at the end."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from pathlib import Path

import attrs

from panther_hookspecs import EnvironmentUnavailableError, Launcher, Process, ServiceCommand, ShellCommand
from panther_hookspecs import TestExecutionError as CaseError

_PAUSE = 0.002
_PATIENCE = 8.0


@attrs.define
class Helpers:
    """The helpers of one case."""

    launcher: Launcher
    folder: Path
    cancelled: Callable[[], bool]
    _started: list[Process] = attrs.field(factory=list)

    def start(self, name: str, argv: tuple[str, ...]) -> None:
        """Start one and return at once."""
        folder = self.folder / name
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "stdout").unlink(missing_ok=True)
        command = ServiceCommand(program=ShellCommand(argv[0], argv[1:]))
        self._started.append(self.launcher.start(command, name=name, folder=folder))

    def wait(self, timeout: float) -> None:
        """Return when all are ready; raise with what one said that could not become it."""
        end = time.monotonic() + timeout
        for each in self._started:
            while not self._said(each, "stdout"):
                status = each.wait(_PAUSE)
                if status is not None:
                    said = self._said(each, "stderr").strip().splitlines()[-1:]
                    raise EnvironmentUnavailableError(
                        f"{each.name} could not start: {status}" + "".join(f"\n  {x}" for x in said)
                    )
                if self.cancelled() or time.monotonic() > end:
                    raise CaseError(f"{each.name} was not ready after {timeout:g} s\n  try: a longer timeout")

    def _said(self, process: Process, stream: str) -> str:
        path = self.folder / process.name / stream
        return path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""

    def end(self) -> None:
        """Ask all to end, and wait until they have; raise for one that was gone before or did not end well."""
        broken = [each for each in self._started if each.exit is not None]
        self.stop()
        for each in self._started:
            if each in broken or (each.exit is not None and each.exit.code != 0):
                said = self._said(each, "stderr").strip().splitlines()[-3:]
                raise CaseError(
                    f"{each.name} did not last to the end of the case: {each.exit}" + "".join(f"\n  {x}" for x in said)
                )

    def stop(self) -> None:
        """End all that still run, so that they write what they have."""
        for each in self._started:
            if each.exit is None:
                each.stop(signal=signal.SIGTERM, grace=_PATIENCE)

    def alive(self) -> list[str]:
        """Return what is still there of them."""
        return [f"process {pid} of {each.name}" for each in self._started for pid in each.pids()]
