"""The observers that the engine brings, announced like those of any plugin."""

from __future__ import annotations

import sys

import attrs

from panther_core.events.observers import LoggingObserver, MetricsObserver, StorageObserver
from panther_hookspecs import Observer, ObserverContext, ObserverDescriptor, option

_STYLES = ("text", "json")
_PLACES = ("stderr", "file")


@attrs.frozen(kw_only=True)
class ObserverOptions:
    """What every observer of the engine can be told."""

    only: tuple[str, ...] = option((), help="Names of events to take, with all below them; all if empty.")


@attrs.frozen(kw_only=True)
class LogOptions(ObserverOptions):
    """What the log observer can be told."""

    style: str = option(
        "text",
        help="`text` for key=value pairs, `json` for one JSON object a line.",
        validator=attrs.validators.in_(_STYLES),
    )
    to: str = option(
        "stderr",
        help="`stderr`, or `file` for events.log in the run's folder.",
        validator=attrs.validators.in_(_PLACES),
    )


def _storage(context: ObserverContext) -> Observer:
    return StorageObserver(context.run_folder, context.options.only)


def _metrics(context: ObserverContext) -> Observer:
    return MetricsObserver(context.metrics, context.options.only, write_to=context.run_folder / "metrics.json")


def _log(context: ObserverContext) -> Observer:
    target = sys.stderr if context.options.to == "stderr" else context.run_folder / "events.log"
    return LoggingObserver(target, context.options.only, style=context.options.style)


def descriptors() -> tuple[ObserverDescriptor, ...]:
    """Return the observers that come with the engine."""
    return (
        ObserverDescriptor(
            name="storage",
            summary="Stores every event in events.jsonl",
            options=ObserverOptions,
            factory=_storage,
            default=True,
        ),
        ObserverDescriptor(
            name="metrics",
            summary="Counts and times events; writes metrics.json",
            options=ObserverOptions,
            factory=_metrics,
            default=True,
        ),
        ObserverDescriptor(
            name="log", summary="Writes one line for each event as it happens", options=LogOptions, factory=_log
        ),
    )
