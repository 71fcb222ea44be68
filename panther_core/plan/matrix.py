"""The matrix of a test case: which cells it has, lazily, and how many without walking them."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping

import attrs

from panther_core.config.tree import KeyPath, Node


@attrs.frozen(eq=False)
class Change:
    """One value of one axis: what a cell changes in the test case."""

    axis: str
    path: KeyPath
    node: Node
    text: str
    """The value as people read it, unique on its axis."""

    @property
    def group(self) -> KeyPath:
        """The part of the test case that is changed: one service, or one key."""
        return self.path[:2] if self.path[0] == "services" else self.path[:1]


Cell = tuple[Change, ...]


@attrs.frozen
class Axis:
    """One axis with its values."""

    name: str
    changes: tuple[Change, ...]


@attrs.frozen
class Matrix:
    """Axes, the combinations to leave out, and the cells to add."""

    axes: tuple[Axis, ...] = ()
    excludes: tuple[Mapping[int, frozenset[Change]], ...] = ()
    """Each maps positions of axes to the values that it leaves out in combination."""
    includes: tuple[Cell, ...] = ()
    left_out: tuple[str, ...] = ()
    """What ``*`` would stand for if this machine had what it needs."""

    def cells(self) -> Iterator[Cell]:
        """Yield every cell in a fixed order: the last axis changes fastest, added cells come last."""
        if self.axes or not self.includes:
            for cell in itertools.product(*(axis.changes for axis in self.axes)):
                if not self.excluded(cell):
                    yield cell
        yield from self.includes

    def excluded(self, cell: Cell) -> bool:
        """Whether the combination is left out."""
        return any(all(cell[index] in values for index, values in each.items()) for each in self.excludes)

    def count(self) -> int:
        """Return how many cells there are, without making them."""
        product = self._count(0, frozenset(range(len(self.excludes))), {}) if self.axes or not self.includes else 0
        return product + len(self.includes)

    def _count(self, position: int, alive: frozenset[int], known: dict[tuple[int, frozenset[int]], int]) -> int:
        """Count the cells from one axis on, where ``alive`` excludes match everything before it."""
        if not alive:
            return math.prod(len(axis.changes) for axis in self.axes[position:])
        if any(all(index < position for index in self.excludes[each]) for each in alive):
            return 0
        key = (position, alive)
        if key not in known:
            known[key] = sum(
                self._count(position + 1, self._still_alive(position, change, alive), known)
                for change in self.axes[position].changes
            )
        return known[key]

    def _still_alive(self, position: int, change: Change, alive: frozenset[int]) -> frozenset[int]:
        return frozenset(
            each for each in alive if position not in self.excludes[each] or change in self.excludes[each][position]
        )

    def samples(self, most: int) -> Iterator[Cell]:
        """Yield all cells if there are at most that many, else enough to see every value of every axis."""
        if self.count() <= most:
            yield from self.cells()
            return
        for position, axis in enumerate(self.axes):
            for change in axis.changes:
                pools = [[change] if index == position else each.changes for index, each in enumerate(self.axes)]
                tries = itertools.islice(itertools.product(*pools), most)
                found = next((cell for cell in tries if not self.excluded(cell)), None)
                if found is not None:
                    yield found
        yield from self.includes
