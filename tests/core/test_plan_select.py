"""Selections are small expressions over the names of a cell, and a wrong one says where."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as some

from panther_core.plan import parse_selection
from panther_hookspecs import ConfigurationException

CELL = {
    "client": ("aioquic",),
    "server": ("quic-go",),
    "scenario": ("retry",),
    "execution_environments": ("strace", "gdb"),
    "name": ("my test",),
    "services.server.variant": ("a=b",),
}


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("client=aioquic", True),
        ("client = aioquic", True),
        ("client==aioquic", True),
        ("client=quic-go", False),
        ("client!=quic-go", True),
        ("client!=aioquic", False),
        ("server=quic-*", True),
        ("server=quic-[a-f]?", False),
        ("client=aioquic and scenario=retry", True),
        ("client=aioquic and scenario=x", False),
        ("client=x or scenario=retry", True),
        ("not client=x", True),
        ("not not client=x", False),
        ("client=x or client=y and client=z", False),
        ("client=aioquic or client=y and client=z", True),
        ("(client=aioquic or client=y) and client=z", False),
        ("not (client=x or scenario=x)", True),
        ("name='my test'", True),
        ('name="my*"', True),
        ("name=my", False),
        ("execution_environments=gdb", True),
        ("execution_environments!=gdb", False),
        ("execution_environments=perf", False),
        ("services.server.variant='a=b'", True),
        ("other=x", False),
        ("other!=x", True),
        ("client='and'", False),
        ("client=AIOQUIC", False),
    ],
)
def test_a_cell_is_chosen_or_not(text: str, holds: bool) -> None:
    selection = parse_selection(text)
    assert selection is not None
    assert selection.holds(CELL.get) is holds


@pytest.mark.parametrize("text", ["", "   "])
def test_no_expression_chooses_everything(text: str) -> None:
    assert parse_selection(text) is None


@pytest.mark.parametrize(
    ("text", "message", "column"),
    [
        ("client", "expected = or != after 'client'", 6),
        ("client=", "expected a value for 'client'", 7),
        ("=x", "expected the name of an axis or a service", 0),
        ("client=x and", "expected the name of an axis or a service", 12),
        ("client=x y=z", "expected 'and', 'or' or the end", 9),
        ("(client=x", "expected ')'", 9),
        ("client=x)", "expected 'and', 'or' or the end", 8),
        ("client='x", "a quote is not closed", 7),
        ("client=and", "expected a value for 'client'", 7),
        ("client=x && b=c", "expected 'and', 'or' or the end", 9),
        ("(" * 60 + "a=b" + ")" * 60, "nested too deeply", 51),
        ("not", "expected the name of an axis or a service", 3),
    ],
)
def test_a_wrong_expression_says_what_was_expected_and_where(text: str, message: str, column: int) -> None:
    with pytest.raises(ConfigurationException) as caught:
        parse_selection(text)
    lines = str(caught.value).splitlines()
    assert lines[0] == f"--select: {message}"
    assert lines[2] == " " * (column + 2) + "^"
    assert len(lines) == 4


def test_an_unknown_name_lists_what_there_is() -> None:
    selection = parse_selection("clint=x")
    assert selection is not None
    with pytest.raises(
        ConfigurationException,
        match=r"no axis or service 'clint' - did you mean 'client'\?\n  there are: client, server",
    ):
        selection.check_names(["server", "client"])


@given(
    some.one_of(
        some.text(max_size=30),
        some.lists(
            some.sampled_from(["client", "=", "!=", "and", "or", "not", "(", ")", "'", "x", " ", "*", "["]), max_size=12
        ).map(" ".join),
    )
)
def test_any_text_is_an_expression_or_an_explained_error(text: str) -> None:
    try:
        selection = parse_selection(text)
    except ConfigurationException as error:
        told = str(error)
    else:
        told = f"--select: {selection is None or selection.holds(CELL.get)}"
    assert told.startswith("--select: ")
