"""The small frozen values that cross the line between engine and plugins."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from pathlib import Path
from signal import SIGKILL
from typing import Any

import attrs


class Verdict(enum.Enum):
    """What a test case showed. Only ``PASS`` says that the thing claimed was seen to hold."""

    PASS = "pass"  # noqa: S105 - a verdict, not a password
    FAIL = "fail"
    ERROR = "error"
    FLAKY = "flaky"
    UNSUPPORTED = "unsupported"
    INCONCLUSIVE = "inconclusive"
    CANCELLED = "cancelled"


class ExperimentPhase(enum.Enum):
    """The phases of an experiment, in their order."""

    INITIALIZATION = "initialization"
    PLUGIN_LOADING = "plugin_loading"
    SERVICE_SETUP = "service_setup"
    TEST_EXECUTION = "test_execution"
    CLEANUP = "cleanup"


@attrs.frozen(kw_only=True)
class Problem:
    """Something that keeps a plan from running: told before anything starts, with the way out."""

    what: str
    where: str = ""
    why: str = ""
    fix: str = ""

    def __str__(self) -> str:
        """Return the problem as at most four lines: what, where, why, what to do."""
        lines = [
            self.what,
            self.where and f"  in {self.where}",
            self.why and f"  because {self.why}",
            self.fix and f"  try: {self.fix}",
        ]
        return "\n".join(line for line in lines if line)


@attrs.frozen
class Need:
    """One thing of the machine that a plugin cannot do without; `panther doctor` looks for it."""

    kind: str = attrs.field(
        validator=attrs.validators.in_(("tool", "library", "python", "root", "kernel", "linux", "answer"))
    )
    """``answer`` is a command, its words in ``name``, that has to end well: only `panther doctor` runs it."""
    name: str
    package: str = attrs.field(default="", kw_only=True)
    """The Debian package (or, for ``python``, the distribution) that brings it."""
    why: str = attrs.field(default="", kw_only=True)


@attrs.frozen(kw_only=True)
class ExitStatus:
    """How a process ended. Exactly one of ``code`` and ``signal`` is set unless it never started."""

    code: int | None = None
    signal: int | None = None
    reason: str = "exit"
    """``exit``, ``signal``, ``stopped`` (we asked it to), ``timeout``, ``oom`` or ``start_failed``."""
    detail: str = ""

    @property
    def ok(self) -> bool:
        """Whether the process ended well: with code 0, or because it was asked to stop and did."""
        return self.code == 0 or (self.reason == "stopped" and self.signal != SIGKILL)

    def __str__(self) -> str:
        """Return the status the way a person says it."""
        if self.reason == "start_failed":
            return f"could not start: {self.detail}"
        ended = f"exit code {self.code}" if self.signal is None else f"signal {self.signal}"
        return ended if self.reason in ("exit", "signal") else f"{self.reason} ({ended})"


@attrs.frozen(kw_only=True)
class Usage:
    """What one service cost, from rusage and /proc (or the container's cgroup)."""

    cpu_user: float = 0.0
    cpu_system: float = 0.0
    max_rss_bytes: int = 0
    read_bytes: int = 0
    write_bytes: int = 0
    voluntary_switches: int = 0
    involuntary_switches: int = 0
    source: str = "rusage"
    """Where the numbers come from; ``unknown`` where there are none."""


@attrs.frozen(kw_only=True)
class Measurement:
    """A number about a case. ``name`` is dotted, as checks and reports write it: ``strace.sendto.count``."""

    name: str
    value: float
    unit: str = ""
    service: str = ""
    labels: Mapping[str, str] = attrs.field(factory=dict)


@attrs.frozen(kw_only=True)
class Finding:
    """A defect that an instrument or a tester saw, with a fingerprint that is stable between runs."""

    source: str
    kind: str
    message: str
    service: str = ""
    severity: str = "error"
    count: int = 1
    stack: tuple[str, ...] = ()
    fingerprint: str = ""
    artifact: str = ""


@attrs.frozen(kw_only=True)
class Message:
    """Something that one service sent to another, as the evidence shows it: an arrow of a sequence diagram."""

    time: float
    """When it was sent, in seconds since the epoch, or since any other moment that is the same for the whole case."""
    source: str
    target: str
    label: str
    """What it is, in a word or two."""
    detail: str = ""
    arrived: float | None = None
    """When it was received, on the same clock; None where nobody knows that it ever was."""


@attrs.frozen(kw_only=True)
class Artifact:
    """A file of evidence. A plugin names it relative to its own folder; in results it is relative to the attempt's."""

    path: str
    kind: str
    service: str = ""
    title: str = ""


@attrs.frozen(kw_only=True)
class CheckResult:
    """The outcome of one check, with the evidence that decided it in one line."""

    name: str
    verdict: Verdict
    evidence: str
    proves_exchange: bool = False
    """Whether a pass of this check shows that something was really exchanged. Without one, no case passes."""


@attrs.frozen(kw_only=True)
class Evidence:
    """What is known when a case is over: the only thing a check may look at."""

    folder: Path
    exits: Mapping[str, ExitStatus]
    folders: Mapping[str, Path]
    measurements: tuple[Measurement, ...] = ()
    findings: tuple[Finding, ...] = ()
    artifacts: tuple[Artifact, ...] = ()
    memo: dict[str, Any] = attrs.field(factory=dict, eq=False, repr=False)
    """For a protocol, to read a file once: it is the same for measuring, judging and telling one attempt."""

    def text(self, service: str, stream: str = "stdout", limit: int = 1 << 24) -> str:
        """Return what ``service`` wrote to ``stream``, the first ``limit`` bytes, never failing on odd bytes."""
        path = self.folders[service] / stream
        if not path.is_file():
            return ""
        with path.open("rb") as file:
            return file.read(limit).decode("utf-8", "replace")
