"""What network and execution environments share: their base class, their base options, and what they are handed."""

from __future__ import annotations

import abc
from collections.abc import Callable, Mapping, MutableMapping
from pathlib import Path
from typing import Any

import attrs

from panther_hookspecs.commands import CommandProcessor, Launcher
from panther_hookspecs.errors import EnvironmentUnavailableError, PantherExperimentError
from panther_hookspecs.events import BaseEvent
from panther_hookspecs.links import LinkDescriptor
from panther_hookspecs.plugins import Descriptor, IPlugin, option
from panther_hookspecs.recordings import Recording
from panther_hookspecs.units import Seconds

_LEVELS = ("debug", "info", "warning", "error")


class MetricsRecorder(abc.ABC):
    """Where numbers about the work of PANTHER and its plugins go; safe to call from any thread."""

    @abc.abstractmethod
    def record_timing(self, metric_name: str, duration_ms: float, labels: Mapping[str, str] | None = None) -> None:
        """Add one duration."""

    @abc.abstractmethod
    def record_counter(self, metric_name: str, value: int = 1, labels: Mapping[str, str] | None = None) -> None:
        """Count ``value`` more."""

    @abc.abstractmethod
    def record_gauge(self, metric_name: str, value: float, labels: Mapping[str, str] | None = None) -> None:
        """Set the current value."""


def _no_recorder(recording: Recording) -> tuple[str, ...]:
    raise EnvironmentUnavailableError(f"there is no recorder here, and {recording.file.name} needs one")


@attrs.frozen(kw_only=True)
class Context:
    """All that a plugin gets from the engine while it takes part in a case. It reaches nothing else."""

    run_id: str
    case_id: str
    folder: Path
    """The plugin's own folder inside the attempt's evidence; it exists."""
    seed: int
    launcher: Launcher
    commands: CommandProcessor
    metrics: MetricsRecorder
    emit: Callable[[BaseEvent], None]
    note: Callable[[str], None]
    """Adds a line to the log of the case."""
    port_range: tuple[int, int] = (20000, 29999)
    """First and last port that an environment of the host may choose from."""
    links: tuple[LinkDescriptor, ...] = ()
    """Every link mechanism there is; :func:`chosen_link` takes one of them."""
    recorder: Callable[[Recording], tuple[str, ...]] = _no_recorder
    """Returns the program that records packets, for the environment to start where the interfaces are."""
    failed: MutableMapping[str, str] = attrs.field(factory=dict)
    """What cannot succeed in this run any more, and why, by a name that says what it is: all cases share it, so that
    what fails slowly fails once."""
    known: MutableMapping[str, str] = attrs.field(factory=dict)
    """What need not be asked again in this run, by a name that says what it is: all cases share it as well."""
    cancelled: Callable[[], bool] = lambda: False
    """Whether the user has asked to stop; long waits look at it."""


@attrs.frozen(kw_only=True)
class EnvironmentOptions:
    """Options that every environment has."""

    environment_name: str = option("", help="Name of this environment in events and reports; its type if left out.")
    cleanup_on_exit: bool = option(
        True, help="Remove what was created when the case is over; false keeps it for a look."
    )
    timeout: Seconds = option(Seconds(60), help="Longest time that setting up or taking down may take.")
    logging_level: str = option(
        "info",
        help="What the environment writes to the log of the case: debug, info, warning or error.",
        validator=attrs.validators.in_(_LEVELS),
    )


@attrs.define(slots=False)
class EnvironmentInterface(IPlugin):
    """Base of all environments. Made by the engine for one case, inside a context manager over set-up and tear-down."""

    _context: Context | None = None
    options: Any = attrs.field(factory=EnvironmentOptions)
    descriptor: Descriptor | None = attrs.field(default=None, kw_only=True)

    @property
    def context(self) -> Context:
        """What the engine hands to this environment."""
        if self._context is None:
            raise PantherExperimentError(
                f"{self.get_name()} is not part of a run: PluginLoader.load_plugin gives one that can work alone"
            )
        return self._context

    @property
    def command_processor(self) -> CommandProcessor:
        """Runs tools to their end."""
        return self.context.commands

    @property
    def metrics_collector(self) -> MetricsRecorder:
        """Takes the environment's own numbers."""
        return self.context.metrics

    def emit_event(self, event: BaseEvent) -> None:
        """Tell all observers that something happened."""
        self.context.emit(event)

    def note(self, level: str, text: str) -> None:
        """Add a line to the log of the case if ``logging_level`` lets it through."""
        if _LEVELS.index(level) >= _LEVELS.index(self.options.logging_level):
            self.context.note(text)

    def get_name(self) -> str:
        """Return the name the user gave, or the type's."""
        given = getattr(self.options, "environment_name", "")
        return given or (self.descriptor.name if self.descriptor else type(self).__name__)

    def get_version(self) -> str:
        """Return the version of the distribution that brought it."""
        return self.descriptor.get_version() if self.descriptor else ""

    def validate_configuration(self, config: dict[str, Any]) -> bool:
        """Return whether ``config`` is acceptable as this environment's options."""
        return self.descriptor is None or self.descriptor.validate_configuration(config)

    def initialize(self, config: Mapping[str, Any]) -> None:
        """Take options given as a mapping, for use without an experiment file."""
        self.options = (self.descriptor.options if self.descriptor else EnvironmentOptions)(**config)

    def setup_environment(self, config: Any) -> None:
        """Make the environment ready."""

    def teardown_environment(self) -> None:
        """Remove everything that setting up has made. Called even if setting up failed halfway."""

    def get_environment_status(self) -> Mapping[str, Any]:
        """Return what a person would like to know about its present state."""
        return {"name": self.get_name()}
