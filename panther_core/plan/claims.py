"""What a scenario takes from outside the case's own keys: values that its services claim, and links of its own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import attrs

from panther_core.config.tree import Node
from panther_core.plan.cases import PlannedService
from panther_core.plan.identity import canonical
from panther_hookspecs import AUTO, EVERY_LINK, LinkSpec, TestScenario


def settled(parameters: Any, services: Iterable[PlannedService]) -> tuple[Any, tuple[str, ...]]:
    """Return the parameters with every ``auto`` replaced by what the services have in common.

    The reasons why the case is unsupported come second: a value that a service does not claim, or none that all do.
    """
    players = tuple(services)
    reasons: list[str] = []
    chosen: dict[str, str] = {}
    for field in attrs.fields(type(parameters)) if attrs.has(type(parameters)) else ():
        claims = {each.name: each for each in players if field.name in each.descriptor.claims.get(each.role, {})}
        value = getattr(parameters, field.name)
        prefer: tuple[str, ...] = field.metadata.get("prefer", ())
        if value == AUTO and prefer:
            common = [each for each in prefer if not _unclaimed(field.name, each, claims.values())]
            if common:
                chosen[field.name] = common[0]
            else:
                told = ", ".join(_told(field.name, each) for each in claims.values())
                reasons.append(f"there is no {field.name} that all claim: {told}")
        else:
            reasons += [
                f"{each.descriptor.name} does not claim {field.name} {value} as {each.role}"
                for each in _unclaimed(field.name, str(value), claims.values())
            ]
    return (attrs.evolve(parameters, **chosen) if chosen else parameters), tuple(reasons)


def _claimed(name: str, service: PlannedService) -> tuple[str, ...]:
    return service.descriptor.claims[service.role][name]


def _unclaimed(name: str, value: str, claims: Iterable[PlannedService]) -> list[PlannedService]:
    return [each for each in claims if value not in _claimed(name, each)]


def _told(name: str, service: PlannedService) -> str:
    return f"{service.descriptor.name} as {service.role} has {' and '.join(_claimed(name, service)) or 'none'}"


@attrs.frozen
class OwnLinks:
    """The links of a case whose scenario has some of its own."""

    links: Mapping[str, LinkSpec]
    added: tuple[str, ...]
    """What the scenario asks for that the case does not say."""
    content: str
    """The links as text."""


def own_links(
    scenario: TestScenario, services: Iterable[PlannedService], given: Mapping[str, LinkSpec], node: Node | None
) -> OwnLinks:
    """Return the case's links on top of the scenario's: what the case says of a link wins, field by field."""
    links, added = dict(given), dict[str, None]()
    for one, arrow, other, spec in _between(scenario, tuple(services)):
        names = (*([f"{one}->{other}"] if arrow == "->" else []), f"{one}-{other}", f"{other}-{one}", EVERY_LINK)
        key = next((each for each in names if each in given), None)
        written = node.get(key) if node is not None and key else None
        values = {field: getattr(spec, field) for field in spec.used() if written is None or written.get(field) is None}
        added.update(dict.fromkeys(values))
        base = given[key] if key else LinkSpec()
        own = f"{one}{arrow}{other}"
        if key == f"{other}-{one}" and arrow == "-":
            if "rebind" in values:
                del links[key]  # its NAT would be in front of the wrong one
            else:
                own = key
        links[own] = attrs.evolve(base, **values)
    return OwnLinks(links, tuple(added), canonical(links))


def _between(scenario: TestScenario, services: tuple[PlannedService, ...]) -> Iterator[tuple[str, str, str, LinkSpec]]:
    """Yield every pair of services that play the roles of one of the scenario's links, and how the link joins them."""
    for pair, spec in scenario.links.items():
        for one in services:
            for other in services:
                for arrow in ("-", "->"):
                    if one is not other and pair == f"{one.role}{arrow}{other.role}":
                        yield one.name, arrow, other.name, spec
