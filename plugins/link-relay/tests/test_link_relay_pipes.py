"""The relay: what it does to each packet, what it is told, and that everything follows from the seed."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import pytest
from panther_link_relay.mechanism import set_up
from panther_link_relay.pipe import QUEUE_SECONDS, Clock, Pipe

from panther_hookspecs import LinkFlow, LinkPort, LinkSpec, LinkState, LinkTask, Seconds, plain_state

FRAME = bytes(range(100)) * 15
NOTHING = plain_state(LinkState())


def pipe(seed: int = 7, **spec: Any) -> Pipe:
    return Pipe({"name": "a->b", **NOTHING, **spec}, seed)


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
    (one,) = told["pipes"]
    assert (one["name"], one["link"], one["port"], one["pairs"]) == ("b->a", "a-b", 1, [["10.0.0.2", "10.0.0.1"]])
    assert one["delay"] == 0.02
    assert not one["loss"]
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


def numbers(one: Pipe) -> list[int]:
    return [int.from_bytes(frame[:4], "big") for _, frame in passed(one)]


def test_a_queue_holds_as_many_packets_as_it_was_given() -> None:
    one = pipe(rate=12e6, queue=25)
    for _ in range(100):
        one.take(FRAME, 0.0, 0)
    assert (len(passed(one)), one.dropped) == (26, 74), "one on the wire, 25 behind it"
    one.take(FRAME, 0.0105, 0)
    assert one.dropped == 74, "ten have left"


def test_what_chance_does_to_a_packet_does_not_depend_on_the_clock() -> None:
    slow, fast = pipe(rate=4e5, loss=0.1, corrupt=0.2), pipe(rate=1e9, loss=0.1, corrupt=0.2)
    for each in (slow, fast):
        numbered(each, 400)
    assert slow.dropped
    assert not fast.dropped
    assert set(passed_frames(slow)) < set(passed_frames(fast))


def passed_frames(one: Pipe) -> list[bytes]:
    return [frame for _, frame in passed(one)]


def test_no_more_packets_in_a_row_are_hit_than_burst_allows() -> None:
    one, free = pipe(loss=0.5, burst=2), pipe(loss=0.5)
    for each in (one, free):
        numbered(each, 2000)
    gaps = [b - a - 1 for a, b in itertools.pairwise(numbers(one))]
    assert max(gaps) == 2
    assert max(b - a - 1 for a, b in itertools.pairwise(numbers(free))) > 2


def test_packets_are_dropped_by_their_number_from_one() -> None:
    one = pipe(drop=[[2, 4], [7, 7]])
    numbered(one, 10)
    assert numbers(one) == [0, 4, 5, 7, 8, 9]
    assert one.swallowed == 4


def test_a_link_that_works_on_and_off_runs_by_its_first_packet_in_either_direction() -> None:
    clock = Clock()
    there, back = (
        Pipe({"name": name, **NOTHING, "blackhole": {"on": 0.5, "off": 0.25}}, 7, clock) for name in ("a->b", "b->a")
    )
    there.take(FRAME, 10.0, 0)
    for number in range(30):
        back.take(number.to_bytes(4, "big") * 25, 10.0 + number * 0.1, 0)
    assert numbers(back) == [n for n in range(30) if round(n * 0.1, 6) % 0.75 < 0.5]


def test_changes_take_effect_from_the_next_packet_on() -> None:
    one = pipe(delay=0.02)
    steps: dict[int, dict[str, Any]] = {
        2: {"do": "blackhole"},
        4: {"do": "heal"},
        5: {"do": "lose", "packets": 2},
        8: {"do": "set", "to": {**NOTHING, "delay": 0.05}},
        9: {"do": "partition"},
        10: {"do": "heal"},
    }
    for number in range(12):
        if number in steps:
            one.change(steps[number])
        one.take(number.to_bytes(4, "big") * 25, number * 0.001, 0)
        if number == 8:
            assert numbers(one) == [0, 1, 4, 7, 8]
            assert passed(one)[-1][0] == pytest.approx(0.058)
    assert numbers(one) == [10, 11], "a partition takes those under way as well"
    assert one.packets == 12
    assert one.swallowed == 10
