"""What a run as a whole uses besides its cases: observers and provisioners."""

from __future__ import annotations

from typing import Any, TypeVar

from panther_core.config.diagnostics import Findings
from panther_core.config.models import ExperimentConfig
from panther_core.config.sections import ObserverConfig, ProvisionerConfig
from panther_core.config.tree import Node
from panther_core.plan.resolve import DescriptorT, PluginSection, Resolver
from panther_core.registry import Registry
from panther_hookspecs import ObserverDescriptor, ProvisionerDescriptor

ConfigT = TypeVar("ConfigT")


def sections(
    tree: Node, key: str, kind: type[DescriptorT], config: type[ConfigT], resolver: Resolver, findings: Findings
) -> tuple[PluginSection[DescriptorT, ConfigT], ...]:
    """Return the resolved sections of a list at the top level of an experiment."""
    node = tree.get(key)
    if node is None:
        return ()
    found = [resolver.section(each, kind, config) for each in node.elements()]
    for each in found:
        findings.add_all(each.diagnostics)
    return tuple(each.value for each in found if each.value is not None)


def chosen_observers(config: ExperimentConfig, registry: Registry) -> tuple[tuple[ObserverDescriptor, Any], ...]:
    """Return the observers that take part in a run, each with its options, sorted by name."""
    findings = Findings()
    listed = sections(config.to_tree(), "observers", ObserverDescriptor, ObserverConfig, Resolver(registry), findings)
    findings.raise_if_any()
    chosen = {each.name: (each, each.options()) for each in registry.all(ObserverDescriptor) if each.default}
    for section in listed:
        chosen.pop(section.descriptor.name, None)
        if section.config.enabled:
            chosen[section.descriptor.name] = (section.descriptor, section.options)
    return tuple(chosen[name] for name in sorted(chosen))


def chosen_provisioners(
    config: ExperimentConfig, registry: Registry
) -> tuple[tuple[ProvisionerDescriptor, Any, int], ...]:
    """Return the provisioners that an experiment names, each with its options and its most workers."""
    findings = Findings()
    listed = sections(
        config.to_tree(), "provisioners", ProvisionerDescriptor, ProvisionerConfig, Resolver(registry), findings
    )
    findings.raise_if_any()
    return tuple((each.descriptor, each.options, each.config.max_workers) for each in listed)
