"""The NAT of the relay: when it forgets, what packets look like before and after, and that checksums stay right."""

from __future__ import annotations

import socket
import struct
from typing import Any

import pytest
from panther_link_relay.nat import CHECKSUM, UDP, Nat, Schedule

ONCE = {"first": 1.0, "every": 0.0, "address": False}
OWN, PEER = ("10.0.0.1", 40000), ("10.0.0.2", 4433)
OWN6, PEER6 = ("fd00::1", 40000), ("fd00::2", 4433)


def summed(data: bytes) -> int:
    total: int = sum(struct.unpack(f"!{(len(data) + 1) // 2}H", data + bytes(len(data) % 2)))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total


def packet(source: tuple[str, int], target: tuple[str, int], protocol: int = UDP, data: bytes = b"hello") -> bytes:
    """Return a frame as a host would send it, all its checksums right."""
    six = ":" in source[0]
    family = socket.AF_INET6 if six else socket.AF_INET
    ends = socket.inet_pton(family, source[0]) + socket.inet_pton(family, target[0])
    ports = struct.pack("!HH", source[1], target[1])
    rest = struct.pack("!HH", 8 + len(data), 0) if protocol == UDP else struct.pack("!IIHHHH", 1, 2, 0x5010, 999, 0, 0)
    inside = bytearray(ports + rest + data)
    at = CHECKSUM[protocol]
    inside[at : at + 2] = struct.pack("!H", ~summed(ends + struct.pack("!II", len(inside), protocol) + inside) & 0xFFFF)
    if six:
        return bytes(12) + b"\x86\xdd" + struct.pack("!IHBB", 6 << 28, len(inside), protocol, 64) + ends + inside
    header = bytearray(struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(inside), 7, 0, 64, protocol, 0) + ends)
    header[10:12] = struct.pack("!H", ~summed(bytes(header)) & 0xFFFF)
    return bytes(12) + b"\x08\x00" + bytes(header) + bytes(inside)


def is_right(frame: bytes) -> bool:
    """Return whether every checksum of a frame is right."""
    six = frame[12:14] == b"\x86\xdd"
    protocol, ends, inside = (frame[20], frame[22:54], frame[54:]) if six else (frame[23], frame[26:34], frame[34:])
    header = six or summed(frame[14:34]) == 0xFFFF
    return header and summed(ends + struct.pack("!II", len(inside), protocol) + inside) == 0xFFFF


def ends_of(frame: bytes) -> tuple[tuple[str, int], tuple[str, int]]:
    at, size, family = (22, 16, socket.AF_INET6) if frame[12:14] == b"\x86\xdd" else (26, 4, socket.AF_INET)
    source, target = (socket.inet_ntop(family, frame[at + n * size : at + (n + 1) * size]) for n in (0, 1))
    ports = struct.unpack_from("!HH", frame, at + 2 * size)
    return (source, ports[0]), (target, ports[1])


def nat(rebind: Any = ONCE, seed: str = "7") -> Nat:
    return Nat(Schedule(rebind), {"10.0.0.1": ["10.0.240.1", "10.0.241.1"], "fd00::1": ["fd00::240:0:0:1"]}, seed)


@pytest.mark.parametrize("protocol", sorted(CHECKSUM))
@pytest.mark.parametrize(("own", "peer"), [(OWN, PEER), (OWN6, PEER6)])
@pytest.mark.parametrize("address", [False, True])
def test_after_it_has_forgotten_packets_come_from_elsewhere_and_answers_come_back(
    own: Any, peer: Any, protocol: int, address: bool
) -> None:
    one = nat({**ONCE, "address": address})
    frame = packet(own, peer, protocol)
    assert one.outgoing(frame, 50.0) == frame, "nothing is changed before"
    seen = one.outgoing(frame, 51.0)
    (host, port), target = ends_of(seen)
    assert target == peer
    assert (host != own[0]) is address
    assert port != own[1]
    assert is_right(frame)
    assert is_right(seen)
    answered = one.incoming(packet(peer, (host, port), protocol))
    assert answered == packet(peer, own, protocol)
    assert one.outgoing(frame, 52.0) == seen, "it forgets once"


def test_an_answer_to_a_place_that_is_forgotten_is_lost_but_not_before_a_new_one_is_known() -> None:
    one = nat({**ONCE, "every": 1.0})
    frame, answer = packet(OWN, PEER), packet(PEER, OWN)
    one.outgoing(frame, 0.0)
    assert one.incoming(answer) == answer
    first = ends_of(one.outgoing(frame, 1.5))[0]
    assert one.incoming(answer) is None
    assert one.incoming(packet(PEER, first)) == answer
    second = ends_of(one.outgoing(frame, 2.5))[0]
    assert one.incoming(packet(PEER, first)) is None
    assert one.incoming(packet(PEER, second)) == answer
    assert one.schedule.seen == 2


def test_the_same_seed_gives_the_same_ports() -> None:
    found = []
    for seed in ("7", "7", "8"):
        one = nat(seed=seed)
        one.outgoing(packet(OWN, PEER), 0.0)
        found.append(one.outgoing(packet(OWN, PEER), 2.0))
    assert found[0] == found[1] != found[2]


def test_it_forgets_when_it_is_told_to() -> None:
    one = nat(None)
    frame = packet(OWN, PEER)
    assert one.outgoing(frame, 0.0) == frame
    one.schedule.told += 1
    assert ends_of(one.outgoing(frame, 0.1))[0][1] != OWN[1]


def test_a_packet_without_ports_is_left_alone() -> None:
    one = nat()
    icmp = bytearray(packet(OWN, PEER))
    icmp[23] = 1
    one.outgoing(packet(OWN, PEER), 0.0)
    frame = bytes(icmp)
    assert one.outgoing(frame, 5.0) == frame
    assert one.incoming(frame) == frame
