"""The numbers of a profile by function, by names that checks and comparisons can use, and as a table."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from panther_hookspecs import Measurement
from panther_profiler_pyspy.profile import Function

SOURCE = "pyspy"
TOP = 5
_NAMED = 10
_WORTH = 0.01
"""Share from which on a function is told by name."""
_OTHERS = re.compile(r"top\d|kernel|unnamed")
"""Names of other measurements."""
_LISTED = 100


def by_function(
    functions: Sequence[Function], samples: int, service: str, wanted: Sequence[str]
) -> Iterator[Measurement]:
    """Yield the shares of the functions with most samples of their own, and of ``wanted`` ones whatever they have."""

    def share(name: str, count: int, each: str) -> Measurement:
        labels = {"function": each} if each else {}
        value = count / samples if samples else 0.0
        return Measurement(name=f"{SOURCE}.{name}.share", value=value, service=service, labels=labels)

    for rank, each in enumerate(functions[:TOP], 1):
        if each.flat or rank == 1:
            yield share(f"top{rank}", each.flat, each.name)
    if not functions:
        yield share("top1", 0, "")
    many = [each for each in functions[:_NAMED] if each.flat >= _WORTH * samples and not each.name.startswith("[")]
    keys = {key_of(name): _found(name, functions) for name in wanted}
    for each in many:
        keys.setdefault(key_of(each.function), each)
    for key, each in keys.items():
        yield share(key, each.flat, each.name)
        yield share(f"{key}.cumulative", each.cumulative, each.name)


def _found(name: str, functions: Sequence[Function]) -> Function:
    """Return the function that a user means, with or without its file; all of that name."""
    known = [each for each in functions if name in (each.name, each.function)]
    return Function(name, name, sum(each.flat for each in known), sum(each.cumulative for each in known))


def key_of(function: str) -> str:
    """Return a function's name as part of the name of a measurement: letters, digits and underscores."""
    name = re.sub(r"\W+", "_", function, flags=re.ASCII).strip("_")
    return f"_{name}" if not name or name[0].isdigit() or _OTHERS.fullmatch(name) else name


def table_of(functions: Sequence[Function], samples: int) -> Iterator[str]:
    """Yield the lines of a table for reading: the functions with most samples."""
    yield f"{samples} samples"
    yield f"{'self':>8} {'%':>6} {'total':>8} {'%':>6}  function"
    for each in functions[:_LISTED]:
        own, both = (f"{100 * count / samples:6.2f}" for count in (each.flat, each.cumulative))
        yield f"{each.flat:8} {own} {each.cumulative:8} {both}  {each.name}"
    if len(functions) > _LISTED:
        yield f"... and {len(functions) - _LISTED} functions with fewer"
