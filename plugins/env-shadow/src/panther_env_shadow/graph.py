"""From links to a graph in GML: which host is at which node, and what lies between nodes. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise

import attrs

from panther_env_shadow.options import ShadowSettings, Topology
from panther_hookspecs import LinkSpec, Problem, link_between

_TOPOLOGY = "network_environment.network_topology"
_NOTHING = LinkSpec()


@attrs.frozen(kw_only=True)
class Node:
    """A place in the network; hosts that are alike share one."""

    up: float
    """Bits a second that each of its hosts can send, and receive."""
    down: float
    services: tuple[str, ...]


@attrs.frozen(kw_only=True)
class Edge:
    """One direction between two nodes, or between the hosts of one node."""

    source: int
    target: int
    latency: float
    loss: float = 0.0


@attrs.frozen(kw_only=True)
class Graph:
    """The network as Shadow takes it: every node has an edge to every node, itself too."""

    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]

    def node_of(self, service: str) -> int:
        """Return the number of the node that a service is at."""
        return next(number for number, each in enumerate(self.nodes) if service in each.services)

    def gml(self) -> str:
        """Return the graph as text; the parser of Shadow wants every key on a line of its own."""
        lines = ["graph [", "  directed 1"]
        for number, node in enumerate(self.nodes):
            rates = {"host_bandwidth_up": node.up, "host_bandwidth_down": node.down}
            lines += ["  node [", f"    id {number}", f'    label "{" ".join(node.services[:3])}"']
            lines += [*(f'    {key} "{_eighths(rate)} bit"' for key, rate in rates.items()), "  ]"]
        for edge in self.edges:
            lines += ["  edge [", f"    source {edge.source}", f"    target {edge.target}"]
            lines += [f'    latency "{round(edge.latency * 1e9)} ns"', f"    packet_loss {edge.loss:.9f}", "  ]"]
        return "\n".join([*lines, "]", ""])


def _eighths(rate: float) -> int:
    """Return a rate that is a whole number of bytes a second, as Shadow wants it."""
    return max(8, round(rate / 8) * 8)


def graph_of(
    services: Sequence[str], links: Mapping[str, LinkSpec], topology: Topology, settings: ShadowSettings
) -> Graph:
    """Return the graph that links and topology mean; :func:`problems_of` must have had nothing to say."""
    rates = _rates(services, links)
    plain = topology == Topology()
    groups = _groups(services, links) if plain else [(each,) for each in services]
    hops = distances(services, topology)
    nodes = []
    for group in groups:
        up, down = rates[group[0]]
        nodes.append(Node(up=up or settings.bandwidth, down=down or settings.bandwidth, services=group))
    edges = []
    for source, one in enumerate(groups):
        for target, other in enumerate(groups):
            sender, receiver = one[0], other[-1]
            spec = _spec(links, sender, receiver) if sender != receiver else _NOTHING
            far = 1 if plain else hops.get((sender, receiver), 1)
            edges.append(
                Edge(source=source, target=target, latency=spec.delay or settings.latency * far, loss=spec.loss)
            )
    return Graph(nodes=tuple(nodes), edges=tuple(edges))


def _spec(links: Mapping[str, LinkSpec], sender: str, receiver: str) -> LinkSpec:
    return link_between(links, sender, receiver)[1]


def _groups(services: Sequence[str], links: Mapping[str, LinkSpec]) -> list[tuple[str, ...]]:
    """Return services that no link names together, and every other one alone: a hundred alike make no 10,000 edges."""
    named = {
        each
        for each in services
        for other in services
        if each != other
        and {f"{each}-{other}", f"{other}-{each}", f"{each}->{other}", f"{other}->{each}"} & links.keys()
    }
    others = tuple(each for each in services if each not in named)
    return [*([others] if others else []), *((each,) for each in services if each in named)]


def _rates(services: Sequence[str], links: Mapping[str, LinkSpec]) -> dict[str, tuple[float, float]]:
    """Return what each host may send and receive, 0 for as much as it likes: as much as its widest link."""
    if not any(each.rate for each in links.values()):
        return dict.fromkeys(services, (0.0, 0.0))
    between = {(a, b): _spec(links, a, b).rate for a in services for b in services if a != b}
    return {
        each: (
            _widest([rate for (a, _), rate in between.items() if a == each]),
            _widest([rate for (_, b), rate in between.items() if b == each]),
        )
        for each in services
    }


def _widest(rates: Sequence[float]) -> float:
    return 0.0 if not rates or not all(rates) else max(rates)


def problems_of(
    services: Sequence[str], links: Mapping[str, LinkSpec], topology: Topology, settings: ShadowSettings
) -> Iterator[Problem]:
    """Yield what no graph can be made of."""
    if settings.graph:
        yield from _own_graph(services, links, settings)
        return
    wrong = list(_wrong_connections(services, topology))
    yield from wrong
    reached = distances(services, topology)
    for one, other in pairwise(services) if not wrong else ():
        if (one, other) not in reached:
            yield Problem(what=f"no way leads from {one} to {other}", where=f"{_TOPOLOGY}.connections")
    rates = _rates(services, links)
    for a in services:
        for b in services:
            wanted = _spec(links, a, b).rate if a != b else 0
            up, down = rates[a][0], rates[b][1]
            if a != b and min(filter(None, (up, down)), default=0) != wanted:
                yield Problem(
                    what=f"the link {a}->{b} cannot have a rate of its own",
                    where="links",
                    why="Shadow limits what a host sends and receives, not what crosses a link",
                    fix=f"the same rate on every link that leaves {a}",
                )
                return


def _own_graph(services: Sequence[str], links: Mapping[str, LinkSpec], settings: ShadowSettings) -> Iterator[Problem]:
    if any(each.used() for each in links.values()):
        yield Problem(what="links and a graph of one's own exclude each other", where="links", fix="edges of the graph")
    for each in services:
        if settings.hosts.get(each) is None or settings.hosts[each].node is None:
            yield Problem(
                what=f"nobody knows at which node of {settings.graph} {each} is",
                where="network_environment.shadow.hosts",
                fix=f"hosts: {{{each}: {{node: 0}}}}",
            )


def _ends(text: str, nodes: Sequence[str]) -> list[tuple[str, str]]:
    """Return every way to read ``a-b`` as two nodes, whose names may have a dash as well."""
    parts = text.split("-")
    pairs = (("-".join(parts[:at]), "-".join(parts[at:])) for at in range(1, len(parts)))
    return [(one, other) for one, other in pairs if one in nodes and other in nodes and one != other]


def _wrong_connections(services: Sequence[str], topology: Topology) -> Iterator[Problem]:
    nodes = (*services, *topology.routers)
    if topology.routers and not topology.connections:
        yield Problem(what="routers need connections", where=f"{_TOPOLOGY}.routers", fix="connections: [a-r1, r1-b]")
    if topology.connections and topology.shape != "star":
        yield Problem(what="a topology has a shape or connections, not both", where=f"{_TOPOLOGY}.shape")
    for text in topology.connections:
        if len(_ends(text, nodes)) != 1:
            yield Problem(
                what=f"the connection {text!r} does not join two nodes",
                where=f"{_TOPOLOGY}.connections",
                fix=f"a-b with {', '.join(nodes)}",
            )


def distances(services: Sequence[str], topology: Topology) -> dict[tuple[str, str], int]:
    """Return the hops between any two services that are joined at all."""
    if topology.connections:
        nodes = (*services, *topology.routers)
        joined = [ends for text in topology.connections for ends in _ends(text, nodes)[:1]]
    elif topology.shape == "line":
        joined = list(pairwise(services))
    else:
        return {(a, b): 1 for a in services for b in services if a != b}
    near: dict[str, set[str]] = {}
    for one, other in joined:
        near.setdefault(one, set()).add(other)
        near.setdefault(other, set()).add(one)
    found = {}
    for start in services:
        seen, front, steps = {start}, {start}, 0
        while front:
            steps += 1
            front = {each for at in front for each in near.get(at, ())} - seen
            seen |= front
            found.update({(start, each): steps for each in front if each in services})
    return found
