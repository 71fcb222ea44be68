"""Execution environments: instruments that watch a service's process."""

from __future__ import annotations

import abc
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path, PurePosixPath
from typing import Any, ClassVar

import attrs

from panther_hookspecs.commands import Process, ServiceCommand
from panther_hookspecs.environments import Context, EnvironmentInterface, EnvironmentOptions
from panther_hookspecs.plugins import Descriptor, option
from panther_hookspecs.units import Seconds
from panther_hookspecs.values import Artifact, Finding, Measurement, Problem


def _below_the_attempt(_instance: object, _attribute: attrs.Attribute[str], value: str) -> None:
    place = PurePosixPath(value)
    if place.is_absolute() or ".." in place.parts:
        raise ValueError(f"expected a folder below the attempt's folder, a relative path without .., got {value!r}")


@attrs.frozen(kw_only=True)
class ExecutionEnvironmentOptions(EnvironmentOptions):
    """Options that every execution environment has."""

    services: tuple[str, ...] = option((), help="Services to watch; all of them if left out.")
    target_process: str = option(
        "", help="Name of the program to watch where a service starts several; its main one if left out."
    )
    monitoring_duration: Seconds = option(Seconds(0), help="How long to watch; 0 means until the service ends.")
    output_directory: str = option(
        "",
        validator=_below_the_attempt,
        help="Folder for the results, relative to the attempt's folder; its own one if left out.",
    )
    sampling_rate: float = option(0.0, help="Samples a second where the instrument samples; 0 means its own default.")


@attrs.frozen(kw_only=True)
class InstrumentTarget:
    """What an instrument is about to watch, for its check before the start."""

    service: str
    command: ServiceCommand
    runtime: str
    """``native``, ``static``, ``go``, ``python``, ``node`` or ``script``, as the service declares."""
    stop_signal: int
    others: tuple[str, ...] = ()
    """The other instruments on the same service."""


@attrs.frozen(kw_only=True)
class MonitoringData:
    """What an instrument found out. A problem here makes the case an error: no result is ever silently missing."""

    measurements: tuple[Measurement, ...] = ()
    findings: tuple[Finding, ...] = ()
    artifacts: tuple[Artifact, ...] = ()
    problems: tuple[Problem, ...] = ()


@attrs.define(slots=False)
class ExecutionEnvironmentInterface(EnvironmentInterface):
    """One instrument on one service, in the order in which the engine calls it."""

    options: Any = attrs.field(factory=ExecutionEnvironmentOptions)

    @property
    def service(self) -> str:
        """Name of the watched service."""
        return self.context.folder.parent.name

    @property
    def attempt(self) -> Path:
        """The attempt's folder, below which all of its evidence is."""
        return self.context.folder.parents[2].absolute()

    @property
    def service_folder(self) -> Path:
        """The folder with the outputs of the watched service."""
        return self.attempt / "services" / self.service

    def results(self) -> Path:
        """Return the folder for what is written, made if needed: its own, or as ``output_directory`` says."""
        given = self.options.output_directory
        folder = self.attempt / given / self.service if given else self.context.folder.absolute()
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def relative(self, path: Path) -> str:
        """Return a path as findings and problems tell it: relative to the attempt's folder."""
        return path.absolute().relative_to(self.attempt).as_posix()

    def artifact(self, path: Path, kind: str, title: str) -> Artifact:
        """Return the evidence in a file that the instrument has written."""
        own = self.context.folder.absolute()
        place = path.relative_to(own).as_posix() if path.is_relative_to(own) else str(path)
        return Artifact(path=place, kind=kind, service=self.service, title=title)

    def note(self, level: str, text: str) -> None:
        """Add a line to the log of the case, with the name of the instrument and its service."""
        super().note(level, f"{self.get_name()} on {self.service}: {text}")

    def check(self, target: InstrumentTarget) -> Iterable[Problem]:
        """Yield what makes this instrument useless or harmful on this service; called before anything starts."""
        return ()

    def wrap(self, command: ServiceCommand) -> ServiceCommand:
        """Return the command with the instrument's layers around it, or unchanged if it attaches instead."""
        return command

    @abc.abstractmethod
    def start_monitoring(self, target_process: Process) -> None:
        """The service has just been started: attach, or begin to follow what the wrapped program writes."""

    @abc.abstractmethod
    def stop_monitoring(self) -> None:
        """The service is about to be stopped: flush or detach while the program still lives."""

    @abc.abstractmethod
    def get_monitoring_data(self) -> MonitoringData:
        """The service has ended: read what was written and say what it means."""


@attrs.frozen(kw_only=True)
class ExecutionEnvironmentDescriptor(Descriptor):
    """Announces an instrument: what it costs and what it cannot be combined with."""

    KIND: ClassVar[str] = "execution_environment"

    factory: Callable[[Context, Any], ExecutionEnvironmentInterface]
    """Takes the context and the options value."""
    options: type[Any] = ExecutionEnvironmentOptions
    order: int = 50
    """Position among several instruments on one service; a smaller one is further out."""
    excludes: Mapping[str, str] = attrs.field(factory=dict)
    """Instruments that cannot be on the same process, with the reason."""
    slowdown: float = 1.0
    """How many times slower a program typically becomes; readiness and time limits are multiplied by it."""
    slowdowns: Mapping[str, float] = attrs.field(factory=dict)
    """The same by the runtime of the service, for those that it slows down differently: ``{"python": 60}``."""
    image_packages: tuple[str, ...] = ()
    """Debian packages that the image of a watched service needs, because the instrument runs or is loaded inside.

    None for one that stays outside and looks at the processes of the container through the kernel.
    """
    networks: tuple[str, ...] = ()
    """The only network environments in which it can watch a service; empty where it can in any."""
