"""What carrying out a case needs from the run around it, as one narrow value."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import attrs

from panther_core import needs
from panther_core.capture import recorder
from panther_core.hooks import Hooks
from panther_core.metrics import MetricsCollector
from panther_core.plan.cases import PlannedCase
from panther_core.results import RunDirectory
from panther_core.run.build import BuildCache
from panther_core.run.turns import Turns
from panther_hookspecs import (
    BaseEvent,
    CommandProcessor,
    Context,
    Descriptor,
    Launcher,
    LinkDescriptor,
    PantherExperimentError,
    Process,
)


class CancelledError(PantherExperimentError):
    """The user asked to stop."""

    exit_code = 130


@attrs.define
class Engine:
    """The run as a case sees it."""

    run: RunDirectory
    hooks: Hooks
    launcher: Launcher
    commands: CommandProcessor
    builds: BuildCache
    metrics: MetricsCollector
    emit: Callable[[BaseEvent], None]
    port_range: tuple[int, int]
    here: Path
    """The folder of the experiment file: what ``{here}`` stands for."""
    turns: Turns = attrs.field(factory=Turns)
    """Whose programs may run."""
    output_limit: int = 16 << 20
    links: tuple[LinkDescriptor, ...] = ()
    """What network environments may choose from to impair links."""
    keep_capture: str = "always"
    """One of KEEP_CAPTURE."""
    program_seen: Callable[[str], None] = lambda _program: None
    """Told the program of every started service, for the record of what the run depends on."""
    _cancelled: threading.Event = attrs.field(factory=threading.Event)
    _satisfied: set[frozenset[tuple[str, str]]] = attrs.field(factory=set)
    _failed: dict[str, str] = attrs.field(factory=dict)
    _known: dict[str, str] = attrs.field(factory=dict)
    _live: dict[int, Process] = attrs.field(factory=dict)
    _lock: threading.Lock = attrs.field(factory=threading.Lock)

    def require(self, case: PlannedCase) -> None:
        """Raise EnvironmentUnavailableError if this machine lacks what the plugins of the case need."""
        services = (each.descriptor for each in case.services)
        needed: tuple[Descriptor, ...] = (
            case.network,
            case.test_type,
            *services,
            *(each.descriptor for each in case.instruments),
        )
        key = frozenset((each.KIND, each.name) for each in needed)
        if key not in self._satisfied:
            needs.require(needed)
            self._satisfied.add(key)

    def context(self, case_id: str, folder: Path, seed: int, note: Callable[[str], None]) -> Context:
        """Return what a plugin that takes part in a case is handed; makes its folder."""
        folder.mkdir(parents=True, exist_ok=True)
        return Context(
            run_id=self.run.run_id,
            case_id=case_id,
            folder=folder,
            seed=seed,
            launcher=self.launcher,
            commands=self.commands,
            metrics=MetricsCollector(self.metrics),
            emit=self.emit,
            note=note,
            cancelled=self.cancelled,
            failed=self._failed,
            known=self._known,
            port_range=self.port_range,
            links=self.links,
            recorder=recorder,
        )

    def follow(self, process: Process) -> None:
        """Remember a live process, so that cancelling ends it."""
        with self._lock:
            self._live[id(process)] = process
        if self.cancelled():
            process.kill()

    def forget(self, process: Process) -> None:
        """Forget a process that has ended."""
        with self._lock:
            self._live.pop(id(process), None)

    def cancelled(self) -> bool:
        """Return whether the user asked to stop."""
        return self._cancelled.is_set()

    def check_cancelled(self) -> None:
        """Raise CancelledError if the user asked to stop."""
        if self.cancelled():
            raise CancelledError("cancelled")

    def cancel(self) -> None:
        """End every live process, so that whoever waits for one returns at once."""
        self._cancelled.set()
        self.turns.wake()
        with self._lock:
            live = tuple(self._live.values())
        for process in live:
            process.kill()
