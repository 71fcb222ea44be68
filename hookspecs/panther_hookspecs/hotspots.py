"""Sampled profiles by function: the numbers that checks and comparisons use, and a table for reading."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import attrs

from panther_hookspecs.values import Measurement

_TOP = 5
_NAMED = 10
_WORTH = 0.01
"""Share from which on a function is told by name."""
_OTHERS = re.compile(r"top\d|kernel|unnamed")
"""Names of other measurements."""
_LISTED = 100


@attrs.frozen
class HotFunction:
    """One function of a profile."""

    name: str
    """As it is told everywhere. One in square brackets has no name of its own."""
    flat: int
    """Samples in it."""
    cumulative: int
    """Samples in it or in what it called."""
    short: str = ""
    """What a user may call it as well, such as its name without a file."""
    place: str = ""
    """The program or library that has it, where the tool tells."""

    @property
    def key(self) -> str:
        """Its name as part of the name of a measurement."""
        return function_key(self.short or self.name)

    def is_called(self, name: str) -> bool:
        """Return whether a user who says ``name`` means it: with or without file or types of arguments."""
        return name in (self.name, self.short, self.name.partition("(")[0])


def function_shares(
    functions: Sequence[HotFunction], samples: int, *, source: str, service: str, wanted: Sequence[str] = ()
) -> Iterator[Measurement]:
    """Yield the shares of the functions with most samples of their own, and of ``wanted`` ones whatever they have."""

    def share(name: str, count: int, each: str) -> Measurement:
        labels = {"function": each} if each else {}
        value = count / samples if samples else 0.0
        return Measurement(name=f"{source}.{name}.share", value=value, service=service, labels=labels)

    for rank, each in enumerate(functions[:_TOP], 1):
        if each.flat or rank == 1:
            yield share(f"top{rank}", each.flat, each.name)
    if not functions:
        yield share("top1", 0, "")
    many = [each for each in functions[:_NAMED] if each.flat >= _WORTH * samples and not each.name.startswith("[")]
    keys = {function_key(name): _sum(name, [each for each in functions if each.is_called(name)]) for name in wanted}
    for each in many:
        keys.setdefault(each.key, each)
    for key, each in keys.items():
        yield share(key, each.flat, each.name)
        yield share(f"{key}.cumulative", each.cumulative, each.name)


def _sum(name: str, functions: Sequence[HotFunction]) -> HotFunction:
    return HotFunction(name, sum(each.flat for each in functions), sum(each.cumulative for each in functions))


def function_key(function: str) -> str:
    """Return a function's name as part of the name of a measurement: letters, digits and underscores."""
    name = re.sub(r"\W+", "_", function, flags=re.ASCII).strip("_")
    return f"_{name}" if not name or name[0].isdigit() or _OTHERS.fullmatch(name) else name


def function_table(functions: Sequence[HotFunction], samples: int) -> Iterator[str]:
    """Yield the lines of a table for reading: the functions with most samples."""
    yield f"{samples} samples"
    yield f"{'self':>8} {'%':>6} {'total':>8} {'%':>6}  function"
    for each in functions[:_LISTED]:
        own, both = (f"{100 * count / samples:6.2f}" for count in (each.flat, each.cumulative))
        place = f"  ({each.place})" if each.place else ""
        yield f"{each.flat:8} {own} {each.cumulative:8} {both}  {each.name}{place}"
    if len(functions) > _LISTED:
        yield f"... and {len(functions) - _LISTED} functions with fewer"
