"""Links: which packets they are about, what carries them, and what the relay does to each packet."""

from __future__ import annotations

from typing import Any

import pytest
from panther_env_netns.layout import Layout, layout_of
from panther_env_netns.links import flows_of, mechanism_for, relay_spec, relayed_segments, tc_lines
from panther_env_netns.relay import QUEUE_SECONDS, Pipe
from panther_env_netns.topology import Topology, graph_of

from panther_hookspecs import BitRate, EnvironmentUnavailableError, LinkSpec, Seconds, Share

SLOW = LinkSpec(delay=Seconds(0.02), loss=Share(0.01))
NARROW = LinkSpec(rate=BitRate(10e6))
FRAME = bytes(range(100)) * 15
NO_WAIT = {"delay": 0.0, "jitter": 0.0, "loss": 0.0, "reorder": 0.0, "duplicate": 0.0, "corrupt": 0.0, "rate": 0.0}


def star(*services: str) -> Layout:
    return layout_of(graph_of(Topology(), services))


def pipe(seed: int = 7, **spec: Any) -> Pipe:
    return Pipe({"name": "a->b", **NO_WAIT, **spec}, seed)


def passed(one: Pipe) -> list[tuple[float, bytes]]:
    """Return what comes out, with its time, in the order in which it does."""
    return sorted(
        ((due, frame) for queue in (one.overtaking, one.delayed) for due, _, _, frame in queue),
        key=lambda each: each[0],
    )


def numbered(one: Pipe, count: int, gap: float = 0.001) -> None:
    for number in range(count):
        one.take(number.to_bytes(4, "big") * 25, number * gap, 0)


def test_a_link_has_two_directions_and_both_kinds_of_addresses() -> None:
    there, back = flows_of({"a-b": SLOW}, star("a", "b", "c"), ("a", "b", "c"), ipv6=True)
    assert (there.name, back.name) == ("a->b", "b->a")
    assert there.pairs == (("10.0.0.1", "10.0.0.2"), ("fd00::1", "fd00::2"))
    assert [each.node for each in back.interfaces] == ["b"]


def test_the_link_for_all_gives_way_to_one_with_names() -> None:
    found = flows_of({"*": SLOW, "c-a": NARROW}, star("a", "b", "c"), ("a", "b", "c"), ipv6=False)
    assert {flow.name: flow.link for flow in found} == {
        "a->b": "*",
        "b->a": "*",
        "b->c": "*",
        "c->b": "*",
        "a->c": "c-a",
        "c->a": "c-a",
    }


def test_a_link_that_asks_for_nothing_is_no_flow() -> None:
    assert flows_of({"*": SLOW, "a-b": LinkSpec()}, star("a", "b"), ("a", "b"), ipv6=True) == ()


def test_reordering_without_a_delay_is_refused() -> None:
    with pytest.raises(EnvironmentUnavailableError, match="the link a-b cannot reorder"):
        flows_of({"a-b": LinkSpec(reorder=Share(0.1))}, star("a", "b"), ("a", "b"), ipv6=True)


@pytest.mark.parametrize(
    ("spec", "wanted", "netem", "chosen"),
    [
        (NARROW, "auto", False, "htb"),
        (NARROW, "relay", True, "relay"),
        (SLOW, "auto", True, "netem"),
        (SLOW, "auto", False, "relay"),
        (SLOW, "kernel", True, "netem"),
    ],
)
def test_the_kernel_does_what_it_can(spec: LinkSpec, wanted: str, netem: bool, chosen: str) -> None:
    flows = flows_of({"*": spec}, star("a", "b"), ("a", "b"), ipv6=True)
    assert mechanism_for(flows, wanted, lambda: netem) == chosen


def test_a_kernel_that_cannot_is_named_when_nothing_else_is_wanted() -> None:
    flows = flows_of({"*": SLOW}, star("a", "b"), ("a", "b"), ipv6=True)
    with pytest.raises(EnvironmentUnavailableError, match="sch_netem"):
        mechanism_for(flows, "kernel", lambda: False)


def test_tc_puts_each_flow_into_a_class_of_its_own() -> None:
    layout = star("a", "b", "c")
    flows = flows_of({"a-b": NARROW, "a-c": LinkSpec(rate=BitRate(1e6))}, layout, ("a", "b", "c"), ipv6=True)
    lines = tc_lines(flows, netem=False)
    assert set(lines) == {"a", "b", "c"}
    assert lines["b"] == (
        "qdisc add dev eth0 root handle 1: htb",
        "class add dev eth0 parent 1: classid 1:1 htb rate 10000000bit quantum 1514",
        "qdisc add dev eth0 parent 1:1 handle 2: pfifo limit 82",
        (
            "filter add dev eth0 parent 1: protocol ip prio 1 u32 match ip src 10.0.0.2/32 match ip dst 10.0.0.1/32 "
            "flowid 1:1"
        ),
        (
            "filter add dev eth0 parent 1: protocol ipv6 prio 2 u32 match ip6 src fd00::2/128 match ip6 dst "
            "fd00::1/128 flowid 1:1"
        ),
    )
    assert sum("class add" in line for line in lines["a"]) == 2


