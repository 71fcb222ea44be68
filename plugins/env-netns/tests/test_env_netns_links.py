"""Links: which packets they are about, in which place, and which mechanism is chosen for them."""

from __future__ import annotations

import pytest
from panther_env_netns.layout import Layout, layout_of
from panther_env_netns.links import flows_of
from panther_env_netns.topology import Topology, graph_of

from panther_hookspecs import BitRate, LinkSpec, Seconds, Share, described_flows

SLOW = LinkSpec(delay=Seconds(0.02), loss=Share(0.01))
NARROW = LinkSpec(rate=BitRate(10e6))


def star(*services: str) -> Layout:
    return layout_of(graph_of(Topology(), services))


def test_a_link_has_two_directions_and_both_kinds_of_addresses() -> None:
    flows = flows_of({"a-b": SLOW}, star("a", "b", "c"), ipv6=True)
    there, back = flows[0]
    assert set(flows) == {0}
    assert (there.name, back.name) == ("a->b", "b->a")
    assert there.pairs == (("10.0.0.1", "10.0.0.2"), ("fd00::1", "fd00::2"))
    assert (back.port.node, back.port.interface, back.port.peer) == ("b", "eth0", "s0p2")


def test_the_link_for_all_gives_way_to_one_with_names() -> None:
    (flows,) = flows_of({"*": SLOW, "c-a": NARROW}, star("a", "b", "c"), ipv6=False).values()
    assert {flow.name: flow.link for flow in flows} == {
        "a->b": "*",
        "b->a": "*",
        "b->c": "*",
        "c->b": "*",
        "a->c": "c-a",
        "c->a": "c-a",
    }


def test_a_link_that_asks_for_nothing_is_no_flow() -> None:
    assert flows_of({"*": SLOW, "a-b": LinkSpec()}, star("a", "b"), ipv6=True) == {}


def test_packets_are_impaired_where_they_leave_their_sender() -> None:
    layout = layout_of(graph_of(Topology(shape="line"), ("a", "b", "c")))
    flows = flows_of({"a-b": SLOW}, layout, ipv6=False)
    assert {number: [flow.name for flow in own] for number, own in flows.items()} == {0: ["a->b", "b->a"], 1: ["b->a"]}


def test_links_are_described_the_way_they_are_written() -> None:
    (flows,) = flows_of({"a-b": SLOW, "*": NARROW}, star("a", "b", "c"), ipv6=False).values()
    assert described_flows(flows) == "a-b delay=20ms loss=1%; * rate=10Mbit"


def test_reordering_without_a_delay_makes_no_sense() -> None:
    with pytest.raises(ValueError, match="reorder needs a delay"):
        LinkSpec(reorder=Share(0.1))
