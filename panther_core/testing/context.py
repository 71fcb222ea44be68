"""A context as a plugin gets it from the engine, with a real launcher, that remembers what the plugin told it."""

from __future__ import annotations

import contextlib
import threading
import uuid
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import attrs

from panther_core.capture import recorder
from panther_core.process import Supervisor
from panther_hookspecs import BaseEvent, Context, LinkDescriptor, MetricsRecorder


@attrs.define
class RecordedMetrics(MetricsRecorder):
    """Keeps every number as ``(kind, name, value, labels)``."""

    records: list[tuple[str, str, float, Mapping[str, str]]] = attrs.field(factory=list)

    def record_timing(self, metric_name: str, duration_ms: float, labels: Mapping[str, str] | None = None) -> None:
        """Keep one duration."""
        self.records.append(("timing", metric_name, duration_ms, labels or {}))

    def record_counter(self, metric_name: str, value: int = 1, labels: Mapping[str, str] | None = None) -> None:
        """Keep one count."""
        self.records.append(("counter", metric_name, value, labels or {}))

    def record_gauge(self, metric_name: str, value: float, labels: Mapping[str, str] | None = None) -> None:
        """Keep one value."""
        self.records.append(("gauge", metric_name, value, labels or {}))


@attrs.frozen(kw_only=True)
class RecordingContext(Context):
    """A context whose events, notes and numbers can be looked at afterwards."""

    attempt: Path
    """The folder of the pretended attempt; ``folder`` is inside of it."""
    events: list[BaseEvent]
    notes: list[str]
    recorded: RecordedMetrics
    cancel: threading.Event
    """Set it to pretend that the user has asked to stop."""


@contextlib.contextmanager
def recording_context(
    folder: Path, *, run_id: str = "", name: str = "plugin", seed: int = 1, links: Sequence[LinkDescriptor] = ()
) -> Iterator[RecordingContext]:
    """Give a context whose evidence goes below ``folder``; at the end every process started with it is gone."""
    run_id = run_id or f"testing-{uuid.uuid4().hex[:12]}"
    own = folder / name
    own.mkdir(parents=True, exist_ok=True)
    with Supervisor.start(run_id=run_id) as supervisor:
        yield attrs.evolve(_context(supervisor, run_id, folder, own, seed), links=tuple(links))


def _context(supervisor: Supervisor, run_id: str, attempt: Path, own: Path, seed: int) -> RecordingContext:
    events: list[BaseEvent] = []
    notes: list[str] = []
    metrics = RecordedMetrics()
    cancel = threading.Event()
    return RecordingContext(
        run_id=run_id,
        case_id=f"case-{own.name}",
        folder=own,
        seed=seed,
        launcher=supervisor.launcher,
        commands=supervisor.commands,
        metrics=metrics,
        emit=events.append,
        note=notes.append,
        recorder=recorder,
        cancelled=cancel.is_set,
        attempt=attempt,
        events=events,
        notes=notes,
        recorded=metrics,
        cancel=cancel,
    )
