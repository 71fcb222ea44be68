"""Topologies: what a user may write, what it means, and that every node finds its way to every other."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping

import pytest
from panther_env_netns.layout import Layout, layout_of
from panther_env_netns.topology import Topology, graph_of, problems_of


def layout(topology: Topology, *services: str) -> Layout:
    assert [str(each) for each in problems_of(topology, services)] == []
    return layout_of(graph_of(topology, services))


def way(made: Layout, source: str, target: str, family: int) -> list[str]:
    """Return the nodes that a packet passes, as the routes say."""
    goal = made.nodes[target].interfaces[0]
    address = ipaddress.ip_address(goal.ip if family == 4 else goal.ip6)
    passed, here = [source], source
    while here != target:
        here = hop(made, here, address)
        assert here not in passed, f"in circles: {passed} {here}"
        passed.append(here)
    return passed


def hop(made: Layout, here: str, address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> str:
    at = 0 if address.version == 4 else 1
    length = (16, 64)[at]
    for own in made.nodes[here].interfaces:
        for other in made.segments[own.segment]:
            if address == ipaddress.ip_address((other.ip, other.ip6)[at]):
                return other.node
        local = ipaddress.ip_network(f"{(own.ip, own.ip6)[at]}/{length}", strict=False)
        assert address not in local, f"{address} should be on the segment of {own}"
    table = [route.lines[at].split() for route in made.nodes[here].routes]
    fitting = {
        words[2]: words[4]
        for words in table
        if words[2] in ("default", "::/0") or address in ipaddress.ip_network(words[2])
    }
    assert fitting, f"{here} has no way to {address}"
    exact = [gateway for target, gateway in fitting.items() if target == str(address)]
    gateway = exact[0] if exact else next(iter(fitting.values()))
    owners = {(each.ip, each.ip6)[at]: each.node for segment in made.segments for each in segment}
    node = owners[gateway]
    assert made.nodes[node].forwards or owners[str(address)] == node, f"{node} forwards nothing"
    return node


def ways(made: Layout) -> Mapping[tuple[str, str], list[str]]:
    found = {}
    for source in made.services:
        for target in made.services:
            if source != target:
                found[source, target] = way(made, source, target, 4)
                assert way(made, source, target, 6) == found[source, target]
    return found


def test_by_default_everybody_is_on_one_switch() -> None:
    made = layout(Topology(), "a", "b", "c")
    assert [[each.node for each in segment] for segment in made.segments] == [["a", "b", "c"]]
    assert [made.nodes[name].interfaces[0].ip for name in "abc"] == ["10.0.0.1", "10.0.0.2", "10.0.0.3"]
    assert [made.nodes[name].interfaces[0].ip6 for name in "abc"] == ["fd00::1", "fd00::2", "fd00::3"]
    assert not any(made.nodes[name].routes or made.nodes[name].forwards for name in "abc")


def test_a_service_may_be_called_like_the_switch() -> None:
    assert len(layout(Topology(), "switch", "switch0", "a").segments[0]) == 3


def test_a_lonely_service_has_an_address() -> None:
    assert layout(Topology(), "a").nodes["a"].interfaces[0].ip == "10.0.0.1"


def test_in_a_line_those_between_forward() -> None:
    made = layout(Topology(shape="line"), "a", "b", "c", "d")
    assert ways(made)["a", "d"] == ["a", "b", "c", "d"]
    assert [made.nodes[name].forwards for name in "abcd"] == [False, True, True, False]


def test_routers_and_switches_join_what_is_written() -> None:
    made = layout(
        Topology(
            connections=("a-r1", "r1-r2", "r2-s1", "s1-s2", "s2-b", "s1-c"), routers=("r1", "r2"), switches=("s1", "s2")
        ),
        "a",
        "b",
        "c",
    )
    assert ways(made)["a", "b"] == ["a", "r1", "r2", "b"]
    assert ways(made)["b", "c"] == ["b", "c"]
    assert len(made.segments) == 3


def test_the_shortest_way_is_taken() -> None:
    ring = Topology(connections=("a-r1", "r1-r2", "r2-r3", "r3-r4", "r4-r1", "r2-b"), routers=("r1", "r2", "r3", "r4"))
    assert ways(layout(ring, "a", "b"))["a", "b"] == ["a", "r1", "r2", "b"]


def test_a_service_with_two_connections_is_reached_over_both_sides() -> None:
    made = layout(Topology(connections=("a-r", "a-b", "r-b", "r-c"), routers=("r",)), "a", "b", "c")
    assert [len(made.nodes[name].interfaces) for name in "abc"] == [2, 2, 1]
    found = ways(made)
    assert found["a", "c"] == ["a", "r", "c"]
    assert found["c", "b"] == ["c", "r", "b"]


def test_a_ring_of_services_needs_no_router() -> None:
    assert len(ways(layout(Topology(connections=("a-b", "b-c", "c-a")), "a", "b", "c"))) == 6


def test_a_long_line_has_addresses_that_are_all_different() -> None:
    names = [f"n{number}" for number in range(60)]
    made = layout(Topology(shape="line"), *names)
    ends = [each for segment in made.segments for each in segment]
    for kind in ("ip", "ip6", "mac", "port"):
        assert len({getattr(each, kind) for each in ends}) == len(ends) == 118
    assert len(way(made, "n0", "n59", 4)) == 60
    assert all(len(each.port) < 16 for each in ends)


def test_names_with_dashes_are_understood() -> None:
    made = layout(Topology(connections=("a-b-r-1", "r-1-c"), routers=("r-1",)), "a-b", "c")
    assert ways(made)["a-b", "c"] == ["a-b", "r-1", "c"]


@pytest.mark.parametrize(
    ("topology", "said"),
    [
        (Topology(routers=("r",)), "routers need connections"),
        (Topology(shape="line", switches=("s",)), "switches need connections"),
        (Topology(shape="line", connections=("a-b",)), "a shape or connections, not both"),
        (Topology(connections=("a-b", "a-x")), "'a-x' does not join two nodes\n"),
        (Topology(connections=("a-b", "ab")), "'ab' does not join two nodes\n"),
        (Topology(connections=("a-b", "b-b")), "joins a node to itself"),
        (Topology(connections=("a-b", "b-a")), "is there twice"),
        (Topology(connections=("a-b", "a-b-r"), routers=("b-r", "a-b", "r")), "can be read in several ways"),
        (Topology(connections=("a-r", "r-b"), routers=("r", "b")), "two nodes are called 'b'"),
        (Topology(connections=("a-r",), routers=("r",)), "'b' has no connection"),
        (Topology(connections=("a-r", "b-q"), routers=("r", "q")), "no way leads from a to b"),
    ],
)
def test_what_makes_no_sense_is_refused_and_quoted(topology: Topology, said: str) -> None:
    problems = [str(each) for each in problems_of(topology, ("a", "b"))]
    assert any(said in each for each in problems), problems
    assert all("in network_environment.network_topology" in each for each in problems)


def test_services_do_not_forward_for_others_unless_they_stand_in_a_line() -> None:
    (problem,) = problems_of(Topology(connections=("a-b", "b-c")), ("a", "b", "c"))
    assert "no way leads from a to c" in str(problem)
    assert "a router between them" in str(problem)
