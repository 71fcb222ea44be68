"""Test cases that are written down elsewhere join those of the file, as if it had said them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from panther_core.config.diagnostics import Findings
from panther_core.config.sections import DiscoveryConfig
from panther_core.config.tree import Mark, Node, from_plain
from panther_core.plan.resolve import PluginSection, Resolver
from panther_core.plan.shape import typed
from panther_core.registry import Registry
from panther_hookspecs import ConfigurationException, DiscoveryDescriptor

_KEY = "discover"
Section = PluginSection[DiscoveryDescriptor, DiscoveryConfig]


def is_discovered(case: Node) -> bool:
    """Return whether a test case was found where the experiment says ``discover``."""
    return case.path[:1] == (_KEY,)


def with_discovered(tree: Node, registry: Registry, findings: Findings) -> Node:
    """Return the experiment with all test cases that its sources find; a tree that has them already stays as it is."""
    sources, listed = tree.get(_KEY), tree.get("test_cases")
    written = listed.elements() if listed is not None else ()
    if sources is None or any(map(is_discovered, written)):
        return tree
    if not sources.elements():
        findings.add(sources, "expected a list of sources, each a name or a mapping with the key type")
        return tree
    resolver = Resolver(registry, tree.mark.source.folder)
    found: list[Node] = []
    for node in sources.elements():
        resolved = resolver.section(typed(node), DiscoveryDescriptor, DiscoveryConfig)
        findings.add_all(resolved.diagnostics)
        if resolved.value is not None:
            found += _cases(resolved.value, node, tree, findings)
    place = listed if listed is not None else sources
    return tree.with_entry("test_cases", Node((*written, *found), place.mark, place.path)) if found else tree


def _cases(section: Section, node: Node, tree: Node, findings: Findings) -> list[Node]:
    folder = (tree.mark.source.folder or Path()).absolute()
    try:
        cases = [_case(each, node.mark) for each in section.descriptor.find(section.options, folder)]
    except ConfigurationException as error:
        findings.add(node, str(error))
        return []
    if not cases:
        findings.add(node, f"{section.descriptor.name} finds no test case here")
    return cases


def _case(case: Mapping[str, Any], mark: Mark) -> Node:
    return from_plain(case, mark, (_KEY, str(case.get("name", "?"))))
