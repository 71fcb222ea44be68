"""Reads packets out of pcap and pcapng files: as much of them as UDP and TCP payloads take."""

from __future__ import annotations

import ipaddress
import struct
from collections.abc import Iterator
from pathlib import Path

import attrs

ETHERNET, RAW, LOOPBACK, COOKED, COOKED2 = 1, 101, 0, 113, 276
_LINK_HEADERS = {ETHERNET: 14, LOOPBACK: 4, COOKED: 16, COOKED2: 20, RAW: 0, 12: 0, 14: 0}
_SECTION, _INTERFACE, _ENHANCED, _SIMPLE = 0x0A0D0D0A, 1, 6, 3
_TCP, _UDP = 6, 17
_VLAN = b"\x81\x00"
_FIN_OR_SYN, _SYN = 0x03, 0x02


class CaptureError(ValueError):
    """The file is no capture that can be read, or ends in the middle of a packet."""


@attrs.frozen(kw_only=True)
class Segment:
    """One packet with what it carries."""

    time: float
    transport: str
    source: tuple[str, int]
    target: tuple[str, int]
    payload: bytes
    sequence: int = 0
    """For TCP: the number of its first byte."""


def read_capture(path: Path) -> Iterator[Segment]:
    """Yield every UDP and TCP packet of a capture in order; CaptureError tells where it breaks off."""
    data = path.read_bytes()
    if data[:4] == b"\x0a\x0d\x0d\x0a":
        frames = _pcapng(data)
    elif data[:4] in (b"\xd4\xc3\xb2\xa1", b"\xa1\xb2\xc3\xd4", b"\x4d\x3c\xb2\xa1", b"\xa1\xb2\x3c\x4d"):
        frames = _pcap(data)
    else:
        raise CaptureError(f"{path.name} is neither pcap nor pcapng")
    for moment, link, frame in frames:
        found = _segment(moment, link, frame)
        if found is not None:
            yield found


def _pcap(data: bytes) -> Iterator[tuple[float, int, bytes]]:
    order = "<" if data[:4] in (b"\xd4\xc3\xb2\xa1", b"\x4d\x3c\xb2\xa1") else ">"
    unit = 1e9 if data[:4] in (b"\x4d\x3c\xb2\xa1", b"\xa1\xb2\x3c\x4d") else 1e6
    if len(data) < 24:  # noqa: PLR2004 - the header
        raise CaptureError("the capture ends in its header")
    link, place, number = struct.unpack_from(f"{order}I", data, 20)[0] & 0xFFFF, 24, 0
    while place < len(data):
        number += 1
        if place + 16 > len(data):
            raise CaptureError(f"the capture is cut off in packet {number}")
        seconds, fraction, size, _ = struct.unpack_from(f"{order}IIII", data, place)
        if place + 16 + size > len(data):
            raise CaptureError(f"the capture is cut off in packet {number}")
        yield seconds + fraction / unit, link, data[place + 16 : place + 16 + size]
        place += 16 + size


def _pcapng(data: bytes) -> Iterator[tuple[float, int, bytes]]:
    place, order, number = 0, "<", 0
    interfaces: list[tuple[int, float]] = []
    while place < len(data):
        number += 1
        if place + 12 > len(data):
            raise CaptureError(f"the capture is cut off in block {number}")
        kind = struct.unpack_from("<I", data, place)[0]
        if kind == _SECTION:
            order = "<" if data[place + 8 : place + 12] == b"\x4d\x3c\x2b\x1a" else ">"
            interfaces = []
        kind, size = struct.unpack_from(f"{order}II", data, place)
        if size < 12 or place + size > len(data):  # noqa: PLR2004 - the least block
            raise CaptureError(f"the capture is cut off in block {number}")
        body = data[place + 8 : place + size - 4]
        if kind == _INTERFACE:
            interfaces.append((struct.unpack_from(f"{order}H", body)[0], _resolution(body[8:], order)))
        elif kind == _ENHANCED and len(body) >= 20:  # noqa: PLR2004 - its fixed part
            which, high, low, length = struct.unpack_from(f"{order}IIII", body)
            if which >= len(interfaces):
                raise CaptureError(f"block {number} belongs to an interface that the capture does not describe")
            link, unit = interfaces[which]
            yield ((high << 32) + low) * unit, link, body[20 : 20 + length]
        place += size


def _resolution(options: bytes, order: str) -> float:
    """Return the unit of the time stamps of an interface in seconds."""
    place = 0
    while place + 4 <= len(options):
        code, size = struct.unpack_from(f"{order}HH", options, place)
        if code == 9 and size:  # noqa: PLR2004 - if_tsresol
            value = options[place + 4]
            return float(2 ** -(value & 0x7F)) if value & 0x80 else float(10**-value)
        place += 4 + size + (-size % 4)
    return 1e-6


def _segment(moment: float, link: int, frame: bytes) -> Segment | None:
    """Return what an Ethernet, cooked, loopback or raw frame carries; None if it is neither UDP nor TCP."""
    if link not in _LINK_HEADERS:
        return None
    start = _LINK_HEADERS[link]
    while link == ETHERNET and frame[start - 2 : start] == _VLAN:
        start += 4
    packet = frame[start:]
    try:
        return _packet(moment, packet)
    except (IndexError, struct.error):
        return None  # cut by a snap length, or something else than IP


def _packet(moment: float, packet: bytes) -> Segment | None:
    version = packet[0] >> 4
    if version == 4:  # noqa: PLR2004 - IPv4
        header, kind = 4 * (packet[0] & 15), packet[9]
        whole = struct.unpack_from(">H", packet, 2)[0]
        addresses = (packet[12:16], packet[16:20])
    elif version == 6:  # noqa: PLR2004 - IPv6
        header, kind = 40, packet[6]
        whole = 40 + struct.unpack_from(">H", packet, 4)[0]
        addresses = (packet[8:24], packet[24:40])
    else:
        return None
    inside = packet[header:whole]
    if kind not in (_UDP, _TCP):
        return None
    ports = struct.unpack_from(">HH", inside)
    ends = [(str(ipaddress.ip_address(address)), port) for address, port in zip(addresses, ports, strict=True)]
    if kind == _UDP:
        return Segment(time=moment, transport="udp", source=ends[0], target=ends[1], payload=inside[8:])
    sequence, flags = struct.unpack_from(">I", inside, 4)[0], inside[13]
    return Segment(
        time=moment,
        transport="tcp",
        source=ends[0],
        target=ends[1],
        payload=inside[4 * (inside[12] >> 4) :],
        sequence=(sequence + 1) & 0xFFFFFFFF if flags & _FIN_OR_SYN == _SYN else sequence,
    )
