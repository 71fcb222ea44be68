"""A py-spy that looks into a running process, from when there is an interpreter until its file is written."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence

from panther_hookspecs import (
    AttachedTool,
    Context,
    EnvironmentUnavailableError,
    Process,
    ServiceCommand,
    ShellCommand,
    processes_to_attach,
)

_PAUSE = 0.003
_MOURNING = 0.1
"""Seconds until it is known of a process that has ended that it has."""
_STARTED = "Sampling process"
_NOT_YET = ("Failed to find python version", "Failed to find a python interpreter")
_REFUSED = "Operation not permitted"
"""What py-spy says of a process that may be about to become an interpreter."""
_TRIES = 5.0
"""Seconds for that."""


class Sampler(AttachedTool):
    """One py-spy, from being attached to having written its file."""

    def started(self) -> bool:
        """Wait until it looks, and return True; False if it ended instead."""
        deadline = time.monotonic() + self.timeout
        while _STARTED not in self.said():
            if self.process.exit is not None:
                return _STARTED in self.said()
            if time.monotonic() > deadline:
                return False
            time.sleep(_PAUSE)
        return True

    def count(self, what: str) -> int:
        """Return the number of ``Samples`` or ``Errors`` that it told at its end."""
        told = re.findall(rf"\b{what}: (\d+)", self.said())
        return int(told[-1]) if told else 0


def attach(context: Context, program: str, argv: Sequence[str], watched: Process, name: str, timeout: float) -> Sampler:
    """Let ``program`` look into a service; return when it does, or when there is nothing left to look into.

    A process is no interpreter at once: it is tried again for as long as that may still be so.
    """
    deadline = time.monotonic() + min(timeout, _TRIES)
    while True:
        pid = process_of(watched, name, timeout)
        command = ShellCommand(program, (*argv, "--pid", str(pid)))
        process = context.launcher.start(
            ServiceCommand(program=command), name=f"{watched.name}-pyspy", folder=context.folder
        )
        sampler = Sampler(process, context.folder, timeout)
        if sampler.started() or watched.wait(_MOURNING) is not None:
            return sampler
        said = sampler.said()
        if not any(each in said for each in _NOT_YET) or time.monotonic() > deadline:
            process.kill()
            reason = complaint(said) or str(process.exit or f"no answer within {timeout:g} s")
            hint = "\n  try: root, or in a container the capability SYS_PTRACE" if _REFUSED in reason else ""
            raise EnvironmentUnavailableError(f"py-spy cannot look into service {watched.name}: {reason}{hint}")


def complaint(text: str) -> str:
    """Return what py-spy said to be wrong, with its reason, in one line."""
    before, _, after = text.partition("Caused by:")
    lines = [line.strip().removeprefix("Error: ") for line in before.splitlines()]
    first = next((line for line in lines if line and not line.startswith("py-spy>")), "")
    cause = re.search(r"(?:\d+: )?(\S.*)", after)
    return f"{first}: {cause[1]}" if first and cause else first


def process_of(process: Process, name: str, timeout: float) -> int:
    """Return the process to look into: the program of the service, or the one called ``name`` once it exists."""
    named = processes_to_attach(process, name, timeout, by="py-spy") if name else ()
    return next(iter(named), process.program_pid)
