"""Profiles by function become numbers and a table."""

from __future__ import annotations

import pytest

from panther_hookspecs import HotFunction, function_key, function_shares, function_table


def test_nothing_gives_nothing_but_the_share_of_a_function_that_was_asked_for() -> None:
    shares = function_shares([], 0, source="tool", service="one", wanted=("hot",))
    assert {each.name: each.value for each in shares} == {
        "tool.top1.share": 0,
        "tool.hot.share": 0,
        "tool.hot.cumulative.share": 0,
    }


def test_a_function_is_found_without_its_file_and_without_the_types_of_its_arguments() -> None:
    functions = [HotFunction("put(int)", 3, 3), HotFunction("put(char)", 1, 2), HotFunction("get (a.py)", 0, 1, "get")]
    found = function_shares(functions, 4, source="tool", service="one", wanted=("put", "get"))
    values = {each.name: each.value for each in found}
    assert (values["tool.put.share"], values["tool.put.cumulative.share"]) == (1.0, 1.25)
    assert (values["tool.get.share"], values["tool.get.cumulative.share"]) == (0.0, 0.25)
    assert values["tool.put_int.share"] == 0.75


@pytest.mark.parametrize(
    ("name", "key"),
    [("hot", "hot"), ("A::b(int)", "A_b_int"), ("memmove@plt", "memmove_plt"), ("kernel", "_kernel"), ("0x1", "_0x1")],
)
def test_names_of_functions_become_parts_of_names(name: str, key: str) -> None:
    assert function_key(name) == key


def test_a_table_says_how_many_functions_it_leaves_out() -> None:
    lines = list(function_table([HotFunction(f"f{number}", 1, 1) for number in range(103)], 103))
    assert len(lines) == 103
    assert lines[-1] == "... and 3 functions with fewer"
