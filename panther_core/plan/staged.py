"""The stages of a test case: which of its test type's run, and what the test type refuses to do here."""

from __future__ import annotations

from panther_core.config.diagnostics import Findings, one_of
from panther_core.plan.resolve import TestTypeSection
from panther_core.registry import Registry
from panther_hookspecs import CaseOutline, Stage, TestTypeDescriptor


def chosen_stages(section: TestTypeSection, registry: Registry, findings: Findings) -> tuple[Stage, ...]:
    """Return the stages that were asked for, and those that clean up whether they were asked for or not."""
    if not section.config.stages:
        return section.descriptor.stages
    found = [_stage(section, number, registry, findings) for number in range(len(section.config.stages))]
    kept = [each for each in found if each is not None]
    return (*kept, *(each for each in section.descriptor.stages if each.always and each not in kept))


def _stage(section: TestTypeSection, number: int, registry: Registry, findings: Findings) -> Stage | None:
    name = section.config.stages[number]
    own = {each.name: each for each in (*section.descriptor.stages, *section.descriptor.more)}
    others = {
        f"{type_.name}.{each.name}": each
        for type_ in registry.all(TestTypeDescriptor)
        for each in (*type_.stages, *type_.more)
    }
    known = {**own, **others}
    if name not in known:
        place, _ = section.node.find(("stages", number))
        findings.add(place, f"{section.descriptor.name} has no stage {name!r}{one_of(name, known, 'there are')}")
    return known.get(name)


def refuse(section: TestTypeSection, outline: CaseOutline, findings: Findings) -> None:
    """Let the test type say what it cannot do in this case; every problem is shown at the key that asks for it."""
    for problem in section.descriptor.refuse(outline) if section.descriptor.refuse else ():
        findings.add_problem(section.node, problem, problem.where)
