"""A NAT in front of one end of a link: it forgets now and then, and gives the same packets other addresses."""

from __future__ import annotations

import random
import struct
from collections.abc import Mapping, Sequence
from typing import Any

PORTS = (20_000, 60_000)
TCP, UDP = 6, 17
CHECKSUM = {TCP: 16, UDP: 6}
"""Where the checksum is, from the beginning of what is inside of the IP packet."""
Place = tuple[int, bytes, int]
"""Protocol, address and port."""


class Schedule:
    """When a NAT forgets: counted from its first packet, or because it is told to."""

    def __init__(self, rebind: Mapping[str, Any] | None) -> None:
        """Forget at the times of ``rebind``, or never by itself."""
        self.first: float = rebind["first"] if rebind else 0.0
        self.every: float = rebind["every"] if rebind else 0.0
        self.moves = bool(rebind and rebind["address"])
        self.start = -1.0
        self.told = self.seen = 0

    def times(self, now: float) -> int:
        """Return how often it has forgotten until ``now``."""
        if self.start < 0:
            self.start = now
        passed = now - self.start - self.first
        if not self.first or passed < 0:
            return self.told
        return self.told + 1 + (int(passed / self.every) if self.every else 0)


class Nat:
    """Changes where packets of the service behind it seem to come from, and where answers go.

    It stands at the far end of the link, so that a packet that is under way when it forgets has the new address
    already. The old one stays good until the first packet with the new one.
    """

    def __init__(self, schedule: Schedule, aliases: Mapping[str, Sequence[str]], seed: str) -> None:
        """Begin as if it were not there."""
        self.schedule = schedule
        self.aliases = {_packed(own): [_packed(each) for each in others] for own, others in aliases.items()}
        self.random = random.Random(f"{seed}:rebind")
        self.outside: dict[Place, tuple[int, Place]] = {}
        """Place of the service, to how often the NAT had forgotten and what it seems to be."""
        self.inside: dict[Place, Place] = {}
        self.dead: set[Place] = set()

    def outgoing(self, frame: bytes, now: float) -> bytes:
        """Return a frame of the service as the others see it."""
        own = _place(frame, source=True)
        forgotten = self.schedule.times(now)
        if own is None:
            return frame
        known, seems = self.outside.get(own, (0, own))
        if known < forgotten:
            self.dead.add(seems)
            self.inside.pop(seems, None)
            seems = self._another(own, forgotten)
            self.schedule.seen = max(self.schedule.seen, forgotten)
            self.inside[seems] = own
            self.dead.discard(seems)
        self.outside[own] = (forgotten, seems)
        return frame if seems == own else _rewritten(frame, seems, source=True)

    def incoming(self, frame: bytes) -> bytes | None:
        """Return an answer as the service has to get it, None where the NAT does not know whose it is any more."""
        seems = _place(frame, source=False)
        if seems is None:
            return frame
        if seems in self.inside:
            return _rewritten(frame, self.inside[seems], source=False)
        return None if seems in self.dead else frame

    def _another(self, own: Place, forgotten: int) -> Place:
        protocol, address, _ = own
        others = self.aliases.get(address, ()) if self.schedule.moves else ()
        if others:
            address = others[(forgotten - 1) % len(others)]
        while True:
            found = (protocol, address, self.random.randrange(*PORTS))
            if found not in self.inside and found not in self.dead and found not in self.outside:
                return found


def _packed(address: str) -> bytes:
    import socket  # noqa: PLC0415 - the only use

    return socket.inet_pton(socket.AF_INET6 if ":" in address else socket.AF_INET, address)


def _parts(frame: bytes) -> tuple[int, int, int, int] | None:
    """Return protocol, offsets of source address and of the ports, and length of an address; None without ports."""
    if frame[12:14] == b"\x08\x00":
        begins = 14 + (frame[14] & 15) * 4
        fragment = int.from_bytes(frame[20:22], "big") & 0x1FFF
        found = (frame[23], 26, begins, 4) if not fragment else None
    else:
        found = (frame[20], 22, 54, 16) if frame[12:14] == b"\x86\xdd" else None
    return found if found and found[0] in CHECKSUM and len(frame) >= found[2] + 8 else None


def _place(frame: bytes, *, source: bool) -> Place | None:
    parts = _parts(frame)
    if parts is None:
        return None
    protocol, address, ports, length = parts
    address += 0 if source else length
    ports += 0 if source else 2
    return protocol, frame[address : address + length], int.from_bytes(frame[ports : ports + 2], "big")


def _rewritten(frame: bytes, place: Place, *, source: bool) -> bytes:
    """Return the frame with another source or target, its checksums put right."""
    parts = _parts(frame)
    assert parts is not None  # it has a place
    protocol, address, ports, length = parts
    checksum = ports + CHECKSUM[protocol]
    address += 0 if source else length
    ports += 0 if source else 2
    changed = bytearray(frame)
    new_address, new_port = place[1], struct.pack("!H", place[2])
    old_address, old_port = frame[address : address + length], frame[ports : ports + 2]
    changed[address : address + length] = new_address
    changed[ports : ports + 2] = new_port
    if length == 4:  # noqa: PLR2004 - the header of IPv4 has a checksum of its own
        _correct(changed, 24, old_address, new_address)
    if protocol != UDP or frame[checksum : checksum + 2] != b"\0\0":
        _correct(changed, checksum, old_address + old_port, new_address + new_port)
        if protocol == UDP and changed[checksum : checksum + 2] == b"\0\0":
            changed[checksum : checksum + 2] = b"\xff\xff"
    return bytes(changed)


def _correct(packet: bytearray, at: int, old: bytes, new: bytes) -> None:
    """Put the checksum at ``at`` right after ``old`` was replaced by ``new`` (RFC 1624)."""
    words = f"!{len(old) // 2}H"
    total = ~int.from_bytes(packet[at : at + 2], "big") & 0xFFFF
    total += sum(~each & 0xFFFF for each in struct.unpack(words, old)) + sum(struct.unpack(words, new))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    packet[at : at + 2] = struct.pack("!H", ~total & 0xFFFF)
