"""Packets that no broker may believe, sent over plain sockets: the same whatever client publishes afterwards."""

from __future__ import annotations

import socket
from collections.abc import Mapping

_CONNECT = b"\x10\x10\x00\x04MQTT\x04\x02\x00\x3c\x00\x04evil"
PACKETS: Mapping[str, bytes] = {
    "nothing that is MQTT": b"GET / HTTP/1.1\r\nHost: broker\r\n\r\n",
    "a length of five bytes": b"\x10\xff\xff\xff\xff\x7f",
    "another protocol's name": b"\x10\x10\x00\x04HTTP\x04\x02\x00\x3c\x00\x04evil",
    "a reserved flag in CONNECT": b"\x10\x10\x00\x04MQTT\x04\x03\x00\x3c\x00\x04evil",
    "PUBLISH before CONNECT": b"\x30\x07\x00\x03a/bhi",
    "a second CONNECT": _CONNECT + _CONNECT,
    "PUBLISH with QoS 3": _CONNECT + b"\x36\x09\x00\x03a/b\x00\x01hi",
    "PUBLISH to a wildcard": _CONNECT + b"\x30\x07\x00\x03a/#hi",
    "a topic longer than its packet": _CONNECT + b"\x30\x05\x00\xffa/b",
    "SUBSCRIBE without a filter": _CONNECT + b"\x82\x02\x00\x01",
    "a packet type that is reserved": _CONNECT + b"\x00\x00",
    "text that is not UTF-8": _CONNECT + b"\x30\x07\x00\x03a\xff\xfehi",
}
"""What the broker must close the connection upon, by name."""
_PATIENCE = 1.0
_ENOUGH = 4096


def is_refused(address: tuple[str, int], packet: bytes) -> bool:
    """Send the packet on a connection of its own; return whether the broker closes that."""
    with socket.create_connection(address, timeout=_PATIENCE) as connection:
        try:
            connection.sendall(packet)
            while connection.recv(_ENOUGH):
                pass
        except TimeoutError:
            return False
        except ConnectionError:
            return True
    return True
