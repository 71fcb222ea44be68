"""MiniP for programs that play one side of it: load and replay. Standard library only, and used by its path."""

from __future__ import annotations

import hashlib
import zlib

BLOCK = 32
VOLATILE = frozenset({b"server", b"digest", b"nonce", b"time", b"id", b"crc"})
"""Fields that differ between two right answers to the same message, or depend on those that do."""


class Dialect:
    """One session of a client."""

    def __init__(self, *, seed: str = "0", name: str = "load", size: str = "32", version: str = "1") -> None:
        """Choose the session's identity from the seed and a name."""
        self._version, self._size = version.encode(), int(size)
        self.session = _short_hash(b"load", seed.encode(), name.encode())
        self._digests: dict[int, bytes] = {}

    def opening(self) -> list[bytes]:
        """Return what opens the session; a server that has forgotten it takes it again."""
        return [self._message(b"HELLO")]

    def closing(self) -> list[bytes]:
        """Return what ends the session."""
        return [self._message(b"BYE")]

    def request(self, number: int) -> bytes:
        """Return request ``number``; the same number gives the same bytes."""
        seq = b"%d" % (number + 1)
        nonce = _short_hash(self.session, b"nonce", seq)
        body = _stream(nonce, self._size)
        self._digests[number] = _short_hash(self.session, seq, nonce, body=body)
        time = b" time=%d" % number if self._version == b"2" else b""
        return self._message(b"PING", b" seq=%s nonce=%s%s" % (seq, nonce, time), body)

    def number(self, answer: bytes) -> int | None:
        """Return which request an answer is for, or None if it is for none."""
        words = answer.split(b" ", 4)
        if len(words) < 5 or words[1] != b"PONG" or words[2][3:] != self.session or not words[3][4:].isdigit():  # noqa: PLR2004
            return None
        return int(words[3][4:]) - 1

    def right(self, number: int, answer: bytes) -> bool:
        """Return whether an answer proves that the request was read."""
        line, _, body = answer.partition(b"\n")
        head, _, crc = line.rpartition(b" crc=")
        return crc == b"%08x" % zlib.crc32(head + body) and b" digest=%s" % self._digests[number] in head

    def reopens(self, answer: bytes) -> bool:
        """Return whether the server says that it does not know the session."""
        return b" REFUSE " in answer[:20] and b"reason=session" in answer

    def split(self, buffer: bytes) -> tuple[list[bytes], bytes]:
        """Return the whole messages of a stream and what is left; a datagram is a message as it is."""
        return [buffer], b""

    def readable(self, message: bytes) -> str:
        """Return a message so that two right ones compare equal: without what chance or clocks put into it."""
        line, _, body = message.partition(b"\n")
        words = [word for word in line.split(b" ") if word.partition(b"=")[0] not in VOLATILE]
        return b" ".join(words).decode("ascii", "replace") + (f" + {len(body)} bytes" if body else "")

    def adapted(self, answer: bytes, _recorded: bytes, request: bytes) -> bytes:
        """Return a recorded answer to a recorded request as the answer to another request: with its proofs."""
        asked, said = _fields(request), _fields(answer)
        kept = {key: value for key, value in asked.items() if key in (b"id", b"seq", b"nonce", b"time") and key in said}
        told = {**said, **kept}
        session = told.get(b"id", b"")
        words, body = answer.partition(b"\n")[0].split(b" ")[:2], answer.partition(b"\n")[2]
        if words[1] == b"WELCOME":
            told[b"digest"] = _short_hash(session, told.get(b"server", b""))
        elif words[1] == b"PONG":
            proof = (session, told.get(b"seq", b""), told.get(b"nonce", b""))
            told[b"digest"] = _short_hash(*proof, body=request.partition(b"\n")[2])
        head = b" ".join([*words, *(b"%s=%s" % each for each in told.items())])
        return b"%s crc=%08x\n%s" % (head, zlib.crc32(head + body), body)

    def _message(self, kind: bytes, fields: bytes = b"", body: bytes = b"") -> bytes:
        head = b"MiniP/%s %s id=%s%s" % (self._version, kind, self.session, fields)
        return b"%s crc=%08x\n%s" % (head, zlib.crc32(head + body), body)


def _fields(message: bytes) -> dict[bytes, bytes]:
    words = message.partition(b"\n")[0].split(b" ")[2:]
    return {key: value for key, _, value in (word.partition(b"=") for word in words) if key != b"crc"}


def _short_hash(*words: bytes, body: bytes = b"") -> bytes:
    return hashlib.sha256(b" ".join(words) + body).hexdigest()[:16].encode()


def _stream(label: bytes, size: int) -> bytes:
    blocks = (hashlib.sha256(b"%s %d" % (label, number)).digest() for number in range(-(-size // BLOCK)))
    return b"".join(blocks)[:size]
