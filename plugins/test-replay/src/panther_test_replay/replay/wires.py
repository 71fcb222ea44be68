"""One conversation over datagrams or a stream, and how the messages of a protocol are read."""

from __future__ import annotations

import argparse
import importlib.util
import select
import socket
import time
from typing import Any

CONNECTING = 5.0


class Stopped(Exception):  # noqa: N818 - not an error
    """A signal has asked the program to end."""


class Dialect:
    """Reads messages of a protocol that has no dialect of its own: as the bytes that they are."""

    def split(self, buffer: bytes) -> tuple[list[bytes], bytes]:
        """Return the whole messages of a stream and what is left."""
        return ([buffer] if buffer else []), b""

    def readable(self, message: bytes) -> str:
        """Return a message so that two right ones compare equal."""
        return message.decode("ascii") if message.isascii() and message.decode().isprintable() else message.hex()

    def adapted(self, answer: bytes, _recorded: bytes, _request: bytes) -> bytes:
        """Return a recorded answer to a recorded request as the answer to another request."""
        return answer


def dialect_of(path: str) -> Any:
    """Return the dialect of a file, or the one for any protocol."""
    if not path:
        return Dialect()
    spec = importlib.util.spec_from_file_location("dialect", path)
    if spec is None or spec.loader is None:
        raise OSError(f"{path} is no Python file")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.Dialect()


class Wire:
    """The conversation with the other side; a server takes the first one that speaks to it."""

    def __init__(self, options: argparse.Namespace) -> None:
        """Connect, or be there to be connected to."""
        self.stream, self._serves = options.transport == "tcp", options.side == "server"
        family = socket.AF_INET6 if ":" in options.address else socket.AF_INET
        self._socket = socket.socket(family, socket.SOCK_STREAM if self.stream else socket.SOCK_DGRAM)
        self._peer: Any = None
        self.closed = False
        if self._serves:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self._socket.bind((options.address, options.port))
            if self.stream:
                self._socket.listen(1)
        else:
            self._socket.bind((options.address, 0))
            self._socket.settimeout(CONNECTING)
            self._socket.connect((options.connect, options.port))
            self._socket.settimeout(None)

    def send(self, data: bytes) -> None:
        """Send; a peer that is gone is noticed when nothing comes back."""
        try:
            if self.stream or not self._serves:
                self._socket.sendall(data) if self.stream else self._socket.send(data)
            elif self._peer is not None:
                self._socket.sendto(data, self._peer)
        except (ConnectionError, BrokenPipeError):
            self.closed = self.stream

    def receive(self, until: float | None) -> bytes | None:
        """Return what comes next, or None when the time is over or the peer has closed the stream."""
        while not self.closed:
            left = None if until is None else max(0.0, until - time.monotonic())
            if not select.select([self._socket], [], [], left)[0]:
                return None
            if self.stream and self._serves and self._peer is None:
                self._socket, self._peer = self._socket.accept()
                continue
            try:
                data, peer = self._socket.recvfrom(65536)
            except ConnectionError:
                if self.stream:
                    self.closed = True
                    return None
                time.sleep(0.001)
                continue
            if self.stream and not data:
                self.closed = True
                return None
            self._peer = self._peer if self.stream else peer
            return data
        return None
