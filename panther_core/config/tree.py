"""Values of a file together with the places they were written at: an immutable tree of nodes.

Defaults, overrides and matrix values are merged as trees, so that a message about a value can point at the
line that brought it, wherever that line is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs

KeyPath = tuple[str | int, ...]


class Text(str):
    """A text that knows the folder it was written in, and whether it came from outside the YAML syntax."""

    __slots__ = ("folder", "loose")
    folder: Path | None
    loose: bool
    """Whether it came from a command line or an environment variable, where nothing can be quoted."""


@attrs.frozen(eq=False)
class Source:
    """Where a tree was read from."""

    name: str
    lines: Sequence[str] = ()
    folder: Path | None = None


@attrs.frozen
class Mark:
    """A position, counted from 1; line 0 stands for a source that has no lines."""

    source: Source
    line: int = 0
    column: int = 0


@attrs.frozen(eq=False)
class Node:
    """One value: a mapping of nodes, a tuple of nodes, or a scalar."""

    value: Any
    mark: Mark
    path: KeyPath = ()
    keys: Mapping[str, Mark] = attrs.field(factory=dict)
    """For a mapping: where each of its keys stands."""
    loose: bool = False
    """Whether a text here may also be read as a number or a truth value."""

    @property
    def is_mapping(self) -> bool:
        """Whether the value is a mapping."""
        return isinstance(self.value, dict)

    @property
    def is_list(self) -> bool:
        """Whether the value is a list."""
        return isinstance(self.value, tuple)

    def get(self, key: str) -> Node | None:
        """Return the node below ``key`` of a mapping, or None."""
        return self.value.get(key) if isinstance(self.value, dict) else None

    def items(self) -> Iterator[tuple[str, Node]]:
        """Iterate over the entries of a mapping; there are none in anything else."""
        return iter(self.value.items() if isinstance(self.value, dict) else ())

    def elements(self) -> tuple[Node, ...]:
        """Return the elements of a list; there are none in anything else."""
        return self.value if isinstance(self.value, tuple) else ()

    def key_mark(self, key: str) -> Mark:
        """Return where ``key`` stands, or the mapping itself for a key that was never written."""
        return self.keys.get(key, self.mark)

    def find(self, path: KeyPath) -> tuple[Node, int]:
        """Return the deepest node that exists on ``path`` and how many steps lead to it."""
        node = self
        for depth, step in enumerate(path):
            below: Node | None = None
            if isinstance(step, str):
                below = node.get(step)
            elif isinstance(node.value, tuple) and step < len(node.value):
                below = node.value[step]
            if below is None:
                return node, depth
            node = below
        return node, len(path)

    def only(self, names: frozenset[str]) -> Node:
        """Return a mapping with just those of ``names`` that it has."""
        return self._filtered({key: each for key, each in self.items() if key in names})

    def without(self, names: frozenset[str]) -> Node:
        """Return a mapping without ``names``."""
        return self._filtered({key: each for key, each in self.items() if key not in names})

    def _filtered(self, entries: dict[str, Node]) -> Node:
        return attrs.evolve(self, value=entries, keys={key: mark for key, mark in self.keys.items() if key in entries})

    def with_entry(self, key: str, node: Node, mark: Mark | None = None) -> Node:
        """Return a mapping in which ``key`` is ``node``."""
        keys = {**self.keys, key: mark or node.mark} if mark or key not in self.keys else self.keys
        return attrs.evolve(self, value={**self.value, key: node}, keys=keys)


def plain(node: Node) -> Any:
    """Return the value as ordinary Python data; texts keep their folder."""
    value = node.value
    if isinstance(value, dict):
        return {key: plain(each) for key, each in value.items()}
    if isinstance(value, tuple):
        return [plain(each) for each in value]
    if isinstance(value, str):
        text = Text(value)
        text.folder, text.loose = node.mark.source.folder, node.loose
        return text
    return value


def exact(data: Any) -> Any:
    """Return data without the engine's own text type, as plugins and files should see it."""
    if isinstance(data, Mapping):
        return {str(key): exact(each) for key, each in data.items()}
    if isinstance(data, list | tuple):
        return [exact(each) for each in data]
    return str(data) if isinstance(data, Text) else data


def from_plain(data: Any, mark: Mark, path: KeyPath = ()) -> Node:
    """Return the tree of data that was made in Python."""
    if isinstance(data, Mapping):
        entries = {str(key): from_plain(each, mark, (*path, str(key))) for key, each in data.items()}
        return Node(entries, mark, path)
    if isinstance(data, list | tuple | set | frozenset):
        elements = sorted(data, key=str) if isinstance(data, set | frozenset) else data
        return Node(tuple(from_plain(each, mark, (*path, index)) for index, each in enumerate(elements)), mark, path)
    return Node(data, mark, path)


def _kinds_differ(base: Node, over: Node) -> bool:
    """Whether both say which plugin they are for, and it is not the same one."""
    kinds = [node.get("type") for node in (base, over)]
    return kinds[0] is not None and kinds[1] is not None and kinds[0].value != kinds[1].value


def merge(base: Node, over: Node) -> Node:
    """Return ``base`` with ``over`` on top.

    Mappings are merged key by key, anything else is replaced, and an empty value removes a key.
    """
    if not (base.is_mapping and over.is_mapping) or _kinds_differ(base, over):
        return over
    entries: dict[str, Node] = dict(base.value)
    for key, node in over.value.items():
        if key not in entries:
            entries[key] = node
        elif node.value is None:
            del entries[key]
        else:
            entries[key] = merge(entries[key], node)
    keys = {key: mark for key, mark in {**base.keys, **over.keys}.items() if key in entries}
    return Node(entries, over.mark, over.path, keys)


def put(root: Node, path: KeyPath, node: Node) -> Node:
    """Return ``root`` with ``node`` merged in at ``path``; missing mappings on the way are made."""
    if not path:
        return merge(root, node)
    step, rest = path[0], path[1:]
    if isinstance(root.value, tuple) and isinstance(step, int):
        elements = tuple(put(each, rest, node) if index == step else each for index, each in enumerate(root.value))
        return attrs.evolve(root, value=elements)
    if not isinstance(root.value, dict):
        return put(Node({}, root.mark, root.path), path, node)
    below = root.value.get(str(step))
    if below is None:
        below = Node({}, node.mark, (*root.path, step))
        return root.with_entry(str(step), put(below, rest, node) if rest else node, node.mark)
    return root.with_entry(str(step), put(below, rest, node))


def spelled(path: KeyPath) -> str:
    """Return a path as messages write it: ``test_cases[0].services.server``."""
    text = ""
    for step in path:
        if isinstance(step, int):
            text += f"[{step}]"
        elif "." in step or not step.isprintable() or not step:
            text += f"{'.' if text else ''}{step!r}"
        else:
            text += f"{'.' if text else ''}{step}"
    return text
