"""The layout of nodes and connections as a user writes it, and as a graph that was found to make sense."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence

import attrs

from panther_hookspecs import Problem, option

_WHERE = "network_environment.network_topology"
_SWITCH = "switch"
_MOST_SEGMENTS = 256


@attrs.frozen(kw_only=True)
class Topology:
    """What may stand below ``network_topology``."""

    shape: str = option(
        "star",
        help="star: all services on one switch. line: each service is joined to the next, and those between forward.",
        validator=attrs.validators.in_(("star", "line")),
    )
    connections: tuple[str, ...] = option((), help="Any other layout: the nodes that are joined, each as a-b.")
    routers: tuple[str, ...] = option((), help="Nodes of connections that forward packets and run no service.")
    switches: tuple[str, ...] = option((), help="Nodes of connections that join all their neighbours in one network.")


def topology_of(value: Topology | Mapping[str, Sequence[str]]) -> Topology:
    """Return a topology that was given as a mapping, as programs do."""
    return Topology(**value) if isinstance(value, Mapping) else value  # type: ignore[arg-type]


@attrs.frozen(kw_only=True)
class Graph:
    """Which node is joined to which."""

    services: tuple[str, ...]
    routers: tuple[str, ...] = ()
    switches: tuple[str, ...] = ()
    edges: tuple[tuple[str, str], ...] = ()
    transit: bool = False
    """Whether services forward packets as well."""

    def neighbours(self) -> dict[str, set[str]]:
        """Return every node with those that it is joined to."""
        found: dict[str, set[str]] = {each: set() for each in (*self.services, *self.routers, *self.switches)}
        for one, other in self.edges:
            found[one].add(other)
            found[other].add(one)
        return found


def graph_of(topology: Topology, services: Sequence[str]) -> Graph:
    """Return the graph that ``topology`` means for these services; connections that mean nothing are left out."""
    names = tuple(services)
    if topology.connections:
        nodes = (*names, *topology.routers, *topology.switches)
        edges = tuple(ends for text in topology.connections for ends in _readings(text, nodes)[:1])
        return Graph(services=names, routers=topology.routers, switches=topology.switches, edges=edges)
    if topology.shape == "line" and len(names) > 1:
        return Graph(services=names, edges=tuple(itertools.pairwise(names)), transit=True)
    switch = next(each for each in (_SWITCH, *(f"{_SWITCH}{n}" for n in range(len(names)))) if each not in names)
    return Graph(services=names, switches=(switch,), edges=tuple((name, switch) for name in names))


def _readings(text: str, nodes: Sequence[str]) -> list[tuple[str, str]]:
    """Return every way to read ``a-b`` as two nodes, whose names may have a dash as well."""
    parts = text.split("-")
    pairs = (("-".join(parts[:at]), "-".join(parts[at:])) for at in range(1, len(parts)))
    return [(one, other) for one, other in pairs if one in nodes and other in nodes]


def problems_of(topology: Topology, services: Sequence[str]) -> Iterator[Problem]:
    """Yield what is wrong with ``topology`` for these services."""
    if not topology.connections:
        for key in ("routers", "switches"):
            if getattr(topology, key):
                yield Problem(
                    what=f"{key} need connections",
                    where=f"{_WHERE}.{key}",
                    why=f"the shape {topology.shape} knows services only",
                    fix="connections: [client-r1, r1-server]",
                )
        return
    if topology.shape != "star":
        yield Problem(what="a topology has a shape or connections, not both", where=f"{_WHERE}.shape")
    yield from _wrong_names(topology, services)
    wrong = list(_wrong_connections(topology, services))
    yield from wrong
    if not wrong:
        yield from _unreachable(graph_of(topology, services))


def _wrong_names(topology: Topology, services: Sequence[str]) -> Iterator[Problem]:
    seen = set(services)
    for key in ("routers", "switches"):
        for name in getattr(topology, key):
            if name in seen:
                yield Problem(what=f"two nodes are called {name!r}", where=f"{_WHERE}.{key}", fix="another name")
            seen.add(name)


def _wrong_connections(topology: Topology, services: Sequence[str]) -> Iterator[Problem]:
    nodes = (*services, *topology.routers, *topology.switches)
    where = f"{_WHERE}.connections"
    seen: set[frozenset[str]] = set()
    for text in topology.connections:
        readings = _readings(text, nodes)
        if len(readings) != 1:
            what = "can be read in several ways" if readings else "does not join two nodes"
            yield Problem(what=f"the connection {text!r} {what}", where=where, fix=f"a-b with {', '.join(nodes)}")
        elif readings[0][0] == readings[0][1]:
            yield Problem(what=f"the connection {text!r} joins a node to itself", where=where)
        elif frozenset(readings[0]) in seen:
            yield Problem(what=f"the connection {text!r} is there twice", where=where, fix="one of them")
        seen.update(map(frozenset, readings))


def _unreachable(graph: Graph) -> Iterator[Problem]:
    """Yield a problem for every service that has no connection or cannot be reached from the first one."""
    neighbours = graph.neighbours()
    passing = {*graph.routers, *graph.switches}
    for name, joined in neighbours.items():
        if not joined:
            yield Problem(what=f"the node {name!r} has no connection", where=f"{_WHERE}.connections")
    first, *others = graph.services or ("",)
    reached, waiting = {first}, [first]
    for name in waiting:
        if name == first or name in passing:
            new = neighbours.get(name, set()) - reached
            reached |= new
            waiting += new
    for name in others:
        if name not in reached and neighbours[name]:
            yield Problem(
                what=f"no way leads from {first} to {name}",
                where=f"{_WHERE}.connections",
                why="services forward no packets in a layout of their own",
                fix="a router between them",
            )
    if len(graph.edges) > _MOST_SEGMENTS:
        yield Problem(
            what=f"{len(graph.edges)} connections are too many",
            where=f"{_WHERE}.connections",
            why="there are 256 networks to give away",
            fix="a switch where many nodes meet",
        )
