"""Reads UDP datagrams from captures: pcapng and pcap, with the TLS keys that a pcapng may carry."""

from __future__ import annotations

import ipaddress
import struct
from collections.abc import Iterator
from pathlib import Path

import attrs

_SECTION, _INTERFACE, _SIMPLE, _STATISTICS, _ENHANCED, _SECRETS = 0x0A0D0D0A, 1, 3, 5, 6, 10
_TLS_KEYS = 0x544C534B
_RESOLUTION = 9
_LOST = frozenset({5, 7})
"""Options of the statistics: what the interface and what the recorder had to leave out."""
_TCP, _UDP = 6, 17
_LINK_HEADERS = {1: 14, 113: 16, 276: 20}
"""Length of the header before the IP packet, by link type; 0 for those that have none."""
_TYPE_AT = {1: 12, 113: 14, 276: 0}
_BARE = frozenset({101, 12, 228, 229})
_NULL = 0
_PCAP = {b"\xd4\xc3\xb2\xa1": ("<", 1e-6), b"\x4d\x3c\xb2\xa1": ("<", 1e-9)}
_PCAP |= {b"\xa1\xb2\xc3\xd4": (">", 1e-6), b"\xa1\xb2\x3c\x4d": (">", 1e-9)}
_SHORTEST = 28
_SMALLEST_BLOCK = 12
_IPV4, _IPV6 = 4, 6

Address = tuple[str, int]


@attrs.frozen
class Datagram:
    """One UDP datagram."""

    time: float
    """Seconds since the epoch."""
    source: Address
    target: Address
    ecn: int
    """0 not capable, 1 ECT(1), 2 ECT(0), 3 congestion experienced."""
    payload: bytes

    @property
    def is_ip6(self) -> bool:
        """Whether it was carried by IPv6."""
        return ":" in self.source[0]


@attrs.frozen
class Capture:
    """The content of a capture."""

    datagrams: tuple[Datagram, ...]
    keys: str = ""
    """TLS keys that the file carries, in the format of key logs."""
    tcp: int = 0
    """Bytes of TCP packets, which are something else."""
    flaw: str = ""
    """What is wrong with the file, if anything is."""
    is_whole: bool = True
    """Whether it has every packet from its first byte to its last, as far as the file tells."""


def read_capture(path: Path, port: int = 0) -> Capture:
    """Return what a file holds; with ``port`` only datagrams from or to it. What cannot be read is told as a flaw."""
    try:
        data = path.read_bytes()
    except OSError as error:
        return Capture((), flaw=f"{path.name} cannot be read: {error.strerror}")
    reader = _Reader(port)
    try:
        if data[:4] in _PCAP:
            reader.pcap(data)
        elif data[:4] == b"\x0a\x0d\x0d\x0a":
            reader.pcapng(data)
        else:
            reader.flaw = f"{path.name} is no capture"
    except (struct.error, IndexError):
        reader.flaw = f"{path.name} is cut off in the middle of a packet"
    return Capture(tuple(reader.found), "".join(reader.keys), reader.tcp, reader.flaw, reader.is_whole)


