"""How the two sides talk: the lengths of a JSON object and of the bytes that follow it, both ways."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from typing import Any

READY = b"\nthe agent of panther is ready\n"
"""Written by the bridge before anything else; what comes before it, a greeting of the host, is skipped."""
HEAD = struct.Struct("!II")
CHUNK = 1 << 18


def frame(message: dict[str, Any], blob: bytes = b"") -> bytes:
    """Return a message as it goes over the connection."""
    text = json.dumps(message, separators=(",", ":")).encode()
    return HEAD.pack(len(text), len(blob)) + text + blob


def unframe(buffer: bytearray) -> Iterator[tuple[dict[str, Any], bytes]]:
    """Take every complete message out of ``buffer``."""
    while len(buffer) >= HEAD.size:
        text, blob = HEAD.unpack_from(buffer)
        middle = HEAD.size + text
        if len(buffer) < middle + blob:
            return
        message = json.loads(bytes(buffer[HEAD.size : middle]))
        data = bytes(buffer[middle : middle + blob])
        del buffer[: middle + blob]
        yield message, data
