"""Who looks at a run: observers while it goes on, reports afterwards, commands at any time."""

from __future__ import annotations

import abc
import argparse
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

import attrs

from panther_hookspecs.environments import MetricsRecorder
from panther_hookspecs.events import BaseEvent
from panther_hookspecs.plugins import Descriptor


class Observer(abc.ABC):
    """Receives events, one after the other, in the order in which they were emitted."""

    @abc.abstractmethod
    def handle_event(self, event: BaseEvent) -> None:
        """Take one event. An exception is counted and reported and keeps no other observer from the event."""

    def is_interested(self, event_type: str) -> bool:
        """Return whether events of this dotted name are wanted; asked once for each name."""
        return True

    def close(self) -> None:
        """The run is over: write what is still held."""


class IObserver(Observer):
    """The same, for those who write ``on_event``."""

    @abc.abstractmethod
    def on_event(self, event: BaseEvent) -> None:
        """Take one event."""

    def handle_event(self, event: BaseEvent) -> None:
        """Pass the event to ``on_event``."""
        self.on_event(event)


class RunView(abc.ABC):
    """A run directory to read from, finished or not. Everything comes from its files."""

    folder: Path

    @property
    @abc.abstractmethod
    def experiment(self) -> Mapping[str, Any]:
        """The experiment as it was understood, every default filled in."""

    @property
    @abc.abstractmethod
    def lock(self) -> Mapping[str, Any]:
        """The repeatable part: versions, hashes, kernel, processor, seed."""

    @property
    def planned(self) -> int | None:
        """How many cases the run consists of, or None if that is not known."""
        return None

    @abc.abstractmethod
    def attempts(self) -> Iterator[Mapping[str, Any]]:
        """Yield the record of every finished attempt, in the order in which they ended."""

    @abc.abstractmethod
    def cases(self) -> Iterator[Mapping[str, Any]]:
        """Yield one record per case: its last attempt, with the verdict over all of them and their number."""

    @abc.abstractmethod
    def events(self) -> Iterator[Mapping[str, Any]]:
        """Yield every event in order."""

    def events_about(self, entities: Collection[str]) -> Iterator[Mapping[str, Any]]:
        """Yield the events whose ``entity_id`` is one of these, in order: those about a few cases of a large run."""
        return (event for event in self.events() if event.get("entity_id") in entities)

    @property
    def comparison(self) -> Mapping[str, Any] | None:
        """How it differs from an earlier run, as ``panther compare --json`` says it; None if nobody asked for that."""
        return None

    def figures(self) -> Iterator[Figure]:
        """Yield the pictures that the installed reports can draw of it, for a report that shows those of others."""
        return iter(())


@attrs.frozen(kw_only=True)
class Figure:
    """A picture of a run that stands alone: one report draws it, another one may show it."""

    title: str
    """What a person chooses it by."""
    svg: str
    """A complete SVG document. Show it as an image: then nothing in it can reach into the page around it."""
    about: str = ""
    """What it shows, in words, for those who cannot see it."""
    kind: str = ""
    """What it is, in one word: ``flame graph``, ``load``. Figures of a kind stand together."""
    link: str = ""
    """Where more of it is: a file below the folder of the run, or nothing."""


@attrs.frozen(kw_only=True)
class ObserverContext:
    """What an observer is handed: the run's folder, its options, and the numbers of the run."""

    run_folder: Path
    options: Any
    metrics: MetricsRecorder


@attrs.frozen(kw_only=True)
class ObserverDescriptor(Descriptor):
    """Announces an observer; it takes part in every run in which it is enabled."""

    KIND: ClassVar[str] = "observer"

    factory: Callable[[ObserverContext], Observer]
    default: bool = False
    """Whether it takes part unless the experiment says otherwise."""


@attrs.frozen(kw_only=True)
class ReportDescriptor(Descriptor):
    """Announces a report: ``write`` makes one file from a run directory alone."""

    KIND: ClassVar[str] = "report"

    write: Callable[[RunView, Path, Any], None]
    """Takes the run, the file to write, and the options value."""
    filename: str
    figures: Callable[[RunView, Any], Iterable[Figure]] | None = None
    """What another report may show of this one: takes the run and the options value, draws when it is iterated over."""
    refers: bool = False
    """Whether it links other reports of the run: of several that are asked for it is written last."""
    compares: bool = False
    """Whether it shows how the run compares with an earlier one, if it is handed that."""
    exports: bool = False
    """Whether it is data for other programs rather than something to look at."""


class CommandContext(abc.ABC):
    """What a command of the console can use."""

    @abc.abstractmethod
    def say(self, text: str) -> None:
        """Print a line to standard output."""

    @abc.abstractmethod
    def open_run(self, name: str) -> RunView:
        """Return the run of that folder or name (``last`` for the newest)."""


@attrs.frozen(kw_only=True)
class CommandDescriptor(Descriptor):
    """Announces a subcommand of the console."""

    KIND: ClassVar[str] = "command"

    configure: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace, Any], int]
    """Takes the parsed arguments and a CommandContext; returns the exit code."""
