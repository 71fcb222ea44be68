"""What the console prints, as values: lines with accents, and tables. Written plainly here, with rich in ``paper``."""

from __future__ import annotations

import abc
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import attrs

from panther_core.cli.text import clean, shown_path, width

_GAP = "  "


class Styled(NamedTuple):
    """Text with an accent, which never is the only sign of anything."""

    text: str
    style: str
    """A style of rich: ``bold red``, ``link file:///tmp``."""


Part = str | Styled
Line = Part | Sequence[Part]
"""One line, or one cell of a table. Control characters in it become visible, and markup means nothing."""


@attrs.frozen(kw_only=True)
class Rows:
    """Rows of cells, aligned below each other; on a terminal long cells wrap within their column."""

    rows: Sequence[Sequence[Line]]
    titles: Sequence[str] = ()
    """Shown on a terminal only: where a program reads, every line is a row."""
    indent: int = 0
    right: tuple[int, ...] = ()
    """The columns that are aligned to the right: numbers."""


Block = Line | Rows


def link(path: Path | str, text: str = "") -> Styled:
    """Return a path as short as it can be typed, or ``text`` in its place, which a terminal can open."""
    return Styled(text or shown_path(path), f"link {Path(path).absolute().as_uri()}")


def aligned(rows: Sequence[Sequence[str]], right: Sequence[int] = ()) -> list[list[str]]:
    """Return rows with all cells but the last filled up, so that they align whatever stands between them."""
    cells = [[clean(cell) for cell in row] for row in rows]
    count = max(map(len, cells), default=0)
    widths = [max((width(row[index]) for row in cells if index < len(row) - 1), default=0) for index in range(count)]
    return [
        [*(_filled(cell, widths[index], right=index in right) for index, cell in enumerate(row[:-1])), *row[-1:]]
        for row in cells
    ]


def _filled(cell: str, cells: int, *, right: bool) -> str:
    spaces = " " * (cells - width(cell))
    return spaces + cell if right else cell + spaces


def parts(line: Line) -> Sequence[Part]:
    """Return a line as its parts."""
    return (line,) if isinstance(line, (str, Styled)) else line


def plain(line: Line) -> str:
    """Return a line without its accents."""
    return "".join(clean(each.text if isinstance(each, Styled) else each) for each in parts(line))


class Writer(abc.ABC):
    """Turns blocks into text for one stream."""

    @abc.abstractmethod
    def render(self, *blocks: Block) -> str:
        """Return the blocks as text."""


class Plain(Writer):
    """Writes for logs and programs: no escape codes, no limit of width, one line for each row."""

    def render(self, *blocks: Block) -> str:
        """Return the blocks as text."""
        return "".join(f"{line}\n" for block in blocks for line in _lines(block))


def _lines(block: Block) -> Iterator[str]:
    if isinstance(block, Rows):
        for row in aligned([[plain(cell) for cell in row] for row in block.rows], block.right):
            yield (" " * block.indent + _GAP.join(row)).rstrip()
    else:
        yield plain(block)
