"""The experiment as it was understood: every default filled in, and still a file that gives the same cases."""

from __future__ import annotations

import enum
from collections.abc import Container, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import attrs

from panther_core.config.diagnostics import Findings
from panther_core.config.models import ExperimentConfig, TestCaseConfig
from panther_core.config.strict import loosened
from panther_core.config.structure import fields_of
from panther_core.config.tree import KeyPath, Node, exact, plain
from panther_core.plan.assemble import Assembled
from panther_core.plan.axes import EVERY
from panther_core.plan.cases import PlannedCase
from panther_core.plan.discovered import is_discovered
from panther_core.plan.experiment import Experiment, check, make_experiment
from panther_core.plan.shape import DEFAULT_KEYS
from panther_core.plan.template import Template
from panther_core.registry import Registry
from panther_hookspecs import Lapse, Quantity

_NOTHING = object()
_SIMPLE = ("timeout", "repeat", "retry_count", "exclusive")


def resolved_experiment(config: ExperimentConfig, registry: Registry) -> dict[str, Any]:
    """Return plain data that loads as the same experiment. What an axis changes stays as it was written."""
    findings = Findings()
    experiment = make_experiment(_as_in_a_file(config.to_tree(), registry), registry, findings)
    findings.raise_if_any()
    outer = experiment.tree.only(
        frozenset({"name", "description", "protocol", "observers", "provisioners", "discover"})
    )
    defaults = experiment.tree.only(DEFAULT_KEYS if experiment.tree.get("discover") else frozenset())
    written = [each for each in experiment.templates if not is_discovered(each.node)]
    cases = [dict.fromkeys(defaults.value) | _case(each, experiment) for each in written]
    said = {**exact(plain(defaults)), **exact(plain(outer)), "seed": experiment.seed}
    return {**said, "test_cases": cases} if written else said


def _as_in_a_file(tree: Node, registry: Registry) -> Node:
    """Return the tree with what came unquoted, from `--set` or the environment, as a file would say it.

    A number where no text is wanted, and a text where one is: what is wanted shows what is refused.
    """
    paths = frozenset(_loose(tree))
    read = _read(tree, paths)
    if not paths or _holds(read, registry):
        return read
    return _read(tree, frozenset(path for path in paths if _holds(_read(tree, frozenset({path})), registry)))


def _holds(tree: Node, registry: Registry) -> bool:
    findings = Findings()
    check(tree, registry, findings)
    return not findings.found


def _loose(node: Node) -> Iterator[KeyPath]:
    """Yield the path of every text that is read as something else where that is wanted."""
    if node.loose and not isinstance(loosened(plain(node)), str):
        yield node.path
    for each in node.value.values() if isinstance(node.value, dict) else node.elements():
        yield from _loose(each)


def _read(node: Node, paths: Container[KeyPath]) -> Node:
    """Return the tree with the texts at these paths read as YAML reads what has no quotes."""
    if isinstance(node.value, dict):
        return attrs.evolve(node, value={key: _read(each, paths) for key, each in node.items()})
    if isinstance(node.value, tuple):
        return attrs.evolve(node, value=tuple(_read(each, paths) for each in node.value))
    return attrs.evolve(node, value=loosened(plain(node)), loose=False) if node.path in paths else node


def _case(template: Template, experiment: Experiment) -> dict[str, Any]:
    cell = next(template.matrix.cells(), ())
    touched = {change.group for axis in template.matrix.axes for change in axis.changes}
    touched |= {change.group for added in template.matrix.includes for change in added}
    assembled: Assembled = experiment.assembler.assemble(template.view(cell))
    found: dict[str, Any] = exact(plain(template.node))
    fields = fields_of(TestCaseConfig)
    for key in _SIMPLE:
        found.setdefault(key, _data(fields[key].default))
    if not (assembled.case and assembled.case.protocol and any(e.capture for e in assembled.case.protocol.scenarios)):
        found.setdefault("capture", False)
    if assembled.case is not None:
        _fill(found, template, assembled.case, touched)
    matrix = template.node.get("matrix")
    if matrix is not None:
        found["matrix"] = _without_stars(template, matrix)
    return {key: found[key] for key in fields if key in found}


