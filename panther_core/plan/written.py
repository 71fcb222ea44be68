"""Names that a test case writes, whether or not any cell of its matrix still uses them: a typo is told in any case."""

from __future__ import annotations

from panther_core.config.diagnostics import Diagnostic, Findings
from panther_core.config.tree import KeyPath, Node
from panther_core.plan.resolve import Resolver
from panther_hookspecs import (
    Descriptor,
    ExecutionEnvironmentDescriptor,
    NetworkEnvironmentDescriptor,
    ProtocolDescriptor,
    ServiceDescriptor,
    TestTypeDescriptor,
)


def written_names(case: Node, resolver: Resolver) -> tuple[Diagnostic, ...]:
    """Return what is wrong with the names of plugins and scenarios in a test case without its matrix."""
    findings = Findings()
    places: list[tuple[KeyPath, type[Descriptor]]] = [
        (("implementation",), ServiceDescriptor),
        (("network_environment", "type"), NetworkEnvironmentDescriptor),
        (("type", "type"), TestTypeDescriptor),
    ]
    services, instruments = case.get("services"), case.get("execution_environments")
    for name, _ in services.items() if services else ():
        places.append((("services", name, "implementation"), ServiceDescriptor))
    for index, _ in enumerate(instruments.elements() if instruments else ()):
        places.append((("execution_environments", index, "type"), ExecutionEnvironmentDescriptor))
    for path, kind in places:
        node, depth = case.find(path)
        if depth == len(path) and isinstance(node.value, str):
            resolver.named(node, kind, findings)
    protocol, scenario = case.get("protocol"), case.get("scenario")
    if protocol is not None and isinstance(protocol.value, str) and protocol.value:
        descriptor = resolver.named(protocol, ProtocolDescriptor, findings)
        known = [each.name for each in descriptor.scenarios] if descriptor else []
        if descriptor is not None and scenario is not None and scenario.value not in known:
            findings.add_all(resolver.scenario(descriptor, scenario, None).diagnostics)
    return tuple(findings.found)
