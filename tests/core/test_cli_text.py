"""Text for terminals: width, cleaning, alignment, units."""

from __future__ import annotations

import pytest

from panther_core.cli.style import Style
from panther_core.cli.text import clean, clip, columns, counted, duration, number, pad, plural, width


def test_clean_leaves_no_character_that_could_move_the_cursor_or_break_a_line() -> None:
    hostile = "a\x1b[2Jb\rc\nd\x00e\x9bf\u2028g\u202eh"
    shown = clean(hostile)
    assert shown.isprintable()
    assert shown == "a\\x1b[2Jb\\rc d\\x00e\\x9bf\\u2028g\\u202eh"


def test_clean_keeps_names_in_any_script() -> None:
    assert clean("Prüfung 測試 тест") == "Prüfung 測試 тест"


def test_clean_shows_undecodable_bytes_of_a_path_instead_of_failing_to_print_them() -> None:
    assert clean("caf\udce9").encode("utf-8") == rb"caf\udce9"


def test_width_counts_cells_not_characters() -> None:
    assert width("測試") == 4
    assert width("e\u0301") == 1
    assert width("plain") == 5


@pytest.mark.parametrize(
    ("text", "cells", "clipped"),
    [
        ("short", 10, "short"),
        ("exactly", 7, "exactly"),
        ("too long here", 8, "too l..."),
        ("測試測試", 7, "測試..."),
        ("abc", 2, ".."),
    ],
)
def test_clip_never_takes_more_cells_than_it_may(text: str, cells: int, clipped: str) -> None:
    assert clip(text, cells) == clipped
    assert width(clip(text, cells)) <= cells


def test_columns_align_wide_characters_and_leave_the_last_column_as_long_as_it_is() -> None:
    lines = columns([("測試", "one"), ("a", "two"), ("long name", "three " * 3)])
    assert [width(line[: line.index(word)]) for line, word in zip(lines, ("one", "two", "three"), strict=True)] == [
        11,
        11,
        11,
    ]
    assert lines[2].endswith("three three three")


def test_columns_clip_lines_to_the_limit_and_clean_every_cell() -> None:
    assert columns([("a\x1b[1m", "b" * 50)], limit=20) == [r"a\x1b[1m  bbbbbbb..."]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.042, "0.04 s"), (9.99, "9.99 s"), (12.34, "12.3 s"), (59.99, "60.0 s"), (205, "3:25"), (3723, "1:02:03")],
)
def test_durations_read_as_a_person_says_them(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_numbers_counts_and_plurals() -> None:
    assert number(1234567) == "1,234,567"
    assert number(0.123456) == "0.1235"
    assert plural(1, "case") == "1 case"
    assert plural(0, "case") == "0 cases"
    assert counted([("pass", 3), ("fail", 0), ("error", 1)]) == "3 pass, 1 error"
    assert pad("測", 4) == "測  "


def test_style_writes_escapes_only_where_colours_are_wanted() -> None:
    assert Style()("text", "red") == "text"
    assert Style(enabled=True)("text", "red", "bold") == "\x1b[31;1mtext\x1b[0m"
    assert Style(enabled=True).verdict("pass", expected=False).startswith("\x1b[31m")
