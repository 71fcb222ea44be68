"""The relay: what it does to each packet, what it is told, and that everything follows from the seed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from panther_link_relay.mechanism import set_up
from panther_link_relay.relay import QUEUE_SECONDS, Pipe

from panther_hookspecs import LinkFlow, LinkPort, LinkSpec, LinkTask, Seconds

FRAME = bytes(range(100)) * 15
NO_WAIT = {"delay": 0.0, "jitter": 0.0, "loss": 0.0, "reorder": 0.0, "duplicate": 0.0, "corrupt": 0.0, "rate": 0.0}


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


def test_the_relay_is_told_ports_and_pipes(tmp_path: Path) -> None:
    ports = tuple(
        LinkPort(node=name, interface="eth0", peer=f"s0p{at}", mac=f"02::{at}") for at, name in enumerate("ab")
    )
    spec = LinkSpec(delay=Seconds(0.02))
    flow = LinkFlow(link="a-b", name="b->a", spec=spec, port=ports[1], pairs=(("10.0.0.2", "10.0.0.1"),))
    setup = set_up(LinkTask(name="0", ports=ports, flows=(flow,), seed=7, folder=tmp_path))
    told = json.loads(Path(setup.switch[-1]).read_text())
    assert told["seed"] == 7
    assert [each["interface"] for each in told["ports"]] == ["s0p0", "s0p1"]
    assert told["pipes"] == [{**NO_WAIT, "name": "b->a", "port": 1, "pairs": [["10.0.0.2", "10.0.0.1"]], "delay": 0.02}]
    assert told["report"] == str(setup.report)
    assert not setup.tc


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
