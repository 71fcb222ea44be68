"""Reads the profiles of massif: the size of the heap over time, and who holds its peak."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import attrs

from panther_profiler_valgrind.profile import Profile, ProfileError, Share, added, frame_name

_NODE = re.compile(r"( *)n(\d+): (\d+) (.*)")
_KINDS = ("empty", "detailed", "peak")
_FIELDS = ("time", "mem_heap_B", "mem_heap_extra_B", "mem_stacks_B")


@attrs.define
class Node:
    """A place in the tree of a snapshot; those below it are its callers."""

    text: str
    size: int
    expected: int
    """How many nodes the tool announces below it."""
    children: list[Node] = attrs.field(factory=list)


@attrs.define
class Snapshot:
    """The heap at one moment."""

    time: int = 0
    heap: int = 0
    extra: int = 0
    """What the allocator itself needs."""
    stacks: int = 0
    kind: str = ""
    """Whether it has a tree: ``empty``, ``detailed`` or ``peak``."""
    tree: Node | None = None

    @property
    def total(self) -> int:
        """All of it."""
        return self.heap + self.extra + self.stacks


@attrs.define
class HeapProfile:
    """What a file of massif holds."""

    program: str = ""
    unit: str = ""
    snapshots: list[Snapshot] = attrs.field(factory=list)

    @property
    def peak(self) -> Snapshot:
        """The snapshot that massif marks as the peak, or the largest where it marks none."""
        marked = [each for each in self.snapshots if each.kind == "peak"]
        return marked[-1] if marked else max(self.snapshots, key=lambda each: each.total)


def read_heap(path: Path) -> HeapProfile:
    """Return what a file of massif holds; ProfileError if it is not complete."""
    found = HeapProfile()
    numbers = dict.fromkeys(_FIELDS, 0)
    open_nodes: list[Node] = []
    with path.open(encoding="utf-8", errors="replace") as file:
        for line in file:
            text = line.rstrip("\n")
            node = _NODE.fullmatch(text)
            if node is not None:
                _place(found, open_nodes, node)
                continue
            key, equals, value = text.partition("=")
            if key == "snapshot":
                found.snapshots.append(Snapshot())
            elif key in numbers and equals and found.snapshots:
                numbers[key] = int(value or 0)
            elif key == "heap_tree" and found.snapshots:
                snapshot, open_nodes = found.snapshots[-1], []
                snapshot.time, snapshot.heap, snapshot.extra, snapshot.stacks = (numbers[each] for each in _FIELDS)
                snapshot.kind = value
            elif text.startswith("cmd:"):
                found.program = (text.removeprefix("cmd:").split() or [""])[0]
            elif text.startswith("time_unit:"):
                found.unit = text.partition(":")[2].strip()
    _assert_complete(found)
    return found


def _place(found: HeapProfile, open_nodes: list[Node], match: re.Match[str]) -> None:
    depth, node = len(match[1]), Node(match[4], int(match[3]), int(match[2]))
    if not found.snapshots or depth > len(open_nodes):
        raise ProfileError("its tree begins in the middle")
    if depth == 0:
        found.snapshots[-1].tree = node
    else:
        open_nodes[depth - 1].children.append(node)
    open_nodes[depth:] = [node]


def _assert_complete(found: HeapProfile) -> None:
    if not found.snapshots:
        raise ProfileError("it has no snapshot")
    waiting = [each.tree for each in found.snapshots if each.tree is not None]
    while waiting:
        node = waiting.pop()
        if len(node.children) != node.expected:
            raise ProfileError("the tree of a snapshot breaks off")
        waiting += node.children
    if any(each.kind not in _KINDS or (each.kind == "empty") != (each.tree is None) for each in found.snapshots):
        raise ProfileError("a snapshot breaks off")


def profile_of(path: Path) -> Profile:
    """Return the profile of one process."""
    found = read_heap(path)
    peak = found.peak
    stacks = sorted(_stacks(peak.tree), key=lambda each: (-each[1], each[0])) if peak.tree else []
    folded: dict[str, int] = {}
    for names, size in stacks:
        added(folded, names, size)
    return Profile(
        program=found.program,
        numbers={
            "peak_bytes": peak.total,
            "peak_heap_bytes": peak.heap,
            "peak_extra_bytes": peak.extra,
            "peak_stacks_bytes": peak.stacks,
            "end_bytes": found.snapshots[-1].total,
            "snapshots": len(found.snapshots),
        },
        whole=peak.total,
        shares=tuple(Share(name=names[-1], amount=size, place=" < ".join(reversed(names))) for names, size in stacks),
        folded=folded,
        title="bytes of the heap at its peak",
    )


def _stacks(root: Node) -> Iterator[tuple[tuple[str, ...], int]]:
    """Yield each stack that holds something, outermost function first, with its bytes."""
    waiting: list[tuple[tuple[str, ...], Node]] = [((), root)]
    while waiting:
        inner, node = waiting.pop()
        below = node is not root
        names = (_label(node.text), *inner) if below else inner
        rest = node.size - sum(child.size for child in node.children)
        if rest > 0:
            yield names or ("(unknown)",), rest
        waiting += [(names, child) for child in node.children]


def _label(text: str) -> str:
    return frame_name(text) if text.startswith("0x") else f"({text.rstrip('.').replace(';', ':')})"
