"""Recordings: what two sides said to each other, as lines of JSON that anybody can read and write."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs

from panther_hookspecs import ConfigurationException
from panther_test_replay.capture import CaptureError, Segment, read_capture

VERSION = 1
SIDES = ("client", "server")
_WRAP = 1 << 32


@attrs.frozen(kw_only=True)
class Said:
    """One message: when, counted from the first one, by whom, and what."""

    time: float
    side: str
    data: bytes


@attrs.frozen(kw_only=True)
class Recording:
    """The messages of one conversation."""

    protocol: str
    transport: str
    messages: tuple[Said, ...]

    def lines(self) -> Iterator[str]:
        """Yield the lines of the file; the last one says how many messages there must be."""
        yield json.dumps({"v": VERSION, "protocol": self.protocol, "transport": self.transport})
        for each in self.messages:
            data = base64.b64encode(each.data).decode()
            yield json.dumps({"t": round(each.time, 6), "from": each.side, "data": data})
        yield json.dumps({"end": len(self.messages)})

    def content(self) -> bytes:
        """Return the file."""
        return "".join(f"{line}\n" for line in self.lines()).encode()


def load_recording(path: Path, *, protocol: str, transport: str, port: int, every: bool = False) -> Recording:
    """Read a recording, or make one of a capture: of its first, or of ``every`` conversation with the server's port.

    ConfigurationException says what is wrong with the file: cut off, of another protocol, or nothing in it.
    """
    if not path.is_file():
        raise ConfigurationException(f"there is no recording {path}\n  try: panther recording RUN -o {path.name}")
    try:
        with path.open("rb") as file:
            head = file.read(1)
        if head == b"{":
            found = parse(path.read_text(encoding="utf-8").splitlines(keepends=True))
        else:
            found = from_segments(read_capture(path), protocol=protocol, transport=transport, port=port, every=every)
    except (CaptureError, UnicodeDecodeError) as error:
        raise ConfigurationException(f"{path}: {error}\n  try: record it again") from error
    if protocol and found.protocol != protocol:
        raise ConfigurationException(f"{path} is a recording of {found.protocol}, this case speaks {protocol}")
    if not any(each.side == "client" for each in found.messages):
        raise ConfigurationException(f"{path} holds no message of a client to port {port} ({transport})")
    return found


def parse(lines: Sequence[str]) -> Recording:
    """Return the recording of these lines; CaptureError tells where they break off."""
    plain = [_line(number, line) for number, line in enumerate(lines, 1)]
    if not plain or plain[0].get("v") != VERSION:
        raise CaptureError(f"it does not begin as a recording of version {VERSION} does")
    if "end" not in plain[-1] or plain[-1]["end"] != len(plain) - 2:
        raise CaptureError(f"the recording is cut off: it has {len(plain) - 1} messages and no line that ends it")
    try:
        messages = tuple(
            Said(time=float(each["t"]), side=_side(each["from"]), data=base64.b64decode(each["data"], validate=True))
            for each in plain[1:-1]
        )
        return Recording(protocol=plain[0]["protocol"], transport=plain[0]["transport"], messages=messages)
    except (KeyError, TypeError, ValueError) as error:
        raise CaptureError(f"a message is not as it should be: {error}") from error


def _line(number: int, line: str) -> Mapping[str, Any]:
    try:
        found = json.loads(line)
    except ValueError:
        raise CaptureError(f"line {number} is cut off or no JSON") from None
    if not isinstance(found, dict) or not line.endswith("\n"):
        raise CaptureError(f"line {number} is cut off or no object")
    return found


def _side(text: str) -> str:
    if text not in SIDES:
        raise ValueError(f"from is {text!r}, not one of {', '.join(SIDES)}")
    return text


def from_segments(
    segments: Iterable[Segment], *, protocol: str, transport: str, port: int, every: bool = False
) -> Recording:
    """Return the first conversation with the port of the server, or ``every`` one, as if one client had said it all."""
    client: tuple[str, int] | None = None
    server: tuple[str, int] | None = None
    chosen: list[Segment] = []
    for each in segments:
        if each.transport != transport:
            continue
        if client is None and each.target[1] == port and (each.payload or transport == "tcp"):
            client, server = each.source, each.target
        ends = (each.source, each.target)
        if server in ends and (every or client in ends):
            chosen.append(each)
    ordered = [each for each in chosen if each.payload] if transport == "udp" else list(_streams(chosen))
    zero = ordered[0].time if ordered else 0.0
    return Recording(
        protocol=protocol,
        transport=transport,
        messages=tuple(
            Said(time=each.time - zero, side="server" if each.source == server else "client", data=each.payload)
            for each in ordered
        ),
    )


def _streams(segments: Iterable[Segment]) -> Iterator[Segment]:
    """Yield TCP payloads in the order of the stream, each byte once: what came again or too early is put right."""
    expected: dict[tuple[str, int], int] = {}
    early: dict[tuple[str, int], list[Segment]] = {}
    for each in segments:
        due = expected.setdefault(each.source, each.sequence)
        if not each.payload:
            continue
        waiting = early.setdefault(each.source, [])
        waiting.append(each)
        waiting.sort(key=lambda one: (one.sequence - due) % _WRAP)
        for one in list(waiting):
            behind = (expected[one.source] - one.sequence) % _WRAP
            if behind >= _WRAP // 2:
                break  # something before it is still missing
            waiting.remove(one)
            rest = one.payload[behind:]
            if rest:
                expected[one.source] = (expected[one.source] + len(rest)) % _WRAP
                yield attrs.evolve(one, time=each.time, payload=rest)
