"""The messages of MiniP, their checksum and the digests that prove that a message was really read."""

from __future__ import annotations

import hashlib
import struct
import zlib

LONGEST_MESSAGE = 1400
LONGEST_VALUE = 64
MOST_FIELDS = 12
CHUNK = 1024
MOST_CHUNKS = 65536


class Message:
    """One datagram, taken apart."""

    def __init__(self, version: str, kind: str, fields: dict[str, str], body: bytes = b"", size: int = 0) -> None:
        """Keep the parts; ``size`` is known of a message that was sent or received."""
        self.version, self.kind, self.fields, self.body, self.size = version, kind, fields, body, size


def encode(message: Message) -> bytes:
    """Return the datagram of a message: one line of text with a checksum, then the body."""
    words = (f"MiniP/{message.version}", message.kind, *(f"{key}={value}" for key, value in message.fields.items()))
    head = " ".join(words).encode()
    return head + b" crc=%08x\n" % zlib.crc32(head + message.body) + message.body


def decode(datagram: bytes, *, trusting: bool = False) -> Message:
    """Take a datagram apart; ValueError says in one word why it is none of ours."""
    if len(datagram) > LONGEST_MESSAGE and not trusting:
        raise ValueError("overlong")
    line, _, body = datagram.partition(b"\n")
    head, _, crc = line.rpartition(b" crc=")
    if crc != b"%08x" % zlib.crc32(head + body):
        raise ValueError("damaged")
    first, *words = head.decode("ascii", "replace").split(" ")
    pairs = [word.partition("=")[::2] for word in words[1:]]
    if not first.startswith("MiniP/") or not words or len(pairs) > MOST_FIELDS:
        raise ValueError("malformed")
    if any(len(value) > LONGEST_VALUE for _, value in pairs) and not trusting:
        raise ValueError("overlong")
    message = Message(first[6:], words[0], dict(pairs), body, len(datagram))
    if trusting:
        struct.pack_into(f"{len(message.fields.get('nonce', ''))}s", bytearray(LONGEST_VALUE), 0, b"")
    return message


def short_hash(*words: str, body: bytes = b"") -> str:
    """Return 16 hexadecimal digits that only who has seen all words and the body can know."""
    return hashlib.sha256(" ".join(words).encode() + body).hexdigest()[:16]


def stream(label: str, size: int) -> bytes:
    """Return the first ``size`` bytes of the pseudo-random stream that belongs to ``label``."""
    blocks = (hashlib.sha256(f"{label} {number}".encode()).digest() for number in range(size // 32 + 1))
    return b"".join(blocks)[:size]
