"""DNS for programs that play one side of it: load and replay. Standard library only, and used by its path."""

from __future__ import annotations

import hashlib
import socket
from collections.abc import Iterator

ORIGIN = "panther.test."
RECORDED_SEED = 0
KINDS = {
    1: "A",
    2: "NS",
    5: "CNAME",
    6: "SOA",
    15: "MX",
    16: "TXT",
    28: "AAAA",
    41: "OPT",
    251: "IXFR",
    252: "AXFR",
    255: "ANY",
}
RCODES = {0: "NOERROR", 1: "FORMERR", 2: "SERVFAIL", 3: "NXDOMAIN", 4: "NOTIMP", 5: "REFUSED", 16: "BADVERS"}
FLAGS = ((0x0400, "aa"), (0x0200, "tc"), (0x0100, "rd"))
ANSWER, CODES, HEADER, IDS = 0x8000, 0x000F, 12, 1 << 16
POINTER, LONGEST_CHAIN = 0xC0, 64


class Dialect:
    """One client; what it asks for are addresses of the many hosts in the zone, one after the other."""

    def __init__(self, *, seed: str = "0", name: str = "load", count: str = "200", version: str = "") -> None:  # noqa: ARG002
        """Say how many hosts there are; the zone of these scenarios does not depend on the seed."""
        self._hosts = int(count)

    def opening(self) -> list[bytes]:
        """Return nothing: DNS has no sessions."""
        return []

    def closing(self) -> list[bytes]:
        """Return nothing."""
        return []

    def request(self, number: int) -> bytes:
        """Return request ``number``: its id counts the rounds through all hosts."""
        identity, host = divmod(number, self._hosts)
        header = (identity % IDS).to_bytes(2, "big") + b"\0\0\0\1\0\0\0\0\0\0"
        return header + b"".join(_labels(f"host-{host + 1}.{ORIGIN}")) + b"\0\1\0\1"

    def number(self, answer: bytes) -> int | None:
        """Return which request an answer is for, or None if it is for none."""
        prefix = answer[HEADER + 1 : HEADER + 6]
        digits = answer[HEADER + 6 : HEADER + 1 + answer[HEADER]] if len(answer) > HEADER else b""
        if prefix.lower() != b"host-" or not digits.isdigit() or not answer[2] >> 7:
            return None
        return int.from_bytes(answer[:2], "big") * self._hosts + int(digits) - 1

    def right(self, number: int, answer: bytes) -> bool:
        """Return whether an answer has the address of the zone, and authority."""
        host = number % self._hosts + 1
        address = ".".join(map(str, (10, *hashlib.sha256(f"{RECORDED_SEED} ip4 host {host}".encode()).digest()[:3])))
        name = f"host-{host}.{ORIGIN}"
        told = f"answer NOERROR aa | {name} A | {name} 300 A {address}"
        return answer[6:8] == b"\0\1" and f"{self.readable(answer)} | ".startswith(f"{told} | ")

    def reopens(self, _answer: bytes) -> bool:
        """Return False: there is nothing to forget."""
        return False

    def split(self, buffer: bytes) -> tuple[list[bytes], bytes]:
        """Return the whole messages of a stream, each behind its length, and what is left."""
        messages = []
        while len(buffer) > 1 and len(buffer) >= (end := 2 + int.from_bytes(buffer[:2], "big")):
            messages.append(buffer[2:end])
            buffer = buffer[end:]
        return messages, buffer

    def readable(self, message: bytes) -> str:
        """Return a message without its id; records in one order, names in lower case and in full."""
        try:
            return " | ".join(_parts(message))
        except (IndexError, ValueError):
            return f"no DNS: {message.hex()}"

    def adapted(self, answer: bytes, _recorded: bytes, request: bytes) -> bytes:
        """Return a recorded answer with the id of another request."""
        return request[:2] + answer[2:]


def _labels(name: str) -> Iterator[bytes]:
    for label in name.split("."):
        yield bytes([len(label)]) + label.encode()


def _parts(message: bytes) -> Iterator[str]:
    """Yield the header, each question and each record of a message."""
    flags, questions, *counts = (_number(message, at) for at in range(2, HEADER, 2))
    words = [text for bit, text in FLAGS if flags & bit]
    code = RCODES.get(flags & CODES, str(flags & CODES))
    yield " ".join([f"answer {code}" if flags & ANSWER else "question", *words])
    at = HEADER
    for _ in range(questions):
        name, at = _name(message, at)
        yield f"{name} {_kind(message, at)}"
        at += 4
    for count in counts:
        records = []
        for _ in range(count):
            text, at = _record(message, at)
            records.append(text)
        yield from sorted(records)


def _record(message: bytes, at: int) -> tuple[str, int]:
    """Return a record as text, and where the next one begins."""
    name, at = _name(message, at)
    kind, seconds, length = _kind(message, at), _number(message, at + 4, 4), _number(message, at + 8)
    begin, end = at + 10, at + 10 + length
    if end > len(message):
        raise ValueError("a record is cut off")
    if kind == "OPT":  # what it holds of a client is its own business: sizes and cookies differ
        return "EDNS", end
    return f"{name} {seconds} {kind} {_data(message, kind, begin, end)}", end


def _data(message: bytes, kind: str, begin: int, end: int) -> str:
    """Return what a record says; names in it may be compressed."""
    data = message[begin:end]
    if kind in ("A", "AAAA"):
        return socket.inet_ntop(socket.AF_INET if kind == "A" else socket.AF_INET6, data)
    if kind in ("NS", "CNAME"):
        return _name(message, begin)[0]
    if kind == "MX":
        return f"{_number(message, begin)} {_name(message, begin + 2)[0]}"
    if kind == "SOA":
        server, at = _name(message, begin)
        person, at = _name(message, at)
        return " ".join([server, person, *(str(_number(message, at + step, 4)) for step in range(0, 20, 4))])
    return data.hex()


def _name(message: bytes, at: int) -> tuple[str, int]:
    """Return the name at a place, and what follows it; pointers lead to names that stand elsewhere."""
    labels, follows = [], 0
    for _ in range(LONGEST_CHAIN):
        length = message[at]
        if length >= POINTER:
            follows = follows or at + 2
            at = _number(message, at) & 0x3FFF
        elif length:
            labels.append(message[at + 1 : at + 1 + length].decode("ascii", "backslashreplace").lower())
            at += 1 + length
        else:
            return ".".join([*labels, ""]) or ".", follows or at + 1
    raise ValueError("a name that never ends")


def _kind(message: bytes, at: int) -> str:
    number = _number(message, at)
    return KINDS.get(number, f"TYPE{number}")


def _number(message: bytes, at: int, size: int = 2) -> int:
    if at + size > len(message):
        raise ValueError("the message is cut off")
    return int.from_bytes(message[at : at + size], "big")
