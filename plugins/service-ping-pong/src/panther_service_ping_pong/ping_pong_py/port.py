"""The socket of a MiniP program and the transcript of everything that crosses it."""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import time

from panther_service_ping_pong.ping_pong_py.wire import LONGEST_VALUE, Message, decode, encode

Address = tuple[str, int] | tuple[str, int, int, int]


class Stopped(Exception):  # noqa: N818 - not an error
    """A signal has asked the program to end."""


def say(text: str) -> None:
    """Tell a person what happens."""
    print(text, flush=True)  # noqa: T201 - standard output is the program's log


class Transcript:
    """Every message sent and received, one JSON object a line, each written at once."""

    def __init__(self, path: str) -> None:
        """Go on writing at the end of ``path``: a program that is started again does not lose what was."""
        self._zero = time.time() - time.monotonic()
        self._file = open(path, "a+b", buffering=0)  # noqa: SIM115 - open until the program ends
        if self._file.tell():
            self._file.seek(-1, os.SEEK_END)
            if self._file.read() != b"\n":
                self._file.write(b"\n")

    def now(self) -> float:
        """Return the seconds since the epoch, from a clock that never jumps."""
        return round(self._zero + time.monotonic(), 6)

    def note(self, event: str, **details: object) -> None:
        """Add a line; it is about this moment unless ``t`` says otherwise."""
        self._file.write(json.dumps({"t": self.now(), "event": event, **details}).encode() + b"\n")

    def message(self, event: str, message: Message, peer: Address, **details: object) -> None:
        """Add a line about a message."""
        fields = {key: value[:LONGEST_VALUE] for key, value in message.fields.items()}
        self.note(
            event,
            version=message.version,
            type=message.kind,
            peer=readable(peer),
            bytes=message.size,
            **details,
            fields=fields,
        )


def readable(address: Address) -> str:
    """Return address and port as people write them."""
    return f"[{address[0]}]:{address[1]}" if ":" in address[0] else f"{address[0]}:{address[1]}"


class Port:
    """A UDP socket that speaks in messages, writes the transcript, and knows when a signal has come."""

    def __init__(self, address: str, port: int, *, transcript: Transcript, trusting: bool) -> None:
        """Bind to ``address``; 0 lets the system choose the port."""
        self._socket = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind((address, port))
        self._socket.setblocking(False)
        self._transcript = transcript
        self._trusting = trusting
        self._wake, wake = os.pipe()
        os.set_blocking(wake, False)
        signal.set_wakeup_fd(wake)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: None)
        self._peer: Address | None = None
        self.address: Address = self._socket.getsockname()
        self.unreachable = 0

    def connect(self, address: str, port: int) -> None:
        """Talk to one peer only, and so learn when its port is closed."""
        self._socket.connect((address, port))
        self._peer = (address, port)

    def send(self, message: Message, peer: Address | None = None, tries: int = 1) -> None:
        """Send to ``peer`` or whom we are connected to; a network that refuses is as good as one that loses."""
        to, now = peer or self._peer or self.address, self._transcript.now()
        datagram = encode(message)
        message.size = len(datagram)
        try:
            self._socket.send(datagram) if self._peer else self._socket.sendto(datagram, to)
        except OSError as error:
            self.unreachable += isinstance(error, ConnectionRefusedError)
            self._transcript.note("unsent", type=message.kind, why=str(error))
            return
        self._transcript.message("sent", message, to, t=now, tries=tries)

    def pause(self, until: float | None, *, listen: bool = False) -> bool:
        """Wait until a time, or with ``listen`` for a datagram; return whether one is there."""
        watched: list[int | socket.socket] = [self._wake, self._socket] if listen else [self._wake]
        left = None if until is None else max(0.0, until - time.monotonic())
        ready, _, _ = select.select(watched, [], [], left)
        if self._wake in ready:
            raise Stopped
        return bool(ready)

    def receive(self, until: float | None = None) -> tuple[Message, Address] | None:
        """Return the next message that can be understood, or None when the time is over."""
        while self.pause(until, listen=True):
            try:
                datagram, peer = self._socket.recvfrom(65535)
            except OSError as error:
                self.unreachable += isinstance(error, ConnectionRefusedError)
                continue
            try:
                message = decode(datagram, trusting=self._trusting)
            except ValueError as error:
                self._transcript.note("dropped", why=str(error), peer=readable(peer), bytes=len(datagram))
                continue
            self.unreachable = 0
            self._transcript.message("received", message, peer)
            return message, peer
        return None
