"""Strict readers of scalars: nothing is converted silently, and the message says what was expected."""

from __future__ import annotations

import enum
import functools
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

import attrs
from ruamel.yaml import YAML
from ruamel.yaml.nodes import ScalarNode

from panther_core.config.diagnostics import suggestion
from panther_core.config.document import scalar_value
from panther_core.config.tree import KeyPath, Text, exact
from panther_hookspecs import Quantity, Share


@attrs.frozen
class Flaw:
    """One thing that is wrong inside a value, at a path from that value."""

    message: str
    path: KeyPath = ()
    on_key: bool = False
    """Whether it is about the last key of the path rather than the value there."""


class StructureError(ValueError):
    """A value does not fit its type; holds every flaw of it."""

    def __init__(self, flaws: Sequence[Flaw]) -> None:
        super().__init__("; ".join(each.message for each in flaws))
        self.flaws = tuple(flaws)


def described(value: object) -> str:
    """Return a value as messages name it."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Mapping):
        return "a mapping"
    if isinstance(value, list | tuple):
        return "a list"
    text = repr(str(value)) if isinstance(value, str) else repr(value)
    return text if len(text) <= 60 else text[:57] + "..."  # noqa: PLR2004 - what fits on a line


def wrong(expected: str, value: object, advice: str = "") -> StructureError:
    """Return the error for a value that is not what was expected."""
    return StructureError([Flaw(f"expected {expected}, got {described(value)}{advice}")])


@functools.cache
def _resolver() -> Any:
    return YAML(typ="safe", pure=True).resolver


def loosened(value: Any) -> Any:
    """Return what YAML would read in a text that could not be quoted where it came from."""
    if not (isinstance(value, Text) and value.loose):
        return value
    try:
        return scalar_value(_resolver().resolve(ScalarNode, str(value), (True, False)), str(value))
    except (ValueError, KeyError):
        return value


def read_any(value: Any) -> Any:
    """Return plain data as it is."""
    if isinstance(value, Mapping):
        return {str(key): read_any(each) for key, each in value.items()}
    if isinstance(value, list):
        return [read_any(each) for each in value]
    return exact(loosened(value))


def read_bool(value: Any, _: Any) -> bool:
    """Read true or false."""
    found = loosened(value)
    if not isinstance(found, bool):
        raise wrong("true or false", value)
    return found


def read_int(value: Any, _: Any) -> int:
    """Read a whole number; 3.0 is none."""
    found = loosened(value)
    if isinstance(found, bool) or not isinstance(found, int):
        raise wrong("a whole number", value)
    return found


def read_float(value: Any, _: Any) -> float:
    """Read a finite number."""
    found = loosened(value)
    if isinstance(found, bool) or not isinstance(found, int | float):
        raise wrong("a number", value)
    try:
        number = float(found)
    except OverflowError:
        raise wrong("a number", value, " (too large)") from None
    if not math.isfinite(number):
        raise wrong("a number", value)
    return number


def read_str(value: Any, _: Any) -> str:
    """Read a text; a number must be quoted to be one."""
    if not isinstance(value, str):
        number = isinstance(value, int | float)
        raise wrong("a text", value, f" - quote it: '{described(value)}'" if number else "")
    return str(value)


def read_path(value: Any, _: Any) -> Path:
    """Read a path, relative to the folder of the file it is written in."""
    text = read_str(value, str)
    if "\0" in text:
        raise wrong("a path", value)
    folder = value.folder if isinstance(value, Text) else None
    return folder / text if folder else Path(text)


def read_quantity(value: Any, type_: type[Quantity]) -> Quantity:
    """Read a number with a unit."""
    if isinstance(value, Quantity) and type(value) is type_:
        return value
    try:
        found = type_.parse(value)
    except (ValueError, OverflowError) as error:
        raise StructureError([Flaw(str(error))]) from None
    if not math.isfinite(found) or found < 0:
        raise wrong(f"zero or more, for example {type_.EXAMPLE}", value)
    if issubclass(type_, Share) and found > 1:
        raise wrong("a share between 0 and 1 (0% and 100%)", value)
    return found


def read_enum(value: Any, type_: type[enum.Enum]) -> enum.Enum:
    """Read the value of a member."""
    if isinstance(value, type_):
        return value
    found = loosened(value)
    for member in type_:
        if member.value == found and isinstance(member.value, bool) == isinstance(found, bool):
            return member
    raise wrong_choice(value, [member.value for member in type_])


def read_literal(value: Any, type_: Any) -> Any:
    """Read one of a closed list of values."""
    found = loosened(value)
    for choice in get_args(type_):
        if choice == found and isinstance(choice, bool) == isinstance(found, bool):
            return choice
    raise wrong_choice(value, get_args(type_))


def wrong_choice(value: Any, choices: Iterable[Any]) -> StructureError:
    """Return the error for a value that is none of the choices."""
    names = [str(choice) for choice in choices]
    hint = suggestion(value, names) if isinstance(value, str) else ""
    return wrong(f"one of {', '.join(filter(None, names))}", value, hint)
