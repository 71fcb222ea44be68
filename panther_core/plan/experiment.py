"""A whole experiment ready to be planned: checked, counted, and walked lazily."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Iterator

import attrs

from panther_core.config.diagnostics import Diagnostic, Findings, InvalidConfigurationError
from panther_core.config.models import SERVICE_NAME, ExperimentConfig, TestCaseConfig
from panther_core.config.sections import ObserverConfig, ProvisionerConfig
from panther_core.config.structure import fields_of, structure
from panther_core.config.tree import Node
from panther_core.needs import missing
from panther_core.plan.assemble import Assembled, Assembler
from panther_core.plan.cases import PlannedCase
from panther_core.plan.chosen import sections
from panther_core.plan.discovered import with_discovered
from panther_core.plan.matrix import Cell
from panther_core.plan.resolve import Resolver
from panther_core.plan.select import Selection, parse_selection
from panther_core.plan.shape import shaped
from panther_core.plan.template import Template, View, folder_of, make_template, whole_number
from panther_core.plan.written import written_names
from panther_core.registry import Registry
from panther_hookspecs import ObserverDescriptor, ProvisionerDescriptor

_MOST_CHECKED = 1024
"""Cells that are checked one by one before a run; where there are more, every value of every axis is."""

_MOST_LOOKED_AT = 64
"""Cells among which one is looked for that can be tried."""
_MOST_KEPT = 4096
"""Cells that are put together once for all their repetitions; beyond, once for each, as memory has an end."""
_NETWORK = ("network_environment", "links")
"""Keys of a test case that say what its network is like."""


@attrs.frozen
class Experiment:
    """The templates of an experiment and what puts their cells together."""

    tree: Node
    templates: tuple[Template, ...]
    assembler: Assembler
    seed: int

    def problems(self) -> Iterator[Diagnostic]:
        """Yield what is wrong with the cells: with all of them, or enough to see every value of every axis."""
        most = max(1, _MOST_CHECKED // max(1, len(self.templates)))
        for template in self.templates:
            written = written_names(template.node, self.assembler.resolver)
            yield from written
            known = {(each.mark, each.message) for each in written}
            for index, cell in enumerate(template.matrix.samples(most)):
                view = template.view(cell)
                for each in self.assembler.assemble(view).diagnostics:
                    if (each.mark, each.message) not in known:
                        known.add((each.mark, each.message))
                        yield each if index == 0 else _with_cell(each, view)

    def views(self, selection: Selection | None) -> Iterator[tuple[int, View]]:
        """Yield repetition and cell: all cells of the first repetition, then of the second."""
        for number in range(1, max((each.repeat for each in self.templates), default=0) + 1):
            for template in self.templates:
                if number > template.repeat:
                    continue
                for cell in template.matrix.cells():
                    view = template.view(cell)
                    if selection is None or selection.holds(view.facts):
                        yield number, view

    def cases(self, selection: Selection | None) -> Iterator[tuple[PlannedCase, View]]:
        """Yield the cases, each made when it is asked for, with the nodes that it was made of."""
        known: dict[tuple[int, Cell], Assembled] = {}
        for number, view in self.views(selection):
            key = (id(view.template), view.cell)
            assembled = known.get(key) or self.assembler.assemble(view)
            if number < view.template.repeat and len(known) < _MOST_KEPT:
                known[key] = assembled
            if assembled.diagnostics:
                raise InvalidConfigurationError(_with_cell(each, view) for each in assembled.diagnostics)
            yield assembled.repetition(number, self.seed), view

    def networks(self) -> Iterator[tuple[PlannedCase, View]]:
        """Yield one case that can be tried for each network of each test case, with the nodes that it was made of."""
        for template in self.templates:
            seen: set[tuple[int, ...]] = set()
            for cell in template.matrix.samples(_MOST_LOOKED_AT):
                view = template.view(cell)
                network = tuple(id(view.get(key)) for key in _NETWORK)
                assembled = self.assembler.assemble(view) if network not in seen else None
                if assembled and assembled.case and not assembled.case.unsupported:
                    seen.add(network)
                    yield assembled.repetition(1, self.seed), view


def _with_cell(diagnostic: Diagnostic, view: View) -> Diagnostic:
    """Return a diagnostic that says in which cell it was found."""
    where = f" (with {view.where()})" if view.cell else ""
    return attrs.evolve(diagnostic, message=diagnostic.message + where)


def make_experiment(tree: Node, registry: Registry, findings: Findings) -> Experiment:
    """Return the experiment of a tree; what is wrong with its outer shape goes to ``findings``."""
    shape = shaped(with_discovered(tree, registry, findings), findings)
    known = functools.cache(missing)  # a program that is not there for one test case is not there for the next
    templates = tuple(make_template(case, registry, findings, known) for case in shape.cases)
    for template in templates:
        _check_names(template, findings)
    return Experiment(
        shape.tree, templates, Assembler(Resolver(registry, folder_of(tree))), whole_number(shape.tree.get("seed"), 0)
    )


def _check_names(template: Template, findings: Findings) -> None:
    services = template.node.get("services")
    for name in template.services:
        if not re.fullmatch(SERVICE_NAME, name):
            message = f"{name!r} is no name for a service: letters, digits, - and _, a letter first"
            known = services is not None and services.get(name) is not None
            findings.add(services if known and services else template.node, message, name if known else None)


def checked_experiment(tree: Node, registry: Registry) -> ExperimentConfig:
    """Return the typed experiment of a tree; InvalidConfigurationError lists everything that is wrong with it."""
    findings = Findings()
    tree = with_discovered(tree, registry, findings)  # once: everything below finds the cases there
    config = check(tree, registry, findings)
    findings.raise_if_any()
    assert config is not None  # otherwise something was found
    object.__setattr__(config, "tree", tree)
    object.__setattr__(config, "registry", registry)
    return config


def check(tree: Node, registry: Registry, findings: Findings) -> ExperimentConfig | None:
    """Find everything that is wrong with a tree that has its discovered cases; return the typed experiment."""
    experiment = make_experiment(tree, registry, findings)
    findings.add_all(experiment.problems())
    resolver = experiment.assembler.resolver
    sections(tree, "observers", ObserverDescriptor, ObserverConfig, resolver, findings)
    sections(tree, "provisioners", ProvisionerDescriptor, ProvisionerConfig, resolver, findings)
    again = Findings()
    config = _typed(experiment, again)
    known = {(each.mark, each.path) for each in findings.found}
    findings.add_all(each for each in again.found if (each.mark, each.path) not in known)
    return config


def _typed(experiment: Experiment, findings: Findings) -> ExperimentConfig | None:
    tree = experiment.tree
    if not tree.is_mapping:
        return None
    cases = [
        structure(template.node.only(frozenset(fields_of(TestCaseConfig))), TestCaseConfig, findings)
        for template in experiment.templates
    ]
    outer = tree.only(frozenset(fields_of(ExperimentConfig)) - {"test_cases"})
    if tree.get("execution_environments") is not None:
        outer = outer.with_entry("execution_environment", tree.value["execution_environments"])
    outer = outer.with_entry("test_cases", Node((), tree.mark, tree.path))
    config = structure(outer, ExperimentConfig, findings) if outer.get("name") else None
    if config is None or any(case is None for case in cases):
        return None
    return attrs.evolve(config, test_cases=tuple(case for case in cases if case is not None))


def check_experiment(config: ExperimentConfig, registry: Registry) -> None:
    """Raise InvalidConfigurationError, which lists every error, unless the experiment fits the plugins."""
    checked_experiment(config.to_tree(), registry)


def plan_cases(config: ExperimentConfig, registry: Registry, *, select: str = "") -> Iterator[PlannedCase]:
    """Return the cases of an experiment, lazily and always in the same order; ``select`` chooses among them."""
    experiment, selection = _ready(config, registry, select)
    return (case for case, _ in experiment.cases(selection))


def written_networks(config: ExperimentConfig, registry: Registry) -> Iterator[tuple[PlannedCase, View]]:
    """Return the first case that can be tried in each network of each test case as it is written, with its nodes.

    For whoever tells at its place in the file what is wrong with a network: many cells share one.
    """
    experiment, _ = _ready(config, registry, "")
    return experiment.networks()


def count_cases(config: ExperimentConfig, registry: Registry | None = None, *, select: str = "") -> int:
    """Return how many cases there are, without making them; a selection has to look at every cell.

    Without a registry, the plugins that the experiment was loaded with count.
    """
    experiment, selection = _ready(config, config.plugins() if registry is None else registry, select)
    if selection is not None:
        return sum(1 for _ in experiment.views(selection))
    return sum(template.matrix.count() * template.repeat for template in experiment.templates)


def left_out(config: ExperimentConfig, registry: Registry) -> tuple[str, ...]:
    """Return what ``*`` does not stand for because this machine lacks what it needs."""
    experiment, _ = _ready(config, registry, "")
    return tuple(dict.fromkeys(name for each in experiment.templates for name in each.matrix.left_out))


def _ready(config: ExperimentConfig, registry: Registry, select: str) -> tuple[Experiment, Selection | None]:
    findings = Findings()
    experiment = make_experiment(config.to_tree(), registry, findings)
    findings.raise_if_any()
    selection = parse_selection(select)
    if selection is not None:
        selection.check_names(_known(experiment.templates))
    return experiment, selection


def _known(templates: Iterable[Template]) -> Iterator[str]:
    for template in templates:
        yield from template.known_names()
