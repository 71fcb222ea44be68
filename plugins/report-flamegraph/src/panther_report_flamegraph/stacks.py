"""Folded stacks, added up and pruned: what a flame graph is drawn from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import attrs

from panther_hookspecs import read_folded

SMALLEST = 0.0005
"""Share of the whole below which a frame is not drawn: less than a pixel."""
MOST_FRAMES = 20_000

Stacks = Mapping[str, float]
"""Weight by stack, whose frames stand between semicolons, the outermost first."""
_Rest = tuple[str, int, float]
"""A stack, where in it the next frame begins, and its weight."""


@attrs.frozen(kw_only=True)
class Frame:
    """A frame to draw. Frames come in the order of a walk from the root, the heaviest child first."""

    name: str
    depth: int
    total: float
    own: float
    hidden: float
    """Weight of children that are too small to draw."""


def stacks_in(path: Path) -> dict[str, float]:
    """Return the stacks of a file."""
    found: dict[str, float] = {}
    for stack, weight in read_folded(path):
        found[stack] = found.get(stack, 0.0) + weight
    return found


def added(parts: list[dict[str, float]]) -> dict[str, float]:
    """Return the sum of several profiles."""
    if len(parts) == 1:
        return parts[0]
    whole: dict[str, float] = {}
    for part in parts:
        for stack, weight in part.items():
            whole[stack] = whole.get(stack, 0.0) + weight
    return whole


def frames_of(stacks: Stacks, smallest: float = SMALLEST, most: int = MOST_FRAMES) -> list[Frame]:
    """Return the frames that are worth drawing; the limit rises until there are not more than ``most``.

    Stacks are followed inwards only as long as they are part of a frame that is drawn, so that a profile of a hundred
    thousand small ones costs little more than reading it.
    """
    while True:
        frames: list[Frame] = []
        for frame in _walk(stacks, smallest):
            frames.append(frame)
            if len(frames) > most:
                break
        else:
            return frames
        smallest *= 2


def _walk(stacks: Stacks, smallest: float) -> Iterator[Frame]:
    total = sum(stacks.values())
    least = smallest * total
    pending = [("", 0, total, [(stack, 0, weight) for stack, weight in stacks.items()])]
    while pending:
        name, depth, weight, rests = pending.pop()
        own, groups = _split(rests)
        children = []
        hidden = 0.0
        for child, inner in groups.items():
            heavy = sum(each[2] for each in inner)
            if heavy >= least:
                children.append((child, depth + 1, heavy, inner))
            else:
                hidden += heavy
        yield Frame(name=name, depth=depth, total=weight, own=own, hidden=hidden)
        children.sort(key=lambda each: (each[2], each[0]))
        pending += children


def _split(rests: list[_Rest]) -> tuple[float, dict[str, list[_Rest]]]:
    """Return the weight of the stacks that end here, and the others by their next frame."""
    own = 0.0
    groups: dict[str, list[_Rest]] = {}
    for stack, begin, weight in rests:
        if begin > len(stack):
            own += weight
            continue
        end = stack.find(";", begin)
        if end < 0:
            end = len(stack)
        groups.setdefault(stack[begin:end], []).append((stack, end + 1, weight))
    return own, groups
