"""Frames of a decrypted packet, and the TLS messages that CRYPTO frames carry."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Mapping

import attrs

from panther_protocol_quic.evidence.packets import varint

NAMES = {
    0x00: "padding",
    0x01: "ping",
    0x02: "ack",
    0x03: "ack",
    0x04: "reset_stream",
    0x05: "stop_sending",
    0x06: "crypto",
    0x07: "new_token",
    0x10: "max_data",
    0x11: "max_stream_data",
    0x12: "max_streams",
    0x13: "max_streams",
    0x14: "data_blocked",
    0x15: "stream_data_blocked",
    0x16: "streams_blocked",
    0x17: "streams_blocked",
    0x18: "new_connection_id",
    0x19: "retire_connection_id",
    0x1A: "path_challenge",
    0x1B: "path_response",
    0x1C: "connection_close",
    0x1D: "connection_close",
    0x1E: "handshake_done",
    0x1F: "immediate_ack",
    0x30: "datagram",
    0x31: "datagram",
    0xAF: "ack_frequency",
}
_VARINTS = {0x04: 3, 0x05: 2, 0x10: 1, 0x11: 2, 0x12: 1, 0x13: 1, 0x14: 1, 0x15: 2, 0x16: 1, 0x17: 1, 0x19: 1, 0xAF: 4}
"""How many numbers make up the frame."""
_PATH = 8
_TOKEN = 16
_ALPN, _PRE_SHARED_KEY = 16, 41
_RESERVED = 0x0A0A


@attrs.frozen(kw_only=True)
class Frame:
    """One frame."""

    name: str
    numbers: tuple[int, ...] = ()
    """Its numbers in their order; of an acknowledgement with counters of congestion the last three are these."""
    data: bytes = b""


UNKNOWN = "unknown"


def frames_of(payload: bytes) -> tuple[Frame, ...]:
    """Return the frames of a decrypted packet without padding; one for all from the first that is not understood."""
    found: list[Frame] = []
    at = 0
    while at < len(payload):
        try:
            kind, start = varint(payload, at)
            if kind == 0:
                at = len(payload) - len(payload[start:].lstrip(b"\0"))
                continue
            frame, at = _frame(kind, payload, start)
        except (IndexError, KeyError):  # a frame of an extension, whose length nobody knows
            frame, at = Frame(name=UNKNOWN, data=payload[at:]), len(payload)
        found.append(frame)
    return tuple(found)


def _frame(kind: int, data: bytes, at: int) -> tuple[Frame, int]:
    if 0x08 <= kind <= 0x0F:  # noqa: PLR2004 - the types of stream frames
        return _stream(kind, data, at)
    name = NAMES[kind]
    if kind in _VARINTS:
        numbers, at = _numbers(data, at, _VARINTS[kind])
        return Frame(name=name, numbers=numbers), at
    special = _SPECIAL.get(name)
    return special(kind, data, at) if special else (Frame(name=name), at)


def _crypto(_kind: int, data: bytes, at: int) -> tuple[Frame, int]:
    (offset, length), at = _numbers(data, at, 2)
    return Frame(name="crypto", numbers=(offset,), data=data[at : at + length]), at + length


def _blob(kind: int, data: bytes, at: int) -> tuple[Frame, int]:
    if kind == 0x30:  # noqa: PLR2004 - the datagram that ends the packet
        return Frame(name=NAMES[kind], data=data[at:]), len(data)
    (length,), at = _numbers(data, at, 1)
    return Frame(name=NAMES[kind], data=data[at : at + length]), at + length


def _connection_id(_kind: int, data: bytes, at: int) -> tuple[Frame, int]:
    numbers, at = _numbers(data, at, 2)
    end = at + 1 + data[at]
    return Frame(name="new_connection_id", numbers=numbers, data=data[at + 1 : end]), end + _TOKEN


def _path(kind: int, data: bytes, at: int) -> tuple[Frame, int]:
    return Frame(name=NAMES[kind], data=data[at : at + _PATH]), at + _PATH


def _close(kind: int, data: bytes, at: int) -> tuple[Frame, int]:
    numbers, at = _numbers(data, at, 3 if kind == 0x1C else 2)  # noqa: PLR2004 - the one of the transport
    end = at + numbers[-1]
    return Frame(name="connection_close", numbers=(kind, numbers[0]), data=data[at:end]), end


def _numbers(data: bytes, at: int, count: int) -> tuple[tuple[int, ...], int]:
    found = []
    for _ in range(count):
        value, at = varint(data, at)
        found.append(value)
    return tuple(found), at


def _ack(kind: int, data: bytes, at: int) -> tuple[Frame, int]:
    (largest, _delay, ranges, _first), at = _numbers(data, at, 4)
    _, at = _numbers(data, at, 2 * ranges)
    marks: tuple[int, ...] = ()
    if kind == 0x03:  # noqa: PLR2004 - the one with counters
        marks, at = _numbers(data, at, 3)
    return Frame(name="ack", numbers=(largest, *marks)), at


def _stream(kind: int, data: bytes, at: int) -> tuple[Frame, int]:
    (stream,), at = _numbers(data, at, 1)
    offset, length = 0, len(data)
    if kind & 4:
        (offset,), at = _numbers(data, at, 1)
    length -= at
    if kind & 2:
        (length,), at = _numbers(data, at, 1)
    return Frame(name="stream", numbers=(stream, offset, length), data=data[at : at + length]), at + length


_SPECIAL: Mapping[str, Callable[[int, bytes, int], tuple[Frame, int]]] = {
    "ack": _ack,
    "crypto": _crypto,
    "new_token": _blob,
    "datagram": _blob,
    "new_connection_id": _connection_id,
    "path_challenge": _path,
    "path_response": _path,
    "connection_close": _close,
}


def joined(pieces: Mapping[int, bytes]) -> bytes:
    """Return what pieces at their offsets make from the start on, up to the first gap."""
    found = b""
    for offset in sorted(pieces):
        if offset > len(found):
            break
        found += pieces[offset][len(found) - offset :] if offset + len(pieces[offset]) > len(found) else b""
    return found


def messages(stream: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield type and body of every whole TLS message."""
    at = 0
    while at + 4 <= len(stream):
        length = int.from_bytes(stream[at + 1 : at + 4])
        if at + 4 + length > len(stream):
            return
        yield stream[at], stream[at + 4 : at + 4 + length]
        at += 4 + length


