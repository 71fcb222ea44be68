"""Profiles as they are written and as they are told: stacks of addresses, stacks of functions, totals by function."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

import attrs

Addresses = tuple[int, ...]
"""Where a program was, innermost first."""
Values = tuple[int, ...]
"""What is counted for a stack: samples, or objects and bytes."""


class ProfileError(ValueError):
    """A profile cannot be used; ``kind`` is ``empty``, ``truncated``, ``several`` or ``foreign``."""

    def __init__(self, kind: str, text: str) -> None:
        """Take the kind, for who can tell the reason, and what was seen."""
        super().__init__(text)
        self.kind = kind


class Region(NamedTuple):
    """A part of a file in the memory of the program."""

    start: int
    end: int
    offset: int
    path: str


@attrs.frozen(kw_only=True)
class RawProfile:
    """One profile of one process as its file has it."""

    stacks: Mapping[Addresses, Values]
    mappings: tuple[Region, ...]
    executable: str
    """The program that was profiled."""
    totals: Values
    """Sum over all stacks, or what the file itself says where it has left out some."""
    period: float = 0.0
    """Seconds between two samples, as asked for."""

    def kept(self, index: int) -> int:
        """Return the sum over the stacks that the file has."""
        return sum(values[index] for values in self.stacks.values())


class Frame(NamedTuple):
    """One function of a stack, and the line of its source if that is known."""

    function: str
    place: str = ""

    def __str__(self) -> str:
        return f"{self.function} {self.place}" if self.place else self.function


class Function(NamedTuple):
    """What a function has itself, and with everything that it calls."""

    name: str
    flat: int
    cumulative: int


@attrs.frozen(kw_only=True)
class Stacks:
    """Stacks of functions, innermost first, with what is counted for each."""

    values: Mapping[tuple[Frame, ...], Values]

    @classmethod
    def gather(cls, found: Iterable[tuple[tuple[Frame, ...], Values]]) -> Stacks:
        """Add up what belongs to equal stacks."""
        values: dict[tuple[Frame, ...], Values] = {}
        for frames, counted in found:
            known = values.get(frames)
            values[frames] = tuple(map(sum, zip(known, counted, strict=True))) if known else counted
        return cls(values=values)

    def total(self, index: int = 0) -> int:
        """Return the sum over all stacks."""
        return sum(values[index] for values in self.values.values())

    def functions(self, index: int = 0) -> list[Function]:
        """Return every function, the one with most of its own first. A recursive one counts once for a stack."""
        flat: dict[str, int] = {}
        cumulative: dict[str, int] = {}
        for frames, values in self.values.items():
            if frames:
                flat[frames[0].function] = flat.get(frames[0].function, 0) + values[index]
            for name in {frame.function for frame in frames}:
                cumulative[name] = cumulative.get(name, 0) + values[index]
        found = (Function(name, flat.get(name, 0), both) for name, both in cumulative.items() if both)
        return sorted(found, key=lambda each: (-each.flat, -each.cumulative, each.name))

    def folded(self, index: int = 0) -> Iterator[str]:
        """Yield ``outer;inner count`` for every stack, as flame graphs are drawn from."""
        lines: dict[str, int] = {}
        for frames, values in self.values.items():
            line = ";".join(frame.function.replace(";", ":") for frame in reversed(frames)) or "[unknown]"
            lines[line] = lines.get(line, 0) + values[index]
        for line in sorted(lines):
            if lines[line]:
                yield f"{line} {lines[line]}"


def parse_mappings(text: str) -> tuple[Region, ...]:
    """Return the mapped files of a table like /proc/self/maps, by address."""
    found = []
    for line in text.splitlines():
        fields = line.split(maxsplit=5)
        if len(fields) == 6 and fields[5].startswith("/"):  # noqa: PLR2004 - the sixth field is the path
            start, _, end = fields[0].partition("-")
            try:
                found.append(Region(int(start, 16), int(end, 16), int(fields[2], 16), fields[5].strip()))
            except ValueError:
                continue
    return tuple(sorted(found))
