"""What right answers look like: the judge computes them itself and believes neither side."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

BLOCK = 32


def proof(*words: str, body: bytes = b"") -> str:
    """Return the 16 hexadecimal digits that a WELCOME or a PONG must carry."""
    return hashlib.sha256(" ".join(words).encode() + body).hexdigest()[:16]


def _blocks(label: str, size: int) -> Iterator[bytes]:
    """Yield the first ``size`` bytes of the pseudo-random stream of ``label``."""
    for number in range(-(-size // BLOCK)):
        yield hashlib.sha256(f"{label} {number}".encode()).digest()[: size - number * BLOCK]


def stream(label: str, size: int) -> bytes:
    """Return the first ``size`` bytes of the pseudo-random stream of ``label``."""
    return b"".join(_blocks(label, size))


def stream_sha256(label: str, size: int) -> str:
    """Return the SHA-256 of the stream without ever holding it."""
    digest = hashlib.sha256()
    for block in _blocks(label, size):
        digest.update(block)
    return digest.hexdigest()


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file, or an empty text if there is none."""
    if not path.is_file():
        return ""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