@attrs.frozen(kw_only=True)
class Hello:
    """What a ClientHello or a ServerHello says."""

    random: bytes
    ciphers: tuple[int, ...]
    """Those that the client offers, without the reserved ones that mean nothing; of a server the one it chose."""
    extensions: Mapping[int, bytes]

    @property
    def resumes(self) -> bool:
        """Whether it offers, or accepts, a session of before."""
        return _PRE_SHARED_KEY in self.extensions

    @property
    def alpn(self) -> tuple[str, ...]:
        """The application protocols that the client offers."""
        return protocols(self.extensions)


def protocols(extensions: Mapping[int, bytes]) -> tuple[str, ...]:
    """Return the application protocols among extensions: those that are offered, or the one that was chosen."""
    data = extensions.get(_ALPN, b"")
    found, at = [], 2
    while at < len(data):
        found.append(data[at + 1 : at + 1 + data[at]].decode("ascii", "replace"))
        at += 1 + data[at]
    return tuple(found)


def hello(kind: int, body: bytes) -> Hello | None:
    """Return a ClientHello (1) or ServerHello (2); None if it is not understood."""
    try:
        random, at = body[2:34], 35 + body[34]
        if kind == 1:
            (length,) = struct.unpack_from(">H", body, at)
            offered = tuple(each for (each,) in struct.iter_unpack(">H", body[at + 2 : at + 2 + length]))
            at += 2 + length
            at += 1 + body[at]
        else:
            offered = struct.unpack_from(">H", body, at)
            at += 3
        found = extensions(body[at:])
    except (IndexError, struct.error):
        return None
    return Hello(random=random, ciphers=tuple(each for each in offered if not _means_nothing(each)), extensions=found)


def _means_nothing(number: int) -> bool:
    """Whether it is one of the numbers that are sent so that nobody relies on knowing all."""
    return number & 0x0F0F == _RESERVED and number >> 8 == number & 0xFF


def extensions(data: bytes) -> dict[int, bytes]:
    """Return the extensions of TLS in a block that begins with its length."""
    found: dict[int, bytes] = {}
    at = 2
    while at + 4 <= len(data):
        kind, length = struct.unpack_from(">HH", data, at)
        found[kind] = data[at + 4 : at + 4 + length]
        at += 4 + length
    return found


def transport_parameters(data: bytes) -> dict[int, bytes]:
    """Return the transport parameters of an extension."""
    found: dict[int, bytes] = {}
    at = 0
    try:
        while at < len(data):
            (name, length), at = _numbers(data, at, 2)
            found[name], at = data[at : at + length], at + length
    except IndexError:
        pass  # a cut extension: what was whole is told
    return found
