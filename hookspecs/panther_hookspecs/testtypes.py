"""Test types: the stages that a test case goes through while its services run."""

from __future__ import annotations

import abc
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import attrs

from panther_hookspecs.commands import CommandResult, Process, ShellCommand
from panther_hookspecs.events import BaseEvent
from panther_hookspecs.plugins import Descriptor
from panther_hookspecs.values import ExitStatus, Finding, Measurement, Verdict


@attrs.frozen(kw_only=True)
class StageResult:
    """How a stage went. Anything but PASS ends the stages, after the ones marked ``always``."""

    status: Verdict = Verdict.PASS
    error: str = ""
    values: Mapping[str, Any] = attrs.field(factory=dict)
    """Handed to later stages under the stage's name."""


class CaseControl(abc.ABC):
    """What a stage can do to the running case."""

    folder: Path
    seed: int
    options: Any
    """The options of the test type."""
    values: Mapping[str, Mapping[str, Any]]
    """Results of the stages before, by stage name."""

    @property
    @abc.abstractmethod
    def services(self) -> Sequence[str]:
        """Names of the services in the order in which they were started."""

    @abc.abstractmethod
    def process(self, service: str) -> Process:
        """Return the running (or ended) process of a service."""

    @abc.abstractmethod
    def wait(self, services: Sequence[str] | None = None) -> Mapping[str, ExitStatus]:
        """Wait for services to end by themselves, by default all that do; TimeoutError when the case's time is over."""

    @abc.abstractmethod
    def restart(self, service: str) -> None:
        """Start a service again that has ended, and wait until it is ready."""

    @abc.abstractmethod
    def execute(self, service: str, command: ShellCommand) -> CommandResult:
        """Run a command to its end where the service runs."""

    @abc.abstractmethod
    def remaining(self) -> float:
        """Return the seconds that are left of the case's time."""

    @abc.abstractmethod
    def measure(self, measurement: Measurement) -> None:
        """Add a measurement to the result of the case."""

    @abc.abstractmethod
    def find(self, finding: Finding) -> None:
        """Add a finding to the result of the case."""

    @abc.abstractmethod
    def emit(self, event: BaseEvent) -> None:
        """Tell all observers that something happened."""


@attrs.frozen
class Stage:
    """One named step of a test type."""

    name: str
    run: Callable[[CaseControl], StageResult | None]
    always: bool = attrs.field(default=False, kw_only=True)
    """Run it even if a stage before went wrong: for cleaning up."""


@attrs.frozen(kw_only=True)
class TestTypeDescriptor(Descriptor):
    """Announces a test type."""

    __test__: ClassVar[bool] = False
    KIND: ClassVar[str] = "test_type"

    stages: tuple[Stage, ...]
    exclusive: bool = False
    """Whether its cases need the machine for themselves."""
