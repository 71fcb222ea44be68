"""Reads the ``matrix`` key: which part of a test case each axis changes, and to what."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import attrs

from panther_core.config.diagnostics import Findings, one_of
from panther_core.config.models import TestCaseConfig
from panther_core.config.structure import fields_of
from panther_core.config.tree import KeyPath, Node
from panther_core.needs import Found
from panther_core.plan.matrix import Axis, Cell, Change, Matrix
from panther_core.plan.shape import instruments, typed
from panther_core.registry import Registry
from panther_hookspecs import Need, ProtocolDescriptor, ServiceDescriptor

_RESERVED = ("exclude", "include")
_FIXED = frozenset({"name", "description", "matrix", "repeat", "services", "expect"})
_LONGEST_TEXT = 60
EVERY = "*"
_TWICE = "this cell is already in the matrix"


@attrs.define
class MatrixReader:
    """Reads the matrix of one test case."""

    case: Node
    registry: Registry
    findings: Findings
    missing: Callable[[tuple[Need, ...]], tuple[Found, ...]]
    """Looks for what implementations need: the same answers for all test cases of an experiment."""
    _left_out: dict[str, None] = attrs.field(factory=dict)

    def read(self) -> Matrix:
        """Return the matrix; what is wrong with it is reported and left out."""
        node = self.case.get("matrix")
        if node is None:
            return Matrix()
        if not node.is_mapping:
            self.findings.add(node, "a matrix is a mapping of axes, each with a list of values")
            return Matrix()
        axes = [
            axis
            for name, values in node.items()
            if name not in _RESERVED and (axis := self._axis(node, name, values)) is not None
        ]
        for name, first in {axis.changes[0].path: axis.name for axis in reversed(axes)}.items():
            for axis in axes:
                if axis.changes[0].path == name and axis.name != first:
                    self.findings.add(node, f"changes the same as the axis {first!r}", axis.name)
        excludes = [found for each in self._list(node, "exclude") if (found := self._exclude(each, axes)) is not None]
        matrix = Matrix(tuple(axes), tuple(excludes), left_out=tuple(self._left_out))
        includes: dict[tuple[tuple[str, str], ...], Cell] = {}
        for each in self._list(node, "include"):
            cell = self._include(each, matrix)
            texts = tuple((change.axis, change.text) for change in cell or ())
            if texts in includes:
                self.findings.add(each, _TWICE)
            elif cell is not None:
                includes[texts] = cell
        matrix = attrs.evolve(matrix, includes=tuple(includes.values()))
        if not self.findings.found and matrix.count() == 0:
            self.findings.add(node, "nothing is left of the matrix: every cell is excluded", "exclude")
        return matrix

    def _list(self, node: Node, key: str) -> tuple[Node, ...]:
        found = node.get(key)
        if found is None:
            return ()
        wrong = [each for each in found.elements() if not each.is_mapping or not each.value]
        if wrong or not found.is_list:
            self.findings.add(wrong[0] if wrong else found, f"{key} is a list of mappings from axes to values")
        return tuple(each for each in found.elements() if each.is_mapping and each.value)

    def path_of(self, node: Node, name: str) -> KeyPath | None:
        """Return what an axis changes: a key path of the test case, or a service."""
        steps: tuple[str, ...] = tuple(name.split("."))
        services = self._services()
        if steps[0] not in fields_of(TestCaseConfig) and steps[0] in services:
            steps = ("services", *steps)
        numbered = self._numbered(node, name, steps)
        if numbered is None:
            return None
        if steps == ("execution_environment",):
            return ("execution_environments",)
        if steps[0] == "services" and len(steps) > 1 and steps[1] in services:
            return numbered
        if steps[0] in fields_of(TestCaseConfig) and steps[0] not in _FIXED and all(steps):
            return numbered
        known = [*services, *(key for key in fields_of(TestCaseConfig) if key not in _FIXED)]
        hint = one_of(steps[-1], known, "such as")
        self.findings.add(node, f"no axis {name!r}: an axis is a service or a key path{hint}", name)
        return None

    def _numbered(self, node: Node, name: str, steps: tuple[str, ...]) -> KeyPath | None:
        """Return the path with the numbers of list elements as such."""
        path: KeyPath = ()
        for step in steps:
            above, depth = self.case.find(path)
            if depth < len(path) or not above.is_list:
                path = (*path, step)
            elif step.isdecimal() and int(step) < len(above.elements()):
                path = (*path, int(step))
            else:
                self.findings.add(node, f"{name!r}: there is no element {step!r} of {len(above.elements())}", name)
                return None
        return path

    def _services(self) -> list[str]:
        services = self.case.get("services")
        names = [name for name, _ in services.items()] if services else []
        protocol = self.protocol()
        return list(dict.fromkeys([*names, *(role.name for role in (protocol.roles if protocol else ()))]))

    def protocol(self) -> ProtocolDescriptor | None:
        """Return the protocol of the test case, if there is one of that name."""
        node = self.case.get("protocol")
        name = node.value if node is not None else None
        return next((each for each in self.registry.all(ProtocolDescriptor) if each.name == name), None)

    def _axis(self, node: Node, name: str, values: Node) -> Axis | None:
        path = self.path_of(node, name)
        if path is None:
            return None
        nodes = values.elements() if values.is_list else (values,) if values.value == EVERY else None
        if not nodes:
            self.findings.add(values, "an axis is a list of at least one value")
            return None
        nodes = tuple(each for value in nodes for each in self._every(path, value))
        changes: dict[str, Change] = {}
        for value in nodes:
            text = _text(value)
            if text in changes:
                if _same(changes[text].node, shaped_value(path, value)):
                    self.findings.add(value, f"the value {text} is already on this axis")
                    continue
                text = f"{text}#{len(changes) + 1}"
            changes[text] = Change(name, path, shaped_value(path, value), text)
        return Axis(name, tuple(changes.values())) if changes else None

    def _every(self, path: KeyPath, value: Node) -> Iterable[Node]:
        """Yield the value, or for ``*`` everything that is installed and fits."""
        if value.value != EVERY:
            yield value
            return
        protocol = self.protocol()
        names: list[str] = []
        if path == ("scenario",) and protocol:
            names = [each.name for each in protocol.scenarios]
        elif path[0] == "services" and len(path) == 2 and protocol:  # noqa: PLR2004 - services and the service's name
            role = self._role(str(path[1]))
            fitting = [
                each
                for each in self.registry.all(ServiceDescriptor)
                if each.protocol == protocol.name and (not each.roles or role in each.roles) and _is_complete(each)
            ]
            names = [each.name for each in fitting if not self.missing(each.needs)]
            self._left_out.update(dict.fromkeys(each.name for each in fitting if each.name not in names))
        else:
            self.findings.add(value, "'*' stands for the implementations of a service or the scenarios of a protocol")
            return
        if not names:
            unready = f"; not ready here: {', '.join(self._left_out)}, see panther doctor" if self._left_out else ""
            self.findings.add(value, f"nothing that is installed fits '*' (protocol {protocol.name}{unready})")
        yield from (Node(name, value.mark, value.path) for name in names)

    def _role(self, service: str) -> str:
        services = self.case.get("services")
        node = services.get(service) if services else None
        role = node.get("role") if node else None
        return str(role.value) if role else service

    def _exclude(self, node: Node, axes: list[Axis]) -> dict[int, frozenset[Change]] | None:
        found: dict[int, frozenset[Change]] = {}
        for name, value in node.items():
            index = next((index for index, axis in enumerate(axes) if axis.name == name), None)
            if index is None:
                self.findings.add(node, f"no axis {name!r}{one_of(name, [axis.name for axis in axes], 'axes')}", name)
                return None
            wanted = value.elements() if value.is_list and not axes[index].changes[0].node.is_list else (value,)
            matching = [change for change in axes[index].changes for each in wanted if _means(change, each)]
            for each in wanted:
                if not any(_means(change, each) for change in axes[index].changes):
                    hint = one_of(_text(each), [change.text for change in axes[index].changes], "it has")
                    self.findings.add(each, f"the axis {name!r} has no value {_text(each)}{hint}")
                    return None
            found[index] = frozenset(matching)
        return found

    def _include(self, node: Node, matrix: Matrix) -> Cell | None:
        cell: list[Change] = []
        for name, value in node.items():
            path = self.path_of(node, name)
            if path is None:
                return None
            axis = next((each for each in matrix.axes if each.name == name), None)
            known = [change for change in axis.changes if _means(change, value)] if axis else []
            cell.append(known[0] if known else Change(name, path, shaped_value(path, value), _text(value)))
        by_axis = {change.axis: change for change in cell}
        if set(by_axis) == {axis.name for axis in matrix.axes}:
            ordered = tuple(by_axis[axis.name] for axis in matrix.axes)
            if all(
                change in axis.changes for change, axis in zip(ordered, matrix.axes, strict=True)
            ) and not matrix.excluded(ordered):
                self.findings.add(node, _TWICE)
                return None
            return ordered
        return tuple(cell)


def _is_complete(descriptor: ServiceDescriptor) -> bool:
    """Whether it can take part without being told anything: ``*`` tells nothing."""
    return not attrs.has(descriptor.options) or all(
        field.default is not attrs.NOTHING for field in attrs.fields(descriptor.options)
    )


def shaped_value(path: KeyPath, node: Node) -> Node:
    """Return an axis's value in the shape of what it changes."""
    if path[0] == "services" and len(path) == 2:  # noqa: PLR2004 - services and the service's name
        return typed(node, "implementation")
    if path in (("network_environment",), ("type",)):
        return typed(node)
    return instruments(node) if path == ("execution_environments",) else node


