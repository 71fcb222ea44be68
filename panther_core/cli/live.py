"""The live screen: a few lines at the bottom of the terminal, painted anew four times a second with rich."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from typing import Self, TextIO, cast

from rich.console import Group, RenderableType
from rich.control import Control
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.segment import ControlType, Segment, SegmentLines
from rich.table import Table
from rich.text import Text

from panther_core.cli.attempts import SECONDS_CELLS, Finished, counted, finished_blocks, fitting_label
from panther_core.cli.blocks import Block
from panther_core.cli.paper import printable, rich_console, styled_text
from panther_core.cli.screen import Screen
from panther_core.cli.text import duration, plural

_ROWS = 10
_FRAME_ROOM = 6
_GAP = 2


class LiveScreen(Screen):
    """Shows what runs now below the attempts that a person must see; when the run is over, only those stay."""

    interval = 0.25

    def __init__(
        self,
        stream: TextIO,
        *,
        colours: bool = False,
        size: tuple[int, int] | None = None,
    ) -> None:
        """Take the size of the terminal as it changes, unless there is a fixed one of columns and lines."""
        super().__init__(stream)
        columns, lines = size or (None, None)
        outlet = cast(TextIO, _Outlet(self.write, stream))
        self.rich = rich_console(outlet, colours=colours, columns=columns, lines=lines)
        self._links = colours and stream.isatty()
        self._above: list[Block] = []
        self._painted: list[int] = []
        """Widths of the lines on the screen, from which follows how many rows they take after a resize."""
        self._live = Live(
            console=self.rich,
            auto_refresh=False,
            transient=True,
            redirect_stdout=stream is sys.stdout,  # what others print appears above the frame
            redirect_stderr=stream is sys.stdout and sys.stderr.isatty(),
            get_renderable=self._frame,
        )

    def __enter__(self) -> Self:
        """Begin to show."""
        self._live.start()
        return super().__enter__()

    def finished(self, finished: Finished) -> None:
        """Keep the lines of an attempt that a person must see for the next frame."""
        record = finished.record
        if record["verdict"] == "cancelled":
            return
        if not record["as_expected"] or record["verdict"] not in ("pass", "unsupported"):
            self._above += finished_blocks(finished, folder=self.progress.folder)

    def tick(self) -> None:
        """Paint a frame, below what has come up since the last one."""
        above, self._above = self._above, []
        with self.rich:  # everything in one write
            self._make_up_for_narrowing()
            if above:
                self.rich.print(printable(above, links=self._links), crop=False)
            self._live.refresh()

    def leave(self) -> None:
        """Take the frame away; what stands above stays."""
        self.tick()
        self._live.stop()

    def _make_up_for_narrowing(self) -> None:
        """Take away the rows that the terminal has made of lines that no longer fit: rich does not know of them."""
        more = sum(-(-cells // self.rich.width) - 1 for cells in self._painted if cells)
        if more:
            up = ((ControlType.ERASE_IN_LINE, 2), (ControlType.CURSOR_UP, 1))
            self.rich.control(Control(*up * more))

    def _frame(self) -> RenderableType:
        """Return the frame as finished lines, none of which reaches the last column."""
        options = self.rich.options.update(width=self.rich.width - 1)
        lines = self.rich.render_lines(self._content(options.max_width), options, pad=False)
        self._painted = [Segment.get_line_length(line) for line in lines]
        return SegmentLines(lines, new_lines=True)

    def _content(self, columns: int) -> RenderableType:
        progress = self.progress
        head = Table.grid(padding=(0, 1), expand=True)
        head.add_column(no_wrap=True)
        head.add_column(ratio=1)
        head.add_column(no_wrap=True)
        bar = _bar(progress.done, progress.total) if progress.total else ""
        head.add_row(progress.share, bar, progress.times)
        counts = styled_text([*counted(progress.counts, "  "), "  " if progress.counts else "", progress.now])
        counts.overflow = "ellipsis"
        return Group(head, counts, self._running(columns), "")  # what is typed, ^C too, lands on the empty line

    def _running(self, columns: int) -> RenderableType:
        """Return the attempts that run now, the longest first, as many as there is room for."""
        progress = self.progress
        rows = max(min(_ROWS, self.rich.height - _FRAME_ROOM), 1)
        shown = progress.shown()
        more = len(shown) - rows
        table = Table.grid(padding=(0, _GAP, 0, 0))
        table.add_column(justify="right", min_width=SECONDS_CELLS + _GAP, no_wrap=True)
        table.add_column(no_wrap=True)
        now = progress.clock()
        for name, since in shown[: rows - 1] if more > 0 else shown:
            table.add_row(duration(now - since), Text(fitting_label(name, columns - SECONDS_CELLS - 2 * _GAP)))
        if more > 0:
            table.add_row("", f"and {plural(more + 1, 'other')}")
        return table


def _bar(done: int, total: int) -> ProgressBar:
    return ProgressBar(total=total, completed=done, style="dim", complete_style="cyan", finished_style="green")


class _Outlet(io.TextIOBase):
    """The stream as rich sees it: writing to it never fails, even if nobody reads it any more."""

    def __init__(self, write: Callable[[str], None], stream: TextIO) -> None:
        self._write = write
        self._stream = stream

    @property
    def encoding(self) -> str:  # type: ignore[override] # read only, as that of every stream of io is
        """The encoding of the stream, by which rich chooses its characters."""
        return getattr(self._stream, "encoding", None) or "utf-8"

    def write(self, text: str) -> int:
        """Write all of the text."""
        self._write(text)
        return len(text)
