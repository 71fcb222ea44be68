"""Text for terminals: width, cleaning, units."""

from __future__ import annotations

import pytest

from panther_core.cli.text import clean, counted, duration, number, plural, squeeze, width


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


@pytest.mark.parametrize("text", ["short", "transfer of a large file #42", "測試" * 9 + "#42", "e\u0301" * 30 + "測"])
@pytest.mark.parametrize("cells", [3, 8, 13, 26])
def test_squeeze_keeps_both_ends_and_never_takes_more_cells_than_it_may(text: str, cells: int) -> None:
    shown = squeeze(text, cells)
    assert width(shown) <= cells
    head, dots, tail = shown.partition("\N{HORIZONTAL ELLIPSIS}")
    assert text.startswith(head)
    assert text.endswith(tail)
    assert bool(dots) == (width(text) > cells)


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
