"""From a graph to networks, interfaces, addresses and routes: everything is known before anything exists."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping

import attrs

from panther_env_netns.topology import Graph

_IPV4 = int(ipaddress.ip_address("10.0.0.0"))
_IPV6 = int(ipaddress.ip_address("fd00::"))
_NATS = range(240, 248)


@attrs.frozen(kw_only=True)
class Interface:
    """One end of a node in a network segment."""

    node: str
    name: str
    segment: int
    number: int
    """Its number in the segment, from 1; the end of its addresses."""

    @property
    def ip(self) -> str:
        """The IPv4 address: 10.SEGMENT.0.NUMBER."""
        return str(ipaddress.ip_address(_IPV4 + (self.segment << 16) + self.number))

    @property
    def ip6(self) -> str:
        """The IPv6 address: fd00:0:0:SEGMENT::NUMBER."""
        return str(ipaddress.ip_address(_IPV6 + (self.segment << 64) + self.number))

    @property
    def aliases(self) -> tuple[str, ...]:
        """IPv4 addresses that nobody has: 10.SEGMENT.K.NUMBER, for a NAT in front of the node."""
        return tuple(
            str(ipaddress.ip_address(_IPV4 + (self.segment << 16) + (each << 8) + self.number)) for each in _NATS
        )

    @property
    def aliases6(self) -> tuple[str, ...]:
        """IPv6 addresses that nobody has: fd00:0:0:SEGMENT:K::NUMBER."""
        return tuple(
            str(ipaddress.ip_address(_IPV6 + (self.segment << 64) + (each << 48) + self.number)) for each in _NATS
        )

    @property
    def port(self) -> str:
        """The name of the other end, where that is in the fabric."""
        return f"s{self.segment}p{self.number}"

    @property
    def mac(self) -> str:
        """The hardware address, which tells segment and number too."""
        return f"02:00:00:{self.segment:02x}:{self.number >> 8:02x}:{self.number & 255:02x}"


@attrs.frozen
class Route:
    """A way to a part of the network, as it is written for IPv4 and for IPv6, and the next hop."""

    target: tuple[str, str]
    via: Interface

    @property
    def lines(self) -> tuple[str, str]:
        """The route for IPv4 and for IPv6 as ``ip`` takes it."""
        return f"route add {self.target[0]} via {self.via.ip}", f"route add {self.target[1]} via {self.via.ip6}"


_EVERYWHERE = ("default", "::/0")


def _whole(segment: int) -> tuple[str, str]:
    return f"10.{segment}.0.0/16", f"{ipaddress.ip_address(_IPV6 + (segment << 64))}/64"


@attrs.frozen(kw_only=True)
class Node:
    """A namespace: a service's or a router's."""

    name: str
    interfaces: tuple[Interface, ...]
    routes: tuple[Route, ...]
    forwards: bool


@attrs.frozen(kw_only=True)
class Layout:
    """All namespaces, and which interfaces share a segment."""

    services: tuple[str, ...]
    nodes: Mapping[str, Node]
    segments: tuple[tuple[Interface, ...], ...]


def layout_of(graph: Graph) -> Layout:
    """Give every interface of the graph its addresses, and every node its routes."""
    segments = _segments(graph)
    interfaces: dict[str, list[Interface]] = {name: [] for name in (*graph.services, *graph.routers)}
    for number, members in enumerate(segments):
        for at, name in enumerate(members, 1):
            own = interfaces[name]
            own.append(Interface(node=name, name=f"eth{len(own)}", segment=number, number=at))
    placed = tuple(
        tuple(each for name in dict.fromkeys(members) for each in interfaces[name] if each.segment == number)
        for number, members in enumerate(segments)
    )
    forwarders = {*graph.routers, *(graph.services if graph.transit else ())}
    passing = {name for name in forwarders if len(interfaces[name]) > 1}
    routing = _Routing(interfaces, placed, passing)
    nodes = {
        name: Node(name=name, interfaces=tuple(own), routes=tuple(routing.of(name)), forwards=name in passing)
        for name, own in interfaces.items()
    }
    return Layout(services=graph.services, nodes=nodes, segments=placed)


def _segments(graph: Graph) -> list[list[str]]:
    """Return the members of each segment: switches that touch are one, a connection without a switch is its own."""
    neighbours = graph.neighbours()
    found: dict[frozenset[str], list[str]] = {}
    direct: list[list[str]] = []
    for one, other in graph.edges:
        switch = next((each for each in (one, other) if each in graph.switches), None)
        if switch is None:
            direct.append([one, other])
            continue
        joined = _touching(switch, neighbours, set(graph.switches))
        members = found.setdefault(joined, [])
        members += [each for each in (one, other) if each not in graph.switches]
    return [*found.values(), *direct]


def _touching(switch: str, neighbours: Mapping[str, set[str]], switches: set[str]) -> frozenset[str]:
    reached, waiting = {switch}, [switch]
    for name in waiting:
        new = (neighbours[name] & switches) - reached
        reached |= new
        waiting += new
    return frozenset(reached)


@attrs.frozen
class _Routing:
    """Shortest ways through the nodes that forward."""

    interfaces: Mapping[str, list[Interface]]
    segments: tuple[tuple[Interface, ...], ...]
    forwarders: set[str]

    def of(self, name: str) -> Iterator[Route]:
        """Yield the routes of one node: a default one where there is a single way out."""
        ways, own = self._ways(name), self.interfaces[name]
        gateways = {way.ip: way for way in ways.values()}
        if len(gateways) == 1 and len(own) == 1:
            yield Route(_EVERYWHERE, next(iter(gateways.values())))
            return
        for segment, via in ways.items():
            yield Route(_whole(segment), via)
        near = {each.segment for each in own}
        for other, ends in self.interfaces.items():
            hidden = [each for each in ends if each.segment not in near and each.segment not in ways]
            entry = next((each for each in ends if each.segment in near or each.segment in ways), None)
            if entry is not None and other != name:
                # Nobody forwards to that segment, but its owner can be had on another one.
                via = ways.get(entry.segment, entry)
                yield from (Route((each.ip, each.ip6), via) for each in hidden)

    def _ways(self, name: str) -> dict[int, Interface]:
        """Return the next hop to every segment that the node is not part of, nearest first."""
        known: dict[int, Interface | None] = {each.segment: None for each in self.interfaces[name]}
        waiting = list(known)
        for segment in waiting:
            for gate in self.segments[segment]:
                if gate.node not in self.forwarders or gate.node == name:
                    continue
                for beyond in self.interfaces[gate.node]:
                    if beyond.segment not in known:
                        known[beyond.segment] = known[segment] or gate
                        waiting.append(beyond.segment)
        return {segment: via for segment, via in known.items() if via is not None}
