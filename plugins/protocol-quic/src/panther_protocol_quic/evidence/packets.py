"""QUIC packets as they are seen from outside: headers, without any key."""

from __future__ import annotations

import enum
import struct
from collections.abc import Iterator

import attrs

from panther_protocol_quic.evidence.captures import Datagram

V1, V2 = 1, 0x6B3343CF
_LONG, _FIXED = 0x80, 0x40
_MOST_CID = 20
_VERSION_END = 5
_TAG = 16


class Kind(enum.Enum):
    """Types of packets."""

    INITIAL = "Initial"
    EARLY = "0-RTT"
    HANDSHAKE = "Handshake"
    RETRY = "Retry"
    SHORT = "1-RTT"
    NEGOTIATION = "Version Negotiation"


_KINDS_V1 = (Kind.INITIAL, Kind.EARLY, Kind.HANDSHAKE, Kind.RETRY)
_KINDS_V2 = (Kind.RETRY, Kind.INITIAL, Kind.EARLY, Kind.HANDSHAKE)


@attrs.frozen(kw_only=True)
class Packet:
    """One packet."""

    time: float
    """Seconds; since the epoch in a capture."""
    from_client: bool
    kind: Kind
    path: tuple[str, int] = ("", 0)
    """The client's address."""
    version: int = 0
    dcid: bytes = b""
    scid: bytes = b""
    token: bytes = b""
    versions: tuple[int, ...] = ()
    """What a Version Negotiation offers."""
    size: int = 0
    """Bytes of the packet."""
    carried: int = 0
    """Bytes of the datagram, told once for each: by its first packet."""
    ecn: int = 0
    data: bytes = b""
    """The packet as it is on the wire; empty where it is known from a log only."""
    protected: int = 0
    """Where its packet number begins."""
    frames: tuple[str, ...] | None = None
    """Names of its frames, where a log tells them."""
    key_phase: int | None = None
    """The key phase, where a log tells it."""

    def told(self) -> str:
        """Return the packet in a few words."""
        who = "client" if self.from_client else "server"
        return f"{self.kind.value} of the {who}, {self.size} bytes"


def varint(data: bytes, at: int) -> tuple[int, int]:
    """Return a number of variable length, and where it ends."""
    first = data[at]
    length = 1 << (first >> 6)
    return int.from_bytes(data[at : at + length]) & ((1 << (8 * length - 2)) - 1), at + length


def packets_of(datagram: Datagram, *, from_client: bool) -> Iterator[Packet]:
    """Yield the packets of a datagram; what is none ends it."""
    data, at = datagram.payload, 0
    path = datagram.source if from_client else datagram.target
    while at < len(data):
        first = data[at]
        if not first & _LONG:
            if at == 0 or first & _FIXED:
                yield Packet(
                    time=datagram.time,
                    from_client=from_client,
                    kind=Kind.SHORT,
                    path=path,
                    size=len(data) - at,
                    carried=0 if at else len(data),
                    ecn=datagram.ecn,
                    data=data[at:],
                )
            return
        try:
            packet, at = _long(datagram, data, at, path, from_client=from_client)
        except (IndexError, struct.error):
            return
        if packet is None:
            return
        yield packet


def _long(
    datagram: Datagram, data: bytes, start: int, path: tuple[str, int], *, from_client: bool
) -> tuple[Packet | None, int]:
    (version,) = struct.unpack_from(">I", data, start + 1)
    at = start + _VERSION_END
    dcid = data[at + 1 : at + 1 + data[at]]
    at += 1 + data[at]
    scid = data[at + 1 : at + 1 + data[at]]
    at += 1 + data[at]
    base = Packet(
        time=datagram.time,
        from_client=from_client,
        kind=Kind.NEGOTIATION,
        path=path,
        version=version,
        dcid=dcid,
        scid=scid,
        size=len(data) - start,
        carried=0 if start else len(data),
        ecn=datagram.ecn,
        data=data[start:],
    )
    if version == 0:
        offered = tuple(each for (each,) in struct.iter_unpack(">I", data[at : at + (len(data) - at) // 4 * 4]))
        return attrs.evolve(base, versions=offered), len(data)
    if len(dcid) > _MOST_CID or len(scid) > _MOST_CID:
        return None, at
    kind = (_KINDS_V2 if version == V2 else _KINDS_V1)[(data[start] >> 4) & 3]
    if kind is Kind.RETRY:
        return attrs.evolve(base, kind=kind, token=data[at:-_TAG]), len(data)
    token = b""
    if kind is Kind.INITIAL:
        length, at = varint(data, at)
        token, at = data[at : at + length], at + length
    length, at = varint(data, at)
    end = min(at + length, len(data))
    whole = data[start:end]
    return attrs.evolve(base, kind=kind, token=token, size=len(whole), data=whole, protected=at - start), end
