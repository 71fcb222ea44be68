"""Turns the recordings of the simulator into the format in which every recording of PANTHER is."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path

_HEAD, _PACKET = struct.Struct("=IHHiIII"), struct.Struct("=IIII")
_UNITS = {0xA1B2C3D4: (6, 1_000_000), 0xA1B23C4D: (9, 1_000_000_000)}
"""By the number with which a recording begins: digits of its time stamps, and how many of them make a second."""
_SECTION, _INTERFACE, _ENHANCED = 0x0A0D0D0A, 1, 6
_RESOLUTION = 9


def convert(source: Path, target: Path) -> None:
    """Write a recording anew."""
    data = source.read_bytes()
    magic, _, _, _, _, length, link = _HEAD.unpack_from(data)
    digits, unit = _UNITS[magic]
    section = struct.pack("=IHHq", 0x1A2B3C4D, 1, 0, -1)
    interface = struct.pack("=HHI", link & 0xFFFF, 0, length) + struct.pack("=HHB3xHH", _RESOLUTION, 1, digits, 0, 0)
    blocks = [_block(_SECTION, section), _block(_INTERFACE, interface), *_packets(data, unit)]
    target.write_bytes(b"".join(blocks))


def _packets(data: bytes, unit: int) -> Iterator[bytes]:
    at = _HEAD.size
    while at + _PACKET.size <= len(data):
        seconds, part, kept, whole = _PACKET.unpack_from(data, at)
        at += _PACKET.size
        time = seconds * unit + part
        body = struct.pack("=IIIII", 0, time >> 32, time & 0xFFFFFFFF, kept, whole) + data[at : at + kept]
        yield _block(_ENHANCED, body)
        at += kept


def _block(kind: int, body: bytes) -> bytes:
    padded = body + bytes(-len(body) % 4)
    length = struct.pack("=I", len(padded) + 12)
    return struct.pack("=I", kind) + length + padded + length