def _means(change: Change, node: Node) -> bool:
    return change.text == _text(node) and _same(change.node, shaped_value(change.path, node))


def _same(one: Node, other: Node) -> bool:
    if type(one.value) is not type(other.value):
        return False
    if isinstance(one.value, dict):
        same_keys = one.value.keys() == other.value.keys()
        return same_keys and all(_same(each, other.value[key]) for key, each in one.items())
    if isinstance(one.value, tuple):
        return len(one.value) == len(other.value) and all(map(_same, one.value, other.value))
    return bool(one.value == other.value)


def _text(node: Node) -> str:
    """Return a value as one short text."""
    if isinstance(node.value, dict):
        kind = node.get("type") or node.get("implementation")
        rest = [f"{key}={_text(each)}" for key, each in node.items() if each is not kind]
        head = [_text(kind)] if kind else []
        text = " ".join([*head, *rest])
    elif isinstance(node.value, tuple):
        text = "+".join(map(_text, node.value)) or "none"
    elif isinstance(node.value, bool):
        text = str(node.value).lower()
    else:
        text = "none" if node.value is None else str(node.value)
    shown = "".join(each if each.isprintable() else " " for each in text)
    return shown if len(shown) <= _LONGEST_TEXT else shown[: _LONGEST_TEXT - 3] + "..."
