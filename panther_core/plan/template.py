"""One test case of the file with its matrix: the nodes of any cell, cheaply."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import attrs

from panther_core.config.diagnostics import Findings
from panther_core.config.structure import structure
from panther_core.config.tree import KeyPath, Node, put
from panther_core.needs import Found
from panther_core.plan.axes import MatrixReader
from panther_core.plan.expect import Rule, rules_of
from panther_core.plan.matrix import Cell, Change, Matrix
from panther_core.plan.resolve import SIMPLE
from panther_core.registry import Registry
from panther_hookspecs import Need, ServiceDescriptor

TAGS = "tags"
FACTS = ("name", "protocol", "scenario", "network_environment", "execution_environments", "type", TAGS)
FUNCTIONAL = "functional"
"""The test type where none is named."""
_MOST_KEPT = 20_000
_SIMPLE_GROUP: KeyPath = ("",)
_VERSION = ".version"
"""What a service's name is followed by to mean the version of its implementation."""


@attrs.define
class Template:
    """A test case before its matrix is applied."""

    node: Node
    name: str
    matrix: Matrix
    repeat: int
    rules: tuple[Rule, ...]
    services: tuple[str, ...]
    """Names of all services that any cell may have."""
    defaults: Mapping[str, str]
    """What a selection sees where the test case says nothing."""
    versions: Mapping[str, str]
    """The version of every installed implementation where none is named."""
    _kept: dict[tuple[object, ...], Node | None] = attrs.field(factory=dict)

    def view(self, cell: Cell) -> View:
        """Return what the test case looks like in one cell."""
        groups: dict[KeyPath, list[Change]] = {}
        for change in cell:
            group = _SIMPLE_GROUP if change.path[0] in SIMPLE else change.group
            groups.setdefault(group, []).append(change)
        return View(self, cell, groups)

    def part(self, group: KeyPath, changes: Iterable[Change]) -> Node | None:
        """Return one part of the test case with changes applied; always the same node for the same changes."""
        key = (group, *map(id, changes))
        if key not in self._kept:
            if len(self._kept) >= _MOST_KEPT:
                self._kept.clear()
            self._kept[key] = self._changed(group, changes)
        return self._kept[key]

    def _changed(self, group: KeyPath, changes: Iterable[Change]) -> Node | None:
        if group == _SIMPLE_GROUP:
            node: Node | None = self.node.only(SIMPLE)
        else:
            found, depth = self.node.find(group)
            node = found if depth == len(group) else None
        for change in changes:
            rest = change.path if group == _SIMPLE_GROUP else change.path[len(group) :]
            if node is None:
                node = Node({}, change.node.mark, change.node.path) if rest else change.node
            node = put(node, rest, change.node)
        return node

    def known_names(self) -> tuple[str, ...]:
        """Return every name that a selection or an expectation may use for this test case."""
        axes = [axis.name for axis in self.matrix.axes]
        added = [change.axis for cell in self.matrix.includes for change in cell]
        versions = [f"{name}{_VERSION}" for name in self.services]
        return tuple(dict.fromkeys([*FACTS, *axes, *added, *self.services, *versions]))


@attrs.frozen
class View:
    """A test case in one cell."""

    template: Template
    cell: Cell
    groups: dict[KeyPath, list[Change]]

    def get(self, key: str) -> Node | None:
        """Return the node of a key of the test case."""
        return self.template.part((key,), self.groups.get((key,), ()))

    def service(self, name: str) -> Node | None:
        """Return the node of a service."""
        group = ("services", name)
        return self.template.part(group, self.groups.get(group, ()))

    def simple(self) -> Node:
        """Return a mapping of the keys that need no plugin."""
        node = self.template.part(_SIMPLE_GROUP, self.groups.get(_SIMPLE_GROUP, ()))
        assert node is not None  # it may be empty, but it is there
        return node

    def facts(self, name: str) -> tuple[str, ...] | None:
        """Return the values that a name has in this cell, for selections and expectations."""
        found = tuple(change.text for change in self.cell if change.axis == name)
        if found or name == "name":
            return found or (self.template.name,)
        if name == TAGS:
            tags = self.simple().get(TAGS)
            return tuple(str(each.value) for each in tags.elements()) if tags else ()
        if name in FACTS:
            node = self.get(name)
            return (
                _texts(node)
                if node is not None or name not in self.template.defaults
                else (self.template.defaults[name],)
            )
        service = name.removesuffix(_VERSION)
        if service not in self.template.services:
            return None
        node = self.service(service)
        implementation = _texts((node.get("implementation") if node else None) or self.get("implementation"))
        if service == name:
            return implementation
        version = node.get("version") if node else None
        return _texts(version) or tuple(filter(None, (self.template.versions.get(each, "") for each in implementation)))

    def where(self) -> str:
        """Return the cell as messages add it."""
        return ", ".join(f"{change.axis}={change.text}" for change in self.cell)


def _texts(node: Node | None) -> tuple[str, ...]:
    if node is None:
        return ()
    many = node.elements() if node.is_list else (node,)
    names = [each.get("type") or each for each in many]
    return tuple(str(each.value) for each in names if isinstance(each.value, str))


def whole_number(node: Node | None, default: int) -> int:
    """Return a number that planning needs early; what is none is reported where the whole is structured."""
    found = structure(node, int, Findings()) if node is not None else None
    return default if found is None else found


def make_template(
    node: Node, registry: Registry, findings: Findings, missing: Callable[[tuple[Need, ...]], tuple[Found, ...]]
) -> Template:
    """Return the template of a complete test case; ``missing`` tells what implementations lack here."""
    reader = MatrixReader(node, registry, findings, missing)
    matrix = reader.read()
    name, repeat, services = node.get("name"), node.get("repeat"), node.get("services")
    if services is not None and not services.is_mapping:
        findings.add(services, "services are a mapping from their names to implementations")
    changed = [change.path for axis in matrix.axes for change in axis.changes[:1]]
    changed += [change.path for cell in matrix.includes for change in cell]
    names = [key for key, _ in services.items()] if services else []
    names += [str(path[1]) for path in changed if path[0] == "services"]
    protocol = reader.protocol()
    if node.get("implementation") is not None or ("implementation",) in changed:
        names += [role.name for role in protocol.roles] if protocol else []
    defaults = {"type": FUNCTIONAL}
    if protocol is not None and protocol.scenarios and ("protocol",) not in changed:
        defaults["scenario"] = protocol.scenarios[0].name
    template = Template(
        node,
        str(name.value) if name else "",
        matrix,
        whole_number(repeat, 1),
        (),
        tuple(dict.fromkeys(names)),
        defaults,
        {each.name: next(iter(each.versions), "") for each in registry.all(ServiceDescriptor)},
    )
    template.rules = rules_of(node.get("expect"), template.name, template.known_names(), findings)
    return template


def folder_of(tree: Node) -> Path | None:
    """Return the folder of the file that a tree comes from."""
    return tree.mark.source.folder
