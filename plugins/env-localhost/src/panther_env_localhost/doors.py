"""Links of services that share one interface: where a proxy stands between two of them, and what it does there."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import attrs

from panther_hookspecs import (
    Context,
    Endpoint,
    LinkDoor,
    LinkFlow,
    LinkPort,
    LinkSetup,
    LinkSpec,
    LinkTask,
    Problem,
    RecordedPlace,
    Recording,
    ServiceSpec,
    chosen_link,
    link_between,
)

Place = Callable[[str, Endpoint], Endpoint]
"""Gives a door its name, and a place for it beside the service that it stands for."""


@attrs.frozen(kw_only=True)
class Doors:
    """What stands between the services of a case."""

    flows: tuple[LinkFlow, ...] = ()
    doors: tuple[LinkDoor, ...] = ()
    seen: Mapping[tuple[str, str], Endpoint] = attrs.field(factory=dict)
    """Where a service sees another one, by both names."""

    def prepared(self, context: Context, mechanism: str, *, changes: bool) -> tuple[str, LinkSetup]:
        """Return the mechanism that does it, and what it needs."""
        wanted = {each for flow in self.flows for each in flow.spec.used()} | ({"steps"} if changes else set())
        link = chosen_link(context.links, wanted, mechanism, lambda _trial: True, proxy=True)
        task = LinkTask(
            name="localhost",
            ports=(),
            flows=self.flows,
            seed=context.seed,
            folder=context.folder,
            changes=changes,
            doors=self.doors,
        )
        return link.name, link.factory(task)


def doors_of(
    links: Mapping[str, LinkSpec],
    services: Sequence[ServiceSpec],
    endpoints: Mapping[str, Endpoint],
    place: Place,
    aliases: Sequence[str],
    *,
    changes: bool,
) -> Doors:
    """Return a door in front of every service for each that it has a link with."""
    flows: list[LinkFlow] = []
    doors: list[LinkDoor] = []
    seen: dict[tuple[str, str], Endpoint] = {}
    by_name = {each.name: each for each in services}
    for one, other in _linked(links, services, changes=changes):
        flows += [_flow(links, *pair) for pair in ((one, other), (other, one))]
        for viewer, target in ((one, other), (other, one)):
            real = endpoints[target]
            if not real.ports:
                continue
            door = place(f"{viewer}->{target}", real)
            seen[viewer, target] = attrs.evolve(door, name=target)
            doors += [
                LinkDoor(
                    source=viewer,
                    target=target,
                    transport=by_name[target].transport or "udp",
                    at=(at, door.ports[name]),
                    to=(to, port),
                    aliases=tuple(aliases) if at == door.ip else (at,),
                )
                for name, port in real.ports.items()
                for at, to in ((door.ip, real.ip), (door.ip6, real.ip6))
                if at and to
            ]
    return Doors(flows=tuple(flows), doors=tuple(doors), seen=seen)


def _linked(
    links: Mapping[str, LinkSpec], services: Sequence[ServiceSpec], *, changes: bool
) -> Iterator[tuple[str, str]]:
    for one, other in itertools.combinations([each.name for each in services], 2):
        if changes or any(link_between(links, *pair)[1].used() for pair in ((one, other), (other, one))):
            yield one, other


def _flow(links: Mapping[str, LinkSpec], source: str, target: str) -> LinkFlow:
    name, spec = link_between(links, source, target)
    port = LinkPort(node=source, interface="lo")
    return LinkFlow(link=name or f"{source}-{target}", name=f"{source}->{target}", spec=spec, port=port, pairs=())


def problems_of(links: Mapping[str, LinkSpec], services: Sequence[ServiceSpec], *, changes: bool) -> Iterator[Problem]:
    """Yield what keeps a proxy from standing between two services that have a link."""
    by_name = {each.name: each for each in services}
    for one, other in _linked(links, services, changes=changes):
        ends = [by_name[one], by_name[other]]
        if not any(each.ports for each in ends):
            yield Problem(
                what=f"localhost cannot put a link between {one} and {other}",
                where="links",
                why="nobody knows a port of either, so there is nothing to stand in front of",
                fix="network_environment: netns",
            )
        for each in ends:
            if each.ports and (each.transport or "udp") != "udp":
                yield Problem(
                    what=f"localhost cannot put a link in front of {each.name}",
                    where="links",
                    why=f"it talks {each.transport}, and the proxy passes on datagrams",
                    fix="network_environment: netns",
                )


def recordings_of(
    endpoints: Mapping[str, Endpoint], seen: Mapping[tuple[str, str], Endpoint], folder: Path, limit: int, length: int
) -> Iterator[tuple[str, Recording]]:
    """Yield the recording of each service: packets of its own ports, and those of others as it sees them."""
    for name, own in endpoints.items():
        others = [seen.get((name, each), endpoint) for each, endpoint in endpoints.items() if each != name]
        places = [*_places(own, own=True), *(place for each in others for place in _places(each, own=False))]
        if places:
            file = folder / f"{name}.pcapng"
            yield (
                name,
                Recording(file=file, interfaces=("lo",), limit=limit, length=length, places=tuple(places)),
            )


def _places(endpoint: Endpoint, *, own: bool) -> Iterator[RecordedPlace]:
    for ip in filter(None, (endpoint.ip, endpoint.ip6)):
        for port in endpoint.ports.values():
            yield RecordedPlace(ip=ip, port=port, own=own)
