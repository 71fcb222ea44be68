"""The screens of a run: observers that show it while it goes on, each in its own way."""

from __future__ import annotations

import errno
import json
import threading
from collections.abc import Mapping
from typing import Any, Self, TextIO

from panther_core.cli.attempts import Finished, finished_blocks
from panther_core.cli.blocks import Plain, Writer
from panther_core.cli.progress import Progress
from panther_core.cli.text import plural, whole
from panther_hookspecs import BaseEvent, Observer

SCREENS = ("live", "lines", "json", "quiet")
HEARTBEAT = 30.0
_SHOWN = ("test.started", "test.completed", "test.retried", "environment.progress", "build.started", "build.finished")


class Screen(Observer):
    """Feeds the events to the progress and calls what a kind of screen does with them; a context manager."""

    interval = 0.0
    """Seconds between calls of ``tick``; 0 means never."""

    def __init__(self, stream: TextIO) -> None:
        """Show on ``stream``."""
        self.stream = stream
        self.progress = Progress()
        self.lost = False
        """Whether nobody reads the stream any more; the run goes on without."""
        self._lock = threading.RLock()
        self._over = threading.Event()
        self._ticker = threading.Thread(target=self._tick, name="panther-screen", daemon=True)

    def __enter__(self) -> Self:
        """Begin to show."""
        if self.interval:
            self._ticker.start()
        return self

    def __exit__(self, *exception: object) -> None:
        """Leave a clean line behind."""
        self.close()

    def is_interested(self, event_type: str) -> bool:
        """Return whether events of this name change what is shown."""
        return event_type in _SHOWN or event_type.startswith("experiment.")

    def handle_event(self, event: BaseEvent) -> None:
        """Take one event."""
        with self._lock:
            finished = self.progress.take(event)
            if finished:
                self.finished(finished)

    def close(self) -> None:
        """Stop showing."""
        if self._over.is_set():
            return
        self._over.set()
        if self._ticker.is_alive():
            self._ticker.join()
        with self._lock:
            self.leave()

    def finished(self, finished: Finished) -> None:
        """Show that an attempt is over."""

    def tick(self) -> None:
        """Show that time has passed."""

    def leave(self) -> None:
        """Show that the run is over."""

    def write(self, text: str) -> None:
        """Write and flush; a reader who has gone away does not disturb the run."""
        if self.lost:
            return
        try:
            self.stream.write(text)
            self.stream.flush()
        except (BrokenPipeError, ValueError):  # the second says that the stream is closed
            self.lost = True
        except OSError as error:
            if error.errno != errno.EIO:  # what a terminal says that was closed
                raise
            self.lost = True

    def _tick(self) -> None:
        while not self._over.wait(self.interval):
            with self._lock:
                self.tick()


class QuietScreen(Screen):
    """Shows nothing."""


class JsonScreen(Screen):
    """One JSON object for each event that a program may want to know, each on its own line."""

    def finished(self, finished: Finished) -> None:
        """Print the attempt's whole record."""
        self.emit("attempt", {**finished.record, "again": finished.again})

    def handle_event(self, event: BaseEvent) -> None:
        """Print phases and starts, too."""
        content = event.content()
        if event.name == "test.started":
            self.emit("started", {"case": content["test_case_id"], **content["metadata"]})
        elif event.name.startswith("experiment."):
            self.emit("phase", {"phase": content["phase"], "status": content["status"], **content["metadata"]})
        super().handle_event(event)

    def emit(self, kind: str, content: Mapping[str, Any]) -> None:
        """Print one object; ``kind`` says what it is."""
        with self._lock:
            self.write(json.dumps({"event": kind, **content}, default=str) + "\n")


class LineScreen(Screen):
    """Plain lines for logs: one per finished attempt, and a sign of life where nothing finishes for long."""

    interval = HEARTBEAT

    def __init__(self, stream: TextIO, *, writer: Writer | None = None) -> None:
        """Let ``writer`` make the lines."""
        super().__init__(stream)
        self._writer = writer or Plain()
        self._silent = True

    def handle_event(self, event: BaseEvent) -> None:
        """Say at the beginning how long it is going to take, if earlier runs tell and it is long."""
        before = self.progress.foreseen
        super().handle_event(event)
        left = self.progress.left
        if self.progress.foreseen != before and left is not None and left > HEARTBEAT:
            with self._lock:
                told = f"... {plural(self.progress.total or 0, 'case')}, {self.progress.jobs} at a time"
                self.write(self._writer.render(f"{told}: about {whole(left)}, as long as earlier runs took"))

    def finished(self, finished: Finished) -> None:
        """Print the attempt's line."""
        self._silent = False
        self.write(self._writer.render(*finished_blocks(finished, folder=self.progress.folder)))

    def tick(self) -> None:
        """Print where the run stands, unless something was printed since the last time."""
        if self._silent:
            longest = next(iter(self.progress.shown()), None)
            what = f"  longest: {longest[0]}" if longest else ""
            self.write(self._writer.render(f"... {self.progress.status()}{what}"))
        self._silent = True
