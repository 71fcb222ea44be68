"""`panther watch`: follow a run that was started elsewhere on this machine."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

import attrs

from panther_core.cli.blocks import link
from panther_core.cli.console import Console
from panther_core.cli.screen import SCREENS, Screen
from panther_core.cli.session import make_screen
from panther_core.cli.text import shown_path
from panther_core.results.shelf import is_held
from panther_hookspecs import BaseEvent, ExperimentEvent, TestEvent

_PAUSE = 0.2
_FOLLOWED: Mapping[str, type[BaseEvent]] = {"ExperimentEvent": ExperimentEvent, "TestEvent": TestEvent}
"""The events that change what a screen shows."""
_OVER = "experiment.cleanup.finished"


def configure(parser: argparse.ArgumentParser) -> None:
    """Add which run to follow, and how to show it."""
    parser.add_argument(
        "run", metavar="RUN", nargs="?", default="last", help="the run: its folder, its name, or last (default)"
    )
    parser.add_argument("--ui", choices=SCREENS, help="what to show (default: live on a terminal, else lines)")


def run(args: argparse.Namespace, console: Console) -> int:
    """Show what has happened so far and what happens until the run is over; end as the run does."""
    folder = console.run_folder(args.run)
    watched = Watched(folder)
    screen = make_screen(args.ui, console)
    screen.progress.clock = watched.clock
    screen.progress.begun = watched.clock()
    with screen:
        for event in watched.events():
            if screen.progress.total is None and not screen.progress.done:
                screen.progress.begun = min(screen.progress.begun, watched.now or time.time())
            screen.handle_event(event)
    return _conclude(screen, watched, console)


@attrs.define
class Watched:
    """The journal of a run, read to its end while somebody writes it."""

    folder: Path
    now: float = 0.0
    """The moment that is replayed, in seconds since the epoch; 0 once the present is reached."""
    over: bool = False
    """Whether the last that the run has said is that it is over; one that is taken up again goes on."""

    def clock(self) -> float:
        """Return the time of what is shown: then while the past is replayed, now afterwards."""
        return self.now or time.time()

    def events(self) -> Iterator[BaseEvent]:
        """Yield the events that screens show; return when the run is over, or nobody works on it any more."""
        with (self.folder / "events.jsonl").open("rb") as journal:
            while True:
                held = is_held(self.folder)  # asked first: what was written before its end is read below
                yield from self._read(journal)
                self.now = 0.0
                if not held:
                    return
                time.sleep(_PAUSE)

    def _read(self, journal: BinaryIO) -> Iterator[BaseEvent]:
        """Yield what was appended since the last time; a line that is being written stays for the next."""
        while line := journal.readline():
            if not line.endswith(b"\n"):
                journal.seek(-len(line), 1)
                return
            record = json.loads(line)
            self.over = record["name"] == _OVER
            kind = _FOLLOWED.get(str(record.get("class")))
            if kind is not None:
                self.now = datetime.fromisoformat(record["timestamp"]).timestamp()
                yield kind(**record["content"])


def _conclude(screen: Screen, watched: Watched, console: Console) -> int:
    progress = screen.progress
    finished = progress.total is not None and progress.done >= progress.total
    if watched.over or finished:
        console.show([f"{progress.share}: {progress.counted() or 'nothing'}  ", link(watched.folder)])
    else:
        console.complain(
            f"nobody works on {shown_path(watched.folder)} any more, and it is not finished: {progress.status()}\n"
            f"  try: panther resume {shown_path(watched.folder)}"
        )
    return 0 if (watched.over or finished) and not progress.unexpected else 1
