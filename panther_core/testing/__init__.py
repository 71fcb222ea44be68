"""The kit for authors of plugins: projects, recorders, stand-ins; `conformance` has what each kind must keep."""

from __future__ import annotations

from panther_core.testing.context import RecordedMetrics, RecordingContext, recording_context
from panther_core.testing.processes import ends
from panther_core.testing.project import MakeProject, Outcome, PantherProject
from panther_core.testing.recorder import EventRecorder, HookCall, HookRecorder

__all__ = [
    "EventRecorder",
    "HookCall",
    "HookRecorder",
    "MakeProject",
    "Outcome",
    "PantherProject",
    "RecordedMetrics",
    "RecordingContext",
    "ends",
    "recording_context",
]
