"""What runs on a system that is not this machine: commands, trees of files, and whole cases."""

from __future__ import annotations

import abc
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs

Reach = Callable[[Sequence[str]], Sequence[str]]
"""Turns a command into the one that, run here, runs it there with its standard streams connected: ``ssh host ...``."""


@attrs.frozen(kw_only=True)
class JobEnd:
    """How a command on a host has ended."""

    reason: str
    """One of: ended, timeout, cancelled."""
    code: int = 0
    """Its exit code; minus the signal if one ended it."""
    seconds: float = 0.0
    results: tuple[Mapping[str, Any], ...] = ()
    """What it has told about itself while it ran, the last word for each name."""
    output: bytes = b""
    """The end of what it printed."""
    reboots: int = 0
    """How often it has begun anew because it said that it would restart its host."""
    notes: tuple[str, ...] = ()
    """What went wrong beside it: a result that is no JSON, a file that is not there, a lost connection."""


class Job(abc.ABC):
    """A command that runs on a host, whether or not the connection holds meanwhile."""

    @abc.abstractmethod
    def wait(self) -> JobEnd:
        """Return when it has ended; SystemLostError if the host is gone for good."""

    @abc.abstractmethod
    def cancel(self) -> None:
        """End it and everything that it has started; may be called from any thread, and twice."""

    @abc.abstractmethod
    def write(self, data: bytes) -> None:
        """Hand ``data`` to its standard input, if it was started with one; TestExecutionError if it does not run."""


class Host(abc.ABC):
    """The other side of a system. Every method may be called from any thread; SystemLostError when it is gone for good.

    A connection that breaks is taken up again, and what runs there goes on meanwhile. If nobody comes back within the
    lease, everything is ended and removed there.
    """

    facts: Mapping[str, str]
    """What the host is: ``hostname``, ``distribution``, ``machine``, ``cpus``, ``python``, ``folder``, ..."""

    @abc.abstractmethod
    def copy(self, tree: Path) -> str:
        """Place a file, or a folder with all that is in it; return where it is. The same content travels only once."""

    @abc.abstractmethod
    def start(
        self,
        argv: Sequence[str],
        *,
        cwd: str = "",
        env: Mapping[str, str] | None = None,
        timeout: float | None = None,
        files: Path | None = None,
        stdin: bool = False,
        heard: Callable[[Mapping[str, Any]], None] | None = None,
    ) -> Job:
        """Start a command in the background, its output in a log there and, when it has ended, in ``files/output.txt``.

        What it writes to the descriptor that ``PANTHER_CONTROL`` names, one JSON object a line, is told to ``heard``
        as it comes: ``{"name": ..., "status": ..., ...}`` is a result, a later one of that name replaces it;
        ``{"duration": "+60"}`` gives it more time; ``{"file": path}`` sends a file to ``files``; ``{"reboot": true}``
        announces that its host is about to restart. That is answered with a line, and afterwards the command begins
        anew with ``PANTHER_REBOOTS`` counted up.
        """

    @abc.abstractmethod
    def fetch(self, path: str, to: Path) -> None:
        """Copy a folder that is there into ``to``."""

    @abc.abstractmethod
    def remove(self, path: str) -> None:
        """Remove a folder there, which must be below the folder of the host."""


@attrs.frozen(kw_only=True)
class CaseTask:
    """One attempt at a case, as text: what another PANTHER needs to know to carry it out.

    ``python -m panther_core.away`` reads one as a line of JSON and writes a line with the record and the folder of the
    evidence.
    """

    run_id: str
    case_id: str
    attempt: int
    experiment: str
    """The experiment as understood, in YAML."""
    here: str = ""
    """The folder that its relative paths count from, there."""
    keep_capture: str = "always"


class CaseExecutor(abc.ABC):
    """Carries out cases by means of its own, for systems that no command reaches: a cluster's scheduler."""

    @abc.abstractmethod
    def carry_out(self, task: CaseTask, folder: Path) -> Mapping[str, Any]:
        """Run the attempt, place its evidence in ``folder``, return its record; SystemLostError if its system is gone.

        If an exception ended the attempt, the record has ``{"type": ..., "text": ...}`` under ``error``; what observers
        here are to be told of what happened there has the key ``events``, as ``panther_core.away`` gives it.
        It must never run an attempt twice by itself: whether it is tried again is decided, and recorded, by the engine.
        """

    @abc.abstractmethod
    def cancel(self) -> None:
        """End what runs; what it had begun is recorded as cancelled."""
