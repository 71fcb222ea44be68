"""What the console prints: plainly for programs, with rich for people."""

from __future__ import annotations

import io
import re
from pathlib import Path

import pytest

from panther_core.cli.blocks import Block, Plain, Rows, Styled, Writer, link
from panther_core.cli.messages import message_lines
from panther_core.cli.paper import Paper
from panther_core.cli.text import width

TABLE = Rows(
    rows=[
        ("測試", Styled("1.5", "red"), "one [red]x[/red] [/]"),
        ("long name", "12.25", ["two ", Styled("words", "bold")]),
        ("short",),
    ],
    titles=("name", "number", "text"),
    right=(1,),
    indent=2,
)


def paper(**more: bool | int) -> Paper:
    return Paper(io.StringIO(), **more)  # type: ignore[arg-type]


def test_a_table_without_a_reader_is_one_aligned_line_for_each_row_without_titles() -> None:
    assert Plain().render(TABLE) == (
        "  測試         1.5  one [red]x[/red] [/]\n  long name  12.25  two words\n  short\n"
    )


def test_a_table_for_a_person_has_titles_and_wraps_long_cells_in_their_column() -> None:
    shown = paper(columns=30).render(Rows(rows=[("name", "word " * 10), ("b", "c")], titles=("first", "second")))
    assert shown.splitlines() == [
        "first  second",
        "name   word word word word",
        "       word word word word",
        "       word word",
        "b      c",
    ]


@pytest.mark.parametrize("columns", [40, 79, 0])
def test_tables_keep_within_the_terminal_and_lose_nothing(columns: int) -> None:
    row = ("identifier-" * 3, "測試" * 20, "no-blank-anywhere-" * 10)
    lines = paper(columns=columns).render(Rows(rows=[row])).splitlines()
    assert max(map(width, lines)) <= (columns or 1000)
    assert sorted(re.sub(r"\s", "", "".join(lines))) == sorted("".join(row))


@pytest.mark.parametrize("writer", [Plain(), paper(), paper(columns=79), paper(colours=True, columns=79, links=True)])
def test_neither_markup_nor_control_characters_of_a_text_work(writer: Writer) -> None:
    hostile = "[red]a[/red] [/] [link=x]b \\[c] :smile: \x1b[2J\x1b]8;;x\x1b\\d\r\n\x07"
    blocks: tuple[Block, ...] = (
        hostile,
        Styled(hostile, "bold"),
        Rows(rows=[(hostile, "x")], titles=("[b]t[/b]", "u")),
    )
    shown = re.sub(r"\x1b\[[0-9;]*m", "", writer.render(*blocks))
    for word in ("[red]a[/red] [/] [link=x]b \\[c] :smile:", r"\x1b[2J\x1b]8;;x\x1b"):
        assert shown.count(word) == 3
    assert all(each.isprintable() or each == "\n" for each in shown)


def test_colours_and_links_are_written_only_where_they_are_wanted(tmp_path: Path) -> None:
    folder = tmp_path / "a b"
    blocks: tuple[Block, ...] = (Styled("fail", "red"), ["  ", link(folder)])
    assert Plain().render(*blocks) == paper().render(*blocks) == f"fail\n  {folder}\n"
    coloured = paper(colours=True).render(*blocks)
    assert coloured == f"\x1b[31mfail\x1b[0m\n  {folder}\n"
    linked = paper(colours=True, links=True).render(*blocks)
    assert f";{folder.as_uri()}\x1b\\{folder}\x1b]8;;\x1b\\" in linked


def test_a_link_is_never_broken_by_us(tmp_path: Path) -> None:
    path = tmp_path / ("x" * 200)
    assert paper(columns=40, colours=True, links=True).render(["at ", link(path)]).count("\n") == 1


def test_a_message_has_accents_on_place_caret_hint_and_advice_and_stays_the_same_text() -> None:
    text = (
        "a b.yaml:3:14: error: key: no 'x' - did you mean 'y'? (installed: y)\n"
        "      3 | key: x [red]\n"
        "        |      ^\n"
        "what went wrong\n"
        "  try: panther plugins"
    )
    lines = message_lines(text)
    assert Plain().render(*lines) == text + "\n"
    accents = [part for line in lines if not isinstance(line, str) for part in line if isinstance(part, Styled)]
    assert [each.text for each in accents if each.style] == [
        "a b.yaml:3:14",
        "error",
        "did you mean 'y'?",
        "      3 | ",
        "        | ",
        "     ^",
        "try:",
    ]