def test_netem_is_told_every_value() -> None:
    spec = LinkSpec(
        delay=Seconds(0.02),
        jitter=Seconds(0.0005),
        loss=Share(0.015),
        reorder=Share(0.25),
        duplicate=Share(0.001),
        corrupt=Share(0.002),
    )
    flows = flows_of({"*": spec}, star("a", "b"), ("a", "b"), ipv6=False)
    leaf = tc_lines(flows, netem=True)["a"][2]
    assert leaf == (
        "qdisc add dev eth0 parent 1:1 handle 2: netem limit 100000 delay 20000us 500us loss 1.500000% "
        "duplicate 0.100000% corrupt 0.200000% reorder 25.000000%"
    )


def test_a_relay_stands_where_the_packets_leave() -> None:
    layout = layout_of(graph_of(Topology(shape="line"), ("a", "b", "c")))
    flows = flows_of({"a-b": SLOW}, layout, ("a", "b", "c"), ipv6=False)
    assert relayed_segments(flows) == {0, 1}
    spec: dict[str, Any] = relay_spec(layout.segments[0], flows, seed=1, report="r")
    assert [each["interface"] for each in spec["ports"]] == ["s0p1", "s0p2"]
    assert [(each["name"], each["port"]) for each in spec["pipes"]] == [("a->b", 0), ("b->a", 1)]


def test_the_same_seed_loses_the_same_packets() -> None:
    one, same, other = pipe(loss=0.2), pipe(loss=0.2), pipe(8, loss=0.2)
    for each in (one, same, other):
        numbered(each, 200)
    assert passed(one) == passed(same)
    assert passed(one) != passed(other)


@pytest.mark.parametrize("what", ["loss", "duplicate", "corrupt", "reorder"])
def test_shares_are_kept_over_many_packets(what: str) -> None:
    shares: dict[str, Any] = {what: 0.05}
    one = pipe(delay=0.02, **shares)
    numbered(one, 20_000)
    seen = {"loss": one.lost, "duplicate": one.duplicated, "corrupt": one.corrupted, "reorder": one.reordered}
    assert abs(seen.pop(what) / 20_000 - 0.05) < 0.005
    assert not any(seen.values())
    assert len(passed(one)) == 20_000 - one.lost + one.duplicated


def test_a_delay_moves_everything_by_the_same_time() -> None:
    one = pipe(delay=0.02)
    numbered(one, 5)
    assert [due for due, _ in passed(one)] == pytest.approx([0.02, 0.021, 0.022, 0.023, 0.024])


def test_jitter_stays_within_its_bounds_and_keeps_the_order() -> None:
    one = pipe(delay=0.02, jitter=0.005)
    numbered(one, 1000, gap=0.1)
    extra = [due - number * 0.1 for number, (due, _) in enumerate(passed(one))]
    assert 0.015 <= min(extra) < 0.016
    assert 0.024 < max(extra) <= 0.025
    crowded = pipe(delay=0.02, jitter=0.005)
    numbered(crowded, 1000, gap=0.0001)
    frames = [frame for _, frame in passed(crowded)]
    assert frames == sorted(frames)


def test_a_packet_that_overtakes_does_not_wait() -> None:
    one = pipe(delay=0.02, reorder=0.1)
    numbered(one, 100)
    assert one.overtaking
    assert all(due == pytest.approx(int.from_bytes(frame[:4], "big") * 0.001) for due, _, _, frame in one.overtaking)


def test_exactly_one_bit_is_turned_over_and_never_in_the_hardware_addresses() -> None:
    for seed in range(200):
        one = pipe(seed, corrupt=1.0)
        one.take(FRAME, 0.0, 0)
        ((_, frame),) = passed(one)
        different = [(a, b) for a, b in zip(FRAME, frame, strict=True) if a != b]
        assert len(different) == 1
        assert (different[0][0] ^ different[0][1]).bit_count() == 1
        assert frame[:14] == FRAME[:14]


def test_a_rate_spaces_packets_and_a_full_queue_drops() -> None:
    one = pipe(rate=12e6)
    for _ in range(200):
        one.take(FRAME, 0.0, 0)
    out = [due for due, _ in passed(one)]
    assert out == pytest.approx([0.001 * number for number in range(1, len(out) + 1)])
    assert len(out) == pytest.approx(QUEUE_SECONDS * 1000, abs=2)
    assert one.dropped == 200 - len(out)
