"""The screens of a run: observers that show it while it goes on, each in its own way."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Self, TextIO

from panther_core.cli.progress import Finished, Progress, finished_lines, running_lines
from panther_core.cli.style import Style
from panther_core.cli.text import clip, width
from panther_hookspecs import BaseEvent, Observer

HEARTBEAT = 30.0
FRAMES = 0.25
_ROWS = 10
_FRAME_ROOM = 4
_SHOWN = ("test.started", "test.completed", "test.retried")


class Screen(Observer):
    """Feeds the events to the progress and calls what a kind of screen does with them; a context manager."""

    interval = 0.0
    """Seconds between calls of ``tick``; 0 means never."""

    def __init__(self, stream: TextIO, *, style: Style | None = None) -> None:
        """Show on ``stream``."""
        self.stream = stream
        self.style = style or Style()
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
        except (BrokenPipeError, ValueError):
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

    def __init__(self, stream: TextIO, *, style: Style | None = None, clipped: int = 0) -> None:
        """Clip lines to ``clipped`` cells; 0 leaves them whole."""
        super().__init__(stream, style=style)
        self._clipped = clipped
        self._silent = True

    def finished(self, finished: Finished) -> None:
        """Print the attempt's line."""
        self._silent = False
        lines = finished_lines(finished, self.style, folder=self.progress.folder, limit=self._clipped)
        self.write("\n".join(lines) + "\n")

    def tick(self) -> None:
        """Print where the run stands, unless something was printed since the last time."""
        if self._silent:
            longest = next(iter(self.progress.running.values()), None)
            what = f"  longest: {longest[0]}" if longest else ""
            self.write(clip(f"... {self.progress.status()}{what}", self._clipped or 1000) + "\n")
        self._silent = True


class LiveScreen(Screen):
    """A few lines at the bottom of the terminal, painted anew four times a second, below what is not as expected."""

    interval = FRAMES

    def __init__(
        self,
        stream: TextIO,
        *,
        style: Style | None = None,
        size: Callable[[], tuple[int, int]] = shutil.get_terminal_size,
    ) -> None:
        """``size`` tells columns and lines of the terminal."""
        super().__init__(stream, style=style)
        self._size = size
        self._above: list[str] = []
        self._painted: list[int] = []
        """Widths of the lines on the screen, from which follows how many rows they take after a resize."""

    def finished(self, finished: Finished) -> None:
        """Keep the lines of an attempt that a person must see for the next frame."""
        record = finished.record
        if record["verdict"] == "cancelled":
            return
        if not record["as_expected"] or record["verdict"] not in ("pass", "unsupported"):
            limit = self._size()[0] - 1
            self._above += finished_lines(finished, self.style, folder=self.progress.folder, limit=limit)

    def tick(self) -> None:
        """Paint a frame."""
        columns, rows = self._size()
        frame = self._frame(columns - 1, min(_ROWS, rows - _FRAME_ROOM))
        self._paint(frame, columns)

    def leave(self) -> None:
        """Take the frame away; what stands above stays."""
        self._paint([], self._size()[0])
        self.write("\x1b[?25h")

    def _frame(self, limit: int, rows: int) -> list[str]:
        lines = [clip(self.progress.status(), limit), *running_lines(self.progress, max(rows, 1), limit)]
        return [self.style(line, "bold") if index == 0 else line for index, line in enumerate(lines)]

    def _paint(self, frame: Sequence[str], columns: int) -> None:
        """Replace the last frame by the waiting lines and a new frame, in one write."""
        rows = sum(max(1, -(-cells // columns)) for cells in self._painted)
        back = f"\x1b[{rows}F" if rows else ""
        above, self._above = self._above, []
        lines = "".join(f"{line}\x1b[K\n" for line in (*above, *frame))
        self._painted = [width(line.replace("\x1b[1m", "").replace("\x1b[0m", "")) for line in frame]
        self.write(f"\x1b[?25l{back}{lines}\x1b[J")


SCREENS = ("live", "lines", "json", "quiet")