@attrs.define
class _Reader:
    port: int
    found: list[Datagram] = attrs.field(factory=list)
    keys: list[str] = attrs.field(factory=list)
    flaw: str = ""
    tcp: int = 0
    is_whole: bool = True
    _names: dict[bytes, str] = attrs.field(factory=dict)

    def pcap(self, data: bytes) -> None:
        """Read the older format."""
        order, unit = _PCAP[data[:4]]
        (link,) = struct.unpack_from(f"{order}I", data, 20)
        at, header = 24, struct.Struct(f"{order}IIII")
        while at < len(data):
            seconds, part, kept, length = header.unpack_from(data, at)
            at += 16
            self.is_whole &= kept == length
            if at + kept > len(data):
                self.flaw = "the capture is cut off in the middle of a packet"
                return
            self.packet(link & 0xFFFF, seconds + part * unit, data[at : at + kept])
            at += kept

    def pcapng(self, data: bytes) -> None:
        """Read the newer format."""
        links: list[tuple[int, float]] = []
        for order, kind, body in self._blocks(data):
            if kind == _SECTION:
                links = []
            elif kind == _INTERFACE:
                links.append((struct.unpack_from(f"{order}H", body)[0], self._resolution(order, body)))
            elif kind == _ENHANCED:
                number, high, low, kept, length = struct.unpack_from(f"{order}IIIII", body)
                self.is_whole &= kept == length
                link, unit = links[number]
                self.packet(link, ((high << 32) | low) * unit, body[20 : 20 + kept])
            elif kind == _SIMPLE:
                self.packet(links[0][0], 0.0, body[4:])
            elif kind == _STATISTICS:
                lost = [value for code, value in _options(order, body[12:]) if code in _LOST]
                self.is_whole &= not any(map(any, lost))
            elif kind == _SECRETS:
                kind_of_secret, length = struct.unpack_from(f"{order}II", body)
                if kind_of_secret == _TLS_KEYS:
                    self.keys.append(body[8 : 8 + length].decode("ascii", "replace"))

    def _blocks(self, data: bytes) -> Iterator[tuple[str, int, bytes]]:
        at, order = 0, "<"
        while at + 12 <= len(data):
            if data[at : at + 4] == b"\x0a\x0d\x0d\x0a":
                order = "<" if data[at + 8 : at + 12] == b"\x4d\x3c\x2b\x1a" else ">"
            kind, length = struct.unpack_from(f"{order}II", data, at)
            if length < _SMALLEST_BLOCK or at + length > len(data):
                self.flaw = "the capture is cut off in the middle of a packet"
                return
            yield order, kind, data[at + 8 : at + length - 4]
            at += length

    def _resolution(self, order: str, body: bytes) -> float:
        """Return the unit of an interface's time stamps in seconds."""
        for code, value in _options(order, body[8:]):
            if code == _RESOLUTION and value:
                return 2.0 ** -(value[0] & 0x7F) if value[0] & 0x80 else 10.0 ** -value[0]
        return 1e-6

    def packet(self, link: int, time: float, data: bytes) -> None:
        """Take a packet, if it is a whole UDP datagram."""
        start = _ip_at(link, data)
        if start is None or len(data) < start + _SHORTEST:
            return
        first = data[start]
        if first >> 4 == _IPV4:
            length, protocol = (first & 15) * 4, data[start + 9]
            if (data[start + 6] & 0x1F) or data[start + 7]:
                return
            ecn, source, target = data[start + 1] & 3, data[start + 12 : start + 16], data[start + 16 : start + 20]
        elif first >> 4 == _IPV6:
            length, protocol = 40, data[start + 6]
            ecn, source, target = (
                (data[start + 1] >> 4) & 3,
                data[start + 8 : start + 24],
                data[start + 24 : start + 40],
            )
        else:
            return
        if protocol == _UDP:
            self._datagram(time, ecn, source, target, data[start + length :])
        elif protocol == _TCP:
            self.tcp += len(data)

    def _datagram(self, time: float, ecn: int, source: bytes, target: bytes, data: bytes) -> None:
        one, other, length = struct.unpack_from(">HHH", data)
        if not self.port or self.port in (one, other):
            ends = (self._name(source), one), (self._name(target), other)
            self.found.append(Datagram(time, ends[0], ends[1], ecn, data[8:length] if length else data[8:]))

    def _name(self, address: bytes) -> str:
        name = self._names.get(address)
        if name is None:
            name = self._names[address] = str(ipaddress.ip_address(address))
        return name


def _options(order: str, body: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield the options of a block."""
    at = 0
    while at + 4 <= len(body):
        code, length = struct.unpack_from(f"{order}HH", body, at)
        yield code, body[at + 4 : at + 4 + length]
        at += 4 + length + (-length % 4)


def _ip_at(link: int, data: bytes) -> int | None:
    """Return where the IP packet begins; None for a type of link that is not known."""
    if link in _BARE:
        return 0
    if link == _NULL:
        return 4
    if link not in _LINK_HEADERS:
        return None
    tagged = data[_TYPE_AT[link] : _TYPE_AT[link] + 2] == b"\x81\x00"
    return _LINK_HEADERS[link] + 4 * tagged
