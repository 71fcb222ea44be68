"""Structuring is strict: every silent conversion of a lax converter is an error here."""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import attrs
import pytest

from panther_core.config.diagnostics import Findings
from panther_core.config.document import parse_text
from panther_core.config.structure import structure
from panther_core.config.tree import Mark, Node, Source
from panther_hookspecs import BitRate, Bytes, Lapse, Quantity, Readiness, Seconds, Share, option


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Mode(str, enum.Enum):  # noqa: UP042 - what plugins for older Pythons write
    FAST = "fast"


@attrs.frozen(kw_only=True)
class Inner:
    port: int = option(help="The port.", validator=attrs.validators.in_((1, 2)))
    rate: float = option(
        1.0, help="The rate.", validator=attrs.validators.and_(attrs.validators.ge(0), attrs.validators.lt(5))
    )


@attrs.frozen(kw_only=True)
class Outer:
    low: int = option(0, help="Least.")
    high: int = option(9, help="Most.")
    name: str = option("n", help="Name.", validator=attrs.validators.matches_re("[a-z]+"))
    inner: Inner | None = option(None, help="More.")
    many: tuple[Inner, ...] = option((), help="Many.")

    @high.validator
    def _above(self, _attribute: object, value: int) -> None:
        if value < self.low:
            raise ValueError(f"must be at least low ({self.low})")

    def __attrs_post_init__(self) -> None:
        if self.low == 7:
            raise ValueError("seven is not possible")


def read(text: str, type_: Any, *, loose: bool = False) -> tuple[Any, list[str]]:
    node = parse_text(text, Source("x", text.splitlines(), Path("/exp")), environ={})
    if loose:
        node = Node(text, Mark(Source("--set", (), None)), loose=True)
    findings = Findings()
    value = structure(node, type_, findings)
    return value, [f"{each.line}:{each.column} {each.key} {each.message}".strip() for each in findings.found]


@pytest.mark.parametrize(
    ("type_", "text", "value"),
    [
        (int, "3", 3),
        (float, "3", 3.0),
        (float, "3.5", 3.5),
        (str, "yes", "yes"),
        (bool, "true", True),
        (Seconds, "20ms", Seconds(0.02)),
        (Seconds, "2", Seconds(2)),
        (Lapse, "20ms", Lapse(0.02)),
        (Lapse, "0", Lapse(0)),
        (Bytes, "16MiB", Bytes(1 << 24)),
        (Share, "1%", Share(0.01)),
        (BitRate, "10Mbit", BitRate(1e7)),
        (Colour, "red", Colour.RED),
        (Mode, "fast", Mode.FAST),
        (Literal["a", 1], "1", 1),
        (int | None, "~", None),
        (int | str, "x", "x"),
        (int | str, "3", 3),
        (str | tuple[str, ...], "[a]", ("a",)),
        (tuple[str, ...], "[a, b]", ("a", "b")),
        (list[int], "[1]", [1]),
        (tuple[int, str], "[1, a]", (1, "a")),
        (Sequence[int], "[1]", (1,)),
        (frozenset[str], "[a, b]", frozenset({"a", "b"})),
        (Mapping[str, int], "{a: 1}", {"a": 1}),
        (dict[str, tuple[str, ...]], "{a: [b]}", {"a": ("b",)}),
        (Any, "{a: [1, x]}", {"a": [1, "x"]}),
        (Path, "a/b", Path("/exp/a/b")),
        (Path, "/abs", Path("/abs")),
        (Mapping[str, Any], "{a: {b: 1}}", {"a": {"b": 1}}),
        (Quantity | None, "3", Quantity(3)),
    ],
)
def test_a_fitting_value_becomes_exactly_its_type(type_: Any, text: str, value: object) -> None:
    found, errors = read(text, type_)
    assert errors == []
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("type_", "text", "message"),
    [
        (int, "true", "expected a whole number, got true"),
        (Lapse, "20", "20 of what? For example 20ms or 20s"),
        (Lapse, "'1.5'", "1.5 of what? For example 1.5ms or 1.5s"),
        (int, "3.7", "expected a whole number, got 3.7"),
        (int, "3.0", "expected a whole number, got 3.0"),
        (int, "'5'", "expected a whole number, got '5'"),
        (float, "true", "expected a number, got true"),
        (float, ".nan", "expected a number, got nan"),
        (float, "'1.5'", "expected a number, got '1.5'"),
        (float, "1" + "0" * 400, "expected a number, got 1" + "0" * 56 + "... (too large)"),
        (bool, "no", "expected true or false, got 'no'"),
        (bool, "1", "expected true or false, got 1"),
        (str, "1.10", "expected a text, got 1.1 - quote it: '1.1'"),
        (str, "true", "expected a text, got true - quote it: 'true'"),
        (str, "~", "expected a text, got nothing"),
        (str, "[1]", "expected a text, got a list"),
        (tuple[str, ...], "abc", "expected a list, got 'abc' - write [abc]"),
        (tuple[str, ...], "{a: b}", "expected a list, got a mapping"),
        (tuple[int, str], "[1]", "expected a list of 2, got a list of 1"),
        (frozenset[str], "[a, a]", "'a' is listed twice"),
        (Mapping[str, int], "[1]", "expected a mapping, got a list"),
        (Inner, "abc", "expected a mapping, got 'abc'"),
        (Colour, "Red", "expected one of red, blue, got 'Red' - did you mean 'red'?"),
        (Mode, "slow", "expected one of fast, got 'slow'"),
        (Literal["a", "b"], "c", "expected one of a, b, got 'c'"),
        (Literal[1], "true", "expected one of 1, got true"),
        (int | bool, "x", "expected a whole number, got 'x' or expected true or false, got 'x'"),
        (
            Seconds,
            "20 parsecs",
            "expected a number with a unit (us, ms, s, m, min, h, d), for example 20ms, got '20 parsecs'",
        ),
        (Seconds, "-1s", "expected zero or more, for example 20ms, got '-1s'"),
        (Seconds, ".inf", "expected zero or more, for example 20ms, got inf"),
        (Seconds, "true", "expected a number with a unit (us, ms, s, m, min, h, d), for example 20ms, got True"),
        (Share, "150%", "expected a share between 0 and 1 (0% and 100%), got '150%'"),
    ],
)
def test_nothing_is_converted_silently(type_: Any, text: str, message: str) -> None:
    assert read(text, type_) == (None, [f"1:1  {message}"])


