"""Values from the command line: ``--set test_cases.0.timeout=5s``, ``--provisioner 'ssh hosts=[a,b] workers=2'``."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Mapping, Sequence

import attrs

from panther_core.config.diagnostics import Diagnostic, Findings, InvalidConfigurationError
from panther_core.config.document import parse_text
from panther_core.config.tree import KeyPath, Mark, Node, Source

_STEP = re.compile(r"""(?:"([^"]+)"|'([^']+)'|([^.=\[\]"']+)|\[(\d+)\])(?=[.=\[]|$)""")

_KEY = re.compile(r"\s+(\w+)=(?![^][{}]*[]}])")
"""Where a key of a provisioner begins; what follows it is YAML, with spaces or without."""


def apply_overrides(tree: Node, sets: Iterable[str], *, environ: Mapping[str, str]) -> Node:
    """Return the tree with every ``path=value`` put in; all that cannot be is reported at once."""
    findings = Findings()
    for text in sets:
        try:
            tree = _apply(tree, text, environ)
        except InvalidConfigurationError as error:
            findings.add_all(error.diagnostics)
    findings.raise_if_any()
    return tree


def put_provisioners(tree: Node, specs: Sequence[str], *, environ: Mapping[str, str]) -> Node:
    """Return the tree with these provisioners, each ``name key=value ...``, instead of its own, if there are any."""
    if not specs:
        return tree
    findings, found = Findings(), list[Node]()
    for spec in specs:
        try:
            found.append(_provisioner(spec, environ))
        except InvalidConfigurationError as error:
            findings.add_all(error.diagnostics)
    findings.raise_if_any()
    mark = Mark(Source("--provisioner"))
    return _put(tree, ["provisioners"], (), Node(tuple(found), mark))


def _provisioner(spec: str, environ: Mapping[str, str]) -> Node:
    source = Source(f"--provisioner {shlex.quote(spec)}")
    name, *pairs = _KEY.split(spec.strip())
    if not name or " " in name:
        raise _refused("write it as NAME KEY=VALUE ..., such as 'ssh hosts=[a,b] workers=2'", source, ())
    node = Node({"type": Node(name, Mark(source))}, Mark(source))
    for key, text in zip(pairs[::2], pairs[1::2], strict=True):
        node = _put(node, [key], (), _value(text, source, environ))
    return node


def _apply(tree: Node, text: str, environ: Mapping[str, str]) -> Node:
    source = Source(f"--set {text}")
    steps, value_text = _split(text, source)
    return _put(tree, steps, (), _value(value_text, source, environ))


def _value(text: str, source: Source, environ: Mapping[str, str]) -> Node:
    return _relocated(parse_text(text, source, environ=environ), Mark(source), (), text.strip())


def _split(text: str, source: Source) -> tuple[list[str], str]:
    steps: list[str] = []
    position = 0
    while match := _STEP.match(text, position):
        steps.append(next(group for group in match.groups() if group is not None).strip())
        position = match.end()
        if text[position : position + 1] == ".":
            position += 1
        elif text[position : position + 1] != "[":
            break
    if not steps or text[position : position + 1] != "=":
        raise _refused("write it as path.to.key=value (a step with dots in it is quoted)", source, ())
    return steps, text[position + 1 :]


def _relocated(node: Node, mark: Mark, path: KeyPath, text: str) -> Node:
    """Return the value without line numbers; a bare word may be read as whatever type is wanted there."""
    if isinstance(node.value, dict):
        return Node({key: _relocated(each, mark, (*path, key), "") for key, each in node.items()}, mark, path)
    if isinstance(node.value, tuple):
        elements = tuple(_relocated(each, mark, (*path, index), "") for index, each in enumerate(node.value))
        return Node(elements, mark, path)
    bare = bool(text) and text[0] not in "\"'" and node.value is not None and not node.loose
    return Node(text, mark, path, loose=True) if bare else attrs.evolve(node, mark=mark, path=path)


def _put(node: Node, steps: list[str], path: KeyPath, value: Node) -> Node:
    if not steps:
        return _moved(value, path)
    step, rest = steps[0], steps[1:]
    if isinstance(node.value, tuple):
        index = _index(node, step, path, value)
        elements = list(node.value)
        elements[index] = _put(elements[index], rest, (*path, index), value)
        return attrs.evolve(node, value=tuple(elements))
    short_for = _short_for(path)
    if isinstance(node.value, str) and short_for:
        node = Node({short_for: node}, node.mark, path)
    if not isinstance(node.value, dict) and node.value is not None:
        raise _refused(f"there is nothing below it, it is {node.value!r}", value.mark.source, path)
    if node.value is None:
        node = Node({}, value.mark, path)
    below = node.get(step) or Node(None, value.mark, (*path, step))
    mark = None if step in node.value else value.mark
    return node.with_entry(step, _put(below, rest, (*path, step), value), mark)


def _short_for(path: KeyPath) -> str:
    """Return the key that a plain text at this path stands for, or nothing."""
    last, before = (path[-1] if path else ""), (path[-2] if len(path) > 1 else "")
    if before == "services":
        return "implementation"
    lists = ("execution_environments", "execution_environment", "observers", "provisioners")
    return "type" if last in ("network_environment", "type", *lists) or before in lists else ""


def _index(node: Node, step: str, path: KeyPath, value: Node) -> int:
    """Return the element that a step means: by its number, or by its name."""
    names = [str(each.get("name").value) if each.get("name") else "" for each in node.elements()]  # type: ignore[union-attr]
    if step.isdecimal() and int(step) < len(names):
        return int(step)
    if names.count(step) == 1:
        return names.index(step)
    known = f"0 to {len(names) - 1}" if names else "none: it is empty"
    raise _refused(f"no element {step!r} (there are {known})", value.mark.source, path)


def _moved(node: Node, path: KeyPath) -> Node:
    """Return the value at its place in the tree."""
    if isinstance(node.value, dict):
        return attrs.evolve(node, path=path, value={key: _moved(each, (*path, key)) for key, each in node.items()})
    if isinstance(node.value, tuple):
        return attrs.evolve(
            node, path=path, value=tuple(_moved(each, (*path, index)) for index, each in enumerate(node.value))
        )
    return attrs.evolve(node, path=path)


def _refused(message: str, source: Source, path: KeyPath) -> InvalidConfigurationError:
    return InvalidConfigurationError([Diagnostic(message, Mark(source), path)])
