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


def aligned(rows: Sequence[Sequence[str]]) -> list[list[str]]:
    """Return rows whose cells but the last are filled up: they align even if something stands between them."""
    cells = [[clean(cell) for cell in row] for row in rows]
    widths = [max(map(width, column)) for column in zip(*cells, strict=True)]
    return [
        [*(cell + " " * (most - width(cell)) for cell, most in zip(row[:-1], widths, strict=False)), row[-1]]
        for row in cells
    ]


def parts(line: Line) -> Sequence[Part]:
    """Return a line as its parts."""
    return (line,) if isinstance(line, (str, Styled)) else line


def plain(line: Line) -> str:
    """Return a line without its accents."""
    return "".join(clean(each.text if isinstance(each, Styled) else each) for each in parts(line))


class Writer(abc.ABC):
    """Turns blocks into text for one stream."""

    width = 0
    """How many cells a line may take; 0 for as many as it needs."""

    @abc.abstractmethod
    def render(self, *blocks: Block) -> str:
        """Return the blocks as text."""


class Plain(Writer):
    """Writes for logs and programs: no escape codes, no limit of width, one line for each row."""

    def render(self, *blocks: Block) -> str:
        """Return the blocks as text."""
        return "".join(f"{line}\n" for block in blocks for line in _lines(block))


def _lines(block: Block) -> Iterator[str]:
    if not isinstance(block, Rows):
        yield plain(block)
        return
    cells = [[plain(cell) for cell in row] for row in block.rows]
    widths = [
        max(width(row[index]) for row in cells if len(row) > index) for index in range(max(map(len, cells), default=0))
    ]
    for row in cells:
        spaces = [" " * (widths[index] - width(cell)) for index, cell in enumerate(row)]
        padded = [
            space + cell if index in block.right else cell + space
            for index, (cell, space) in enumerate(zip(row, spaces, strict=True))
        ]
        yield (" " * block.indent + _GAP.join(padded)).rstrip()
