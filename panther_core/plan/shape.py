"""Brings the tree of an experiment into one shape: short forms written out, defaults merged into every test case."""

from __future__ import annotations

import attrs

from panther_core.config.diagnostics import Findings, one_of, suggestion
from panther_core.config.models import ExperimentConfig, TestCaseConfig
from panther_core.config.structure import fields_of
from panther_core.config.tree import Node, merge

_EXPERIMENT_ONLY = frozenset({"name", "description", "seed", "test_cases", "observers", "provisioners", "discover"})
_CASE_KEYS = tuple(fields_of(TestCaseConfig))
DEFAULT_KEYS = frozenset(_CASE_KEYS) - {"name", "description"}
"""What may stand at the top level for all test cases."""
_EXPERIMENT_KEYS = tuple(dict.fromkeys([*fields_of(ExperimentConfig), *DEFAULT_KEYS]))


@attrs.frozen
class Shape:
    """An experiment in one shape."""

    tree: Node
    cases: tuple[Node, ...]


def shaped(tree: Node, findings: Findings) -> Shape:
    """Return the experiment with every test case complete; unknown keys are reported."""
    if not tree.is_mapping:
        findings.add(tree, "an experiment is a mapping of keys such as name, protocol, test_cases")
        return Shape(tree, ())
    tree = _written_out(tree, findings)
    known = sorted({*_EXPERIMENT_KEYS, *_EXPERIMENT_ONLY} - {"execution_environment"})
    _report_unknown(tree, known, "", findings)
    defaults = tree.only(DEFAULT_KEYS)
    listed = tree.get("test_cases")
    if listed is None and tree.get("discover") is not None:
        return Shape(tree, ())
    if listed is None and suggestion("test_cases", [str(key) for key in tree.value if key not in known]):
        return Shape(tree, ())  # misspelt, which is said
    if listed is None or not listed.elements():
        findings.add(listed or tree, "the key 'test_cases' must be a list of at least one test case")
        return Shape(tree, ())
    cases = []
    for node in listed.elements():
        if not node.is_mapping:
            findings.add(node, "a test case is a mapping of keys such as name, scenario, services")
            continue
        case = _written_out(node, findings)
        _report_unknown(case, _CASE_KEYS, " of a test case", findings)
        cases.append(merge(defaults, case))
    _report_names(tree, cases, findings)
    return Shape(tree, tuple(cases))


def _report_unknown(node: Node, known: list[str] | tuple[str, ...], where: str, findings: Findings) -> None:
    for key in node.value:
        if key not in known:
            findings.add(node, f"unknown key {key!r}{where}{one_of(key, known)}", key)


def _report_names(tree: Node, cases: list[Node], findings: Findings) -> None:
    if tree.get("name") is None:
        findings.add(tree, "the key 'name' is missing (Name of the experiment)")
    seen: dict[object, Node] = {}
    for case in cases:
        name = case.get("name")
        if name is None:
            findings.add(case, "the key 'name' is missing (Name of the test case, unique in the file)")
        elif isinstance(name.value, str) and seen.setdefault(name.value, name) is not name:
            first = seen[name.value].mark
            where = f" in line {first.line}" if first.line else ""
            findings.add(name, f"the name {name.value!r} is already given{where}")


def _written_out(node: Node, findings: Findings) -> Node:
    """Return a test case, or the defaults of all, without short forms."""
    singular, plural = node.get("execution_environment"), node.get("execution_environments")
    if singular is not None:
        if plural is not None:
            findings.add(node, "the same as 'execution_environments', which is given as well", "execution_environment")
        mark = node.key_mark("execution_environment")
        node = node.without(frozenset({"execution_environment"})).with_entry("execution_environments", singular, mark)
    for key, write_out in (
        ("execution_environments", instruments),
        ("network_environment", typed),
        ("type", typed),
        ("services", services),
    ):
        value = node.get(key)
        if value is not None:
            node = node.with_entry(key, write_out(value))
    return node


def typed(node: Node, key: str = "type") -> Node:
    """Return ``x`` as ``{type: x}``."""
    return Node({key: node}, node.mark, node.path) if isinstance(node.value, str) else node


def instruments(node: Node) -> Node:
    """Return one execution environment as a list of one, each of them as a mapping."""
    if node.is_mapping or isinstance(node.value, str):
        return Node((typed(node),), node.mark, node.path)
    return attrs.evolve(node, value=tuple(map(typed, node.value))) if node.is_list else node


def services(node: Node) -> Node:
    """Return services in which ``server: x`` is written as ``server: {implementation: x}``."""
    if not node.is_mapping:
        return node
    return attrs.evolve(node, value={name: typed(each, "implementation") for name, each in node.items()})
