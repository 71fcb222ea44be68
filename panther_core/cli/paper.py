"""Prints blocks with rich: colours, links, and tables that fit the terminal. Imported only where somebody looks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TextIO

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from panther_core.cli.blocks import Block, Line, Rows, Styled, Writer, parts
from panther_core.cli.text import clean, width

_UNLIMITED = 100_000
_SHORT = 24
"""Columns that need no more cells than this are not wrapped where others can be."""


def rich_console(stream: TextIO, *, colours: bool, columns: int | None, lines: int | None = None) -> Console:
    """Return rich's console for a stream: nothing about it is guessed but the size, where none is given."""
    return Console(
        file=stream,
        force_terminal=True,
        color_system="standard" if colours else None,
        no_color=not colours,
        width=columns,
        height=lines,
        markup=False,
        emoji=False,
        highlight=False,
    )


class Paper(Writer):
    """Writes for people."""

    def __init__(self, stream: TextIO, *, colours: bool = False, links: bool = False, columns: int = 0) -> None:
        """Use ``columns`` cells of each line, or as many as it needs if that is 0."""
        self._links = links
        self._rich = rich_console(stream, colours=colours, columns=columns or _UNLIMITED)

    def render(self, *blocks: Block) -> str:
        """Return the blocks as text for the terminal."""
        with self._rich.capture() as captured:
            self._rich.print(printable(blocks, links=self._links), crop=False)
        return "".join(f"{line.rstrip(' ')}\n" for line in captured.get().splitlines())


def printable(blocks: Sequence[Block], *, links: bool) -> RenderableType:
    """Return blocks as something that rich prints: tables fit the width, lines are left to the terminal to wrap."""
    return Group(
        *(_table(each, links) if isinstance(each, Rows) else styled_text(each, links=links) for each in blocks)
    )


def styled_text(line: Line, *, links: bool = False, wraps: bool = False) -> Text:
    """Return a line as rich's text, which knows no markup; a path is a link only where a terminal can open it."""
    text = Text() if wraps else Text(no_wrap=True, overflow="ignore")
    for each in parts(line):
        content, style = each if isinstance(each, Styled) else (each, "")
        text.append(clean(content), "" if style.startswith("link ") and not links else style)
    return text


def _table(block: Rows, links: bool) -> RenderableType:
    cells = [[styled_text(cell, links=links, wraps=True) for cell in row] for row in block.rows]
    table = Table(box=None, show_header=bool(block.titles), header_style="dim", padding=(0, 2, 0, 0), pad_edge=False)
    for index in range(max(map(len, cells), default=0)):
        longest = max(width(row[index].plain) for row in cells if len(row) > index)
        table.add_column(
            Text(block.titles[index]) if block.titles else "",
            justify="right" if index in block.right else "left",
            no_wrap=longest <= _SHORT,
            overflow="fold",
        )
    for row in cells:
        table.add_row(*row)
    return Padding(table, (0, 0, 0, block.indent), expand=False)