def test_all_errors_of_a_tree_come_in_one_pass_each_with_its_place() -> None:
    text = "low: x\nnaem: y\nname: ABC\ninner:\n  port: 3\n  rate: 5\nmany:\n  - {port: 1}\n  - {rate: -1, prot: 1}\n"
    assert read(text, Outer) == (
        None,
        [
            "1:6 low expected a whole number, got 'x'",
            "5:9 inner.port expected one of 1, 2, got 3",
            "6:9 inner.rate must be < 5: 5.0",
            "9:16 many[1].prot unknown key 'prot' - did you mean 'port'? (allowed: port, rate)",
            "9:5 many[1] the key 'port' is missing (The port)",
            "9:12 many[1].rate must be >= 0: -1.0",
            "2:1 naem unknown key 'naem' - did you mean 'name'? (allowed: low, high, name, inner, many)",
            "3:7 name expected a text that matches [a-z]+, got 'ABC'",
        ],
    )


def test_a_validator_may_compare_fields_and_the_class_may_refuse_the_whole() -> None:
    assert read("{low: 5, high: 3}", Outer)[1] == ["1:16 high must be at least low (5)"]
    assert read("{low: 5, high: x}", Outer)[1] == ["1:16 high expected a whole number, got 'x'"]
    assert read("{low: 7}", Outer)[1] == ["1:1  seven is not possible"]


def test_values_of_the_contract_are_structured_deeply() -> None:
    found, errors = read(
        "{kind: command, command: {command: nc, args: ['-z', host], env: {A: b}}, timeout: 3s}", Readiness
    )
    assert errors == []
    assert found.command.argv == ("nc", "-z", "host")
    assert found.timeout == 3
    assert read("{kind: command, command: {command: nc, args: -z}}", Readiness)[1] == [
        "1:46 command.args expected a list, got '-z' - write [-z]"
    ]


@pytest.mark.parametrize(
    ("type_", "text", "value"),
    [
        (int, "3", 3),
        (str, "3", "3"),
        (str, "1.10", "1.10"),
        (bool, "true", True),
        (float, "2.5", 2.5),
        (Seconds, "5s", Seconds(5)),
        (Colour, "red", Colour.RED),
        (int | None, "~", None),
        (Any, "3", 3),
        (Mode, "fast", Mode.FAST),
    ],
)
def test_a_text_that_could_not_be_quoted_is_read_as_what_is_wanted(type_: Any, text: str, value: object) -> None:
    found, errors = read(text, type_, loose=True)
    assert errors == []
    assert found == value
    assert type(found) is type(value)


def test_a_text_from_outside_that_does_not_fit_is_still_an_error() -> None:
    assert read("x", int, loose=True) == (None, ["0:0  expected a whole number, got 'x'"])
