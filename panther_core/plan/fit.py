"""What a network environment rules out for the rest of a case: instruments, stages, implementations."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from panther_core.config.diagnostics import Findings
from panther_core.config.tree import Node
from panther_core.plan.cases import PlannedInstrument, PlannedService
from panther_hookspecs import NetworkEnvironmentDescriptor, Stage


def refuse_instruments(
    network: NetworkEnvironmentDescriptor, watched: Sequence[PlannedInstrument], node: Node | None, findings: Findings
) -> None:
    """Report every instrument that cannot watch services in this environment."""
    for number, each in enumerate(watched):
        descriptor, place = each.descriptor, node.elements()[number] if node else None
        able = network.instruments
        if place is None:
            continue
        if descriptor.networks and network.name not in descriptor.networks:
            findings.add(place, f"{descriptor.name} works in {', '.join(descriptor.networks)} only, not {network.name}")
        elif able is not None and descriptor.name not in able:
            told = f"there {', '.join(sorted(able))} can" if able else "no instrument can"
            findings.add(place, f"{descriptor.name} cannot watch a service in {network.name}; {told}")


def refuse_stages(
    network: NetworkEnvironmentDescriptor, stages: Iterable[Stage], node: Node, findings: Findings
) -> None:
    """Report the stages that want to touch running services where the case is carried out as a whole."""
    live = [each.name for each in stages if each.moment == "during" and not each.passive]
    if network.batch and live:
        findings.add(
            node,
            f"{network.name} carries a case out as a whole, and nothing can touch services meanwhile, "
            f"as {', '.join(live)} would",
        )


def unfit_services(network: NetworkEnvironmentDescriptor, services: Iterable[PlannedService]) -> tuple[str, ...]:
    """Return why implementations cannot run in this environment, as they declare."""
    reasons = {each.descriptor.name: each.descriptor.unfit.get(network.name, "") for each in services}
    return tuple(f"{name} cannot run in {network.name}: {reason}" for name, reason in reasons.items() if reason)