def _fill(found: dict[str, Any], template: Template, case: PlannedCase, touched: Iterable[KeyPath]) -> None:
    """Put the defaults of the plugins into the parts that no axis changes."""
    groups = set(touched)
    if case.scenario is not None and not groups & {("protocol",), ("scenario",), ("parameters",)}:
        found["scenario"] = case.scenario.name
        found["parameters"] = _with_defaults(found.get("parameters", {}), case.parameters)
    if ("network_environment",) not in groups:
        found["network_environment"] = _with_defaults(found["network_environment"], case.network_options)
    if ("type",) not in groups:
        found["type"] = _with_defaults(found.get("type", {"type": case.test_type.name}), case.test_type_options)
    if ("execution_environments",) not in groups and case.instruments:
        found["execution_environments"] = [
            _with_defaults(each, instrument.options)
            for each, instrument in zip(found["execution_environments"], case.instruments, strict=True)
        ]
    written = template.node.get("services")
    for service in case.services:
        node = written.get(service.name) if written else None
        if node is not None and node.get("implementation") is not None and ("services", service.name) not in groups:
            own = {"role": service.role, "version": service.version, "target": service.target}
            given = found["services"][service.name]
            found["services"][service.name] = _with_defaults(
                {**given, **{key: value for key, value in own.items() if value and key not in given}}, service.options
            )


def _with_defaults(given: Mapping[str, Any], options: Any) -> dict[str, Any]:
    """Return a section with the options that it leaves out, as far as a file can say them."""
    filled = dict(given)
    for key, field in fields_of(type(options)).items() if attrs.has(type(options)) else ():
        value = _data(getattr(options, field.name))
        if key not in filled and value is not _NOTHING:
            filled[key] = value
    return filled


def _number(value: float) -> float | str:
    if isinstance(value, Lapse) and value:
        return f"{value:.9f}".rstrip("0").rstrip(".") + "s"
    return int(value) if isinstance(value, Quantity) and value.is_integer() else float(value)


def _data(value: Any) -> Any:
    """Return a value as YAML has it, or ``_NOTHING`` for one that a file cannot say."""
    if value is None or (isinstance(value, bool | int | str) and not isinstance(value, enum.Enum)):
        return value
    if isinstance(value, float):
        return _number(value)
    if isinstance(value, enum.Enum):
        return _data(value.value)
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, Mapping):
        return _all_or_nothing({key: _data(each) for key, each in value.items()}, list(value))
    if isinstance(value, list | tuple | set | frozenset):
        many = [_data(each) for each in value]
        return _NOTHING if any(each is _NOTHING for each in many) else many
    if attrs.has(type(value)):
        entries = {key: _data(getattr(value, field.name)) for key, field in fields_of(type(value)).items()}
        return _all_or_nothing(entries, list(entries))
    return _NOTHING


def _all_or_nothing(entries: dict[str, Any], keys: list[Any]) -> Any:
    wrong = any(each is _NOTHING for each in entries.values()) or not all(isinstance(key, str) for key in keys)
    return _NOTHING if wrong else entries


def _without_stars(template: Template, node: Node) -> dict[str, Any]:
    """Return the matrix with every ``*`` replaced by what it stood for."""
    found: dict[str, Any] = exact(plain(node))
    for axis in template.matrix.axes:
        written = found[axis.name]
        if written == EVERY or (isinstance(written, list) and EVERY in written):
            plainly = [each for each in written if each != EVERY] if isinstance(written, list) else []
            kept = {str(each) for each in plainly}
            names = [change.text for change in axis.changes]
            found[axis.name] = [*plainly, *(name for name in names if name not in kept)]
    return found
