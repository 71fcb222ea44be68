"""What callgrind, massif and dhat have in common: an amount, who is responsible for it, and along which stacks."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import PurePath

import attrs

from panther_hookspecs import Measurement

TOP = 5
"""How many of the greatest amounts become measurements."""
_ALLOCATORS = frozenset(
    ("malloc", "calloc", "realloc", "reallocarray", "memalign", "posix_memalign", "aligned_alloc", "valloc", "free")
)
_FRAME = re.compile(r"0x[0-9A-Fa-f]+: (?P<name>.*?)(?: \((?:in )?(?P<place>[^()]*)\))?")


class ProfileError(ValueError):
    """A file that a tool wrote is not complete, or not what the tool writes."""


@attrs.frozen(kw_only=True)
class Profile:
    """One process as one of the tools saw it."""

    program: str
    numbers: Mapping[str, float]
    """Numbers of the whole process, by the end of the measurement's name."""
    whole: int
    """The amount that is shared out."""
    shares: tuple[Share, ...]
    """Who is responsible for how much of it."""
    folded: Mapping[str, int]
    title: str
    """What the folded stacks count."""


@attrs.frozen(kw_only=True)
class Share:
    """A part of the whole, of one function or one stack."""

    name: str
    amount: int
    inclusive: int = 0
    """With everything that the function calls; callgrind only."""
    calls: int = 0
    place: str = ""
    """The object or file, or the whole stack."""

    def plus(self, other: Share) -> Share:
        """Return the two together."""
        return attrs.evolve(
            self,
            amount=self.amount + other.amount,
            inclusive=self.inclusive + other.inclusive,
            calls=self.calls + other.calls,
        )


@attrs.frozen(kw_only=True)
class Units:
    """How the measurements of a tool are called."""

    tool: str
    amount: str
    """Last part of the name of an amount: ``instructions`` or ``bytes``."""
    unit: str
    adds_up: bool
    """Whether several processes are told about together; else it is the one with the greatest amount.

    A forked copy has the heap of its parent, which would count twice.
    """


def joined(profiles: Iterable[Profile]) -> Mapping[str, float]:
    """Return the numbers of several processes together."""
    total: dict[str, float] = {}
    for profile in profiles:
        for name, value in profile.numbers.items():
            total[name] = total.get(name, 0) + value
    return total


def greatest_first(profiles: Sequence[Profile]) -> list[Share]:
    """Return the shares of all processes, those of the same place added up."""
    found: dict[tuple[str, str], Share] = {}
    for each in (share for profile in profiles for share in profile.shares):
        key = (each.name, each.place)
        found[key] = each if key not in found else found[key].plus(each)
    return sorted(found.values(), key=lambda each: (-each.amount, each.name, each.place))


def shares_measured(shares: Sequence[Share], whole: int, units: Units, service: str) -> Iterator[Measurement]:
    """Yield the measurements of the greatest shares."""
    for number, each in enumerate(shares[:TOP], 1):
        labels = {"function": each.name, "place": each.place}
        values = {"share": part(each.amount, whole), units.amount: each.amount}
        if each.inclusive:
            values["inclusive_share"] = part(each.inclusive, whole)
        for name, value in values.items():
            unit = units.unit if name == units.amount else ""
            yield Measurement(
                name=f"{units.tool}.top{number}.{name}", value=value, unit=unit, service=service, labels=labels
            )


def part(amount: float, total: float) -> float:
    """Return an amount as part of the whole."""
    return amount / total if total else 0.0


def frame_name(text: str) -> str:
    """Return the function of a frame as massif and dhat write it: ``0x1091D0: grab (c.c:6)``."""
    match = _FRAME.fullmatch(text)
    if match is None:
        return text.replace(";", ":")
    if match["name"] == "???":
        return nameless(match["place"] or "") or text.partition(":")[0]
    return match["name"].replace(";", ":") or text


def nameless(path: str) -> str:
    """Return how a function without a name is called: after the file that it is in, ``[libz.so.1]``."""
    return f"[{PurePath(path).name}]" if path else ""


def who_allocates(names: Sequence[str]) -> Sequence[str]:
    """Return a stack, outermost function first, without the allocators at its inner end, unless it is all of it."""
    kept = len(names)
    while kept and (names[kept - 1] in _ALLOCATORS or names[kept - 1].startswith("operator new")):
        kept -= 1
    return names[: kept or len(names)]


def added(folded: dict[str, int], names: Iterable[str], amount: int) -> None:
    """Add an amount to a folded stack, outermost function first."""
    line = ";".join(names)
    folded[line] = folded.get(line, 0) + amount
