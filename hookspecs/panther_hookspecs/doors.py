"""Links of services that share one interface: where a proxy stands between two of them, and what it does there."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import attrs

from panther_hookspecs.environments import Context
from panther_hookspecs.errors import TestExecutionError
from panther_hookspecs.impairments import EVERY_LINK, LinkChange, LinkSpec, link_between
from panther_hookspecs.links import (
    LinkDescriptor,
    LinkDoor,
    LinkFlow,
    LinkPort,
    LinkSetup,
    LinkTask,
    chosen_link,
    described_flows,
    report_links,
    tell_switch,
)
from panther_hookspecs.networks import Endpoint, ServiceSpec
from panther_hookspecs.recordings import RecordedPlace, Recording
from panther_hookspecs.values import Artifact, Problem

Place = Callable[[str, Endpoint, str], Endpoint]
"""Gives a door its name, and a place for it beside the service that it stands for and whose transport it has."""

_STREAMS = "a proxy passes the bytes of a stream on, and no packet of them is there that could get lost"


@attrs.frozen(kw_only=True)
class Doors:
    """What stands between the services of a case."""

    flows: tuple[LinkFlow, ...] = ()
    doors: tuple[LinkDoor, ...] = ()
    seen: Mapping[tuple[str, str], Endpoint] = attrs.field(factory=dict)
    """Where a service sees another one, by both names."""


@attrs.define
class Proxy:
    """What stands in these doors while a case runs; without doors there is nothing, and nothing happens."""

    doors: Doors = Doors()
    _mechanism: str = ""
    _setup: LinkSetup = LinkSetup()

    def seen_by(self, viewer: str, endpoint: Endpoint) -> Endpoint:
        """Return where a service finds another one: at the door before it, if there is one."""
        return self.doors.seen.get((viewer, endpoint.name), endpoint)

    def begin(
        self, context: Context, mechanism: str, start: Callable[[str, tuple[str, ...]], object], *, changes: bool
    ) -> str:
        """Choose a mechanism, ``mechanism`` if that names one, and ``start`` it; return what it does, for the log."""
        flows = self.doors.flows
        if not flows:
            return ""
        wanted = {each for flow in flows for each in flow.spec.used()} | ({"steps"} if changes else set())
        link = chosen_link(context.links, wanted, mechanism, lambda _trial: True, proxy=True)
        task = LinkTask(
            name="doors",
            ports=(),
            flows=flows,
            seed=context.seed,
            folder=context.folder,
            changes=changes,
            doors=self.doors.doors,
        )
        self._mechanism, self._setup = link.name, link.factory(task)
        start(self._mechanism, self._setup.switch)
        return f"links by {self._mechanism}: {described_flows(flows)}"

    def change(self, context: Context, directions: Sequence[tuple[str, str]], change: LinkChange) -> float:
        """Let it do something else from now on; return the monotonic time at which that took effect."""
        pairs = {frozenset(each) for each in directions}
        streams = [each for each in self.doors.doors if each.transport == "tcp" and {each.source, each.target} in pairs]
        lacking = sorted(_asked_by(change) - streams_can(context.links)) if streams else []
        if lacking:
            raise TestExecutionError(
                f"a link could not be changed: {', '.join(lacking)}: {streams[0].target} talks tcp\n"
                f"  because {_STREAMS}"
            )
        if self._setup.control is None:
            raise TestExecutionError(
                "a link could not be changed: no mechanism that takes changes is between the services"
            )
        return tell_switch(self._setup.control, ["->".join(each) for each in directions], change)

    def report(self, folder: Path) -> Iterator[Artifact]:
        """Yield what became of the packets, once it has ended."""
        if self.doors.flows:
            yield report_links(folder, self._mechanism, self.doors.flows, [self._setup])


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
        if not (endpoints[one].ports or endpoints[other].ports):
            continue  # two clients, for example: they do not talk to each other
        flows += [_flow(links, *pair) for pair in ((one, other), (other, one))]
        for viewer, target in ((one, other), (other, one)):
            real = endpoints[target]
            if not real.ports:
                continue
            transport = by_name[target].transport or "udp"
            door = place(f"{viewer}->{target}", real, transport)
            seen[viewer, target] = attrs.evolve(door, name=target)
            doors += [
                LinkDoor(
                    source=viewer,
                    target=target,
                    transport=transport,
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


def _named(links: Mapping[str, LinkSpec], one: str, other: str) -> bool:
    """Return whether a link of these two was asked for, and not only one of any two."""
    return any(link_between(links, *pair)[0] not in ("", EVERY_LINK) for pair in ((one, other), (other, one)))


def _flow(links: Mapping[str, LinkSpec], source: str, target: str) -> LinkFlow:
    name, spec = link_between(links, source, target)
    port = LinkPort(node=source, interface="lo")
    return LinkFlow(link=name or f"{source}-{target}", name=f"{source}->{target}", spec=spec, port=port, pairs=())


def streams_can(links: Iterable[LinkDescriptor]) -> frozenset[str]:
    """Return what the proxies among these mechanisms can do to streams of bytes."""
    return frozenset(each for link in links if link.is_proxy for each in link.stream_impairments)


def _asked_by(change: LinkChange) -> set[str]:
    """Return the impairments and actions that a change is made of, where those of streams are fewer."""
    own = {change.do} if change.do in ("lose", "rebind") else set()
    return own | set(change.to.used() if change.to is not None else ())


def door_problems(
    name: str,
    links: Mapping[str, LinkSpec],
    services: Sequence[ServiceSpec],
    mechanisms: Iterable[LinkDescriptor],
    *,
    changes: bool,
) -> Iterator[Problem]:
    """Yield what keeps a proxy from standing between two services that have a link; ``name`` is the environment's."""
    by_name, can = {each.name: each for each in services}, streams_can(mechanisms)
    for one, other in _linked(links, services, changes=changes):
        ends = [by_name[one], by_name[other]]
        if not any(each.ports for each in ends):
            if not _named(links, one, other):
                continue
            yield Problem(
                what=f"{name} cannot put a link between {one} and {other}",
                where="links",
                why="nobody knows a port of either, so there is nothing to stand in front of",
                fix="network_environment: netns",
            )
        specs = [link_between(links, *pair)[1] for pair in ((one, other), (other, one))]
        asked = {each for spec in specs for each in spec.used()}
        asked |= {each for spec in specs for step in spec.steps for each in _asked_by(step)}
        lacking = sorted(asked - can)
        for each in ends:
            if each.ports and each.transport == "tcp" and lacking:
                yield Problem(
                    what=f"{name} cannot do {', '.join(lacking)} to a link with {each.name}, which talks tcp",
                    where="links",
                    why=_STREAMS,
                    fix=f"network_environment: netns, or of {', '.join(sorted(can)) or 'no link'} alone",
                )


def loopback_recordings(
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
