"""Connections to a server: datagrams and streams alike, never blocking, opened again when they break."""

from __future__ import annotations

import argparse
import importlib.util
import socket
import time
from typing import Any

REOPEN = 0.05
"""Seconds between attempts to open a session again that the server has forgotten."""


def dialect_class(path: str) -> Any:
    """Return the class ``Dialect`` of a Python file."""
    spec = importlib.util.spec_from_file_location("dialect", path)
    if spec is None or spec.loader is None:
        raise OSError(f"{path} is no Python file")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.Dialect


class Line:
    """One connection with the session that lives on it."""

    def __init__(self, options: argparse.Namespace, number: int) -> None:
        """Connect; the session gets a name of its own."""
        self._options = options
        parameters = dict(each.split("=", 1) for each in options.set)
        name = f"{options.name}-{number}" if options.connections > 1 else options.name
        self.dialect = dialect_class(options.dialect)(seed=options.seed, name=name, **parameters)
        self._stream = options.transport == "tcp"
        self._buffer, self._pending = b"", b""
        self._opened_at = 0.0
        self.socket: socket.socket | None = None
        self._connect()

    def _connect(self) -> None:
        family = socket.AF_INET6 if ":" in self._options.connect else socket.AF_INET
        made = socket.socket(family, socket.SOCK_STREAM if self._stream else socket.SOCK_DGRAM)
        if self._options.address:
            made.bind((self._options.address, 0))
        if self._stream:
            made.settimeout(1.0)
            made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        else:
            for buffer in (socket.SO_SNDBUF, socket.SO_RCVBUF):
                made.setsockopt(socket.SOL_SOCKET, buffer, 1 << 22)
        made.connect((self._options.connect, self._options.port))
        made.setblocking(False)
        self.socket, self._buffer, self._pending = made, b"", b""

    def send(self, data: bytes) -> bool:
        """Send a message; False where the system does not take it now."""
        if self.socket is None:
            return False
        try:
            if not self._stream:
                self.socket.send(data)
                return True
            if self._pending and not self._flush():
                return False
            self._pending = data[self.socket.send(data) :]
        except ConnectionRefusedError:
            return True  # tells of an earlier datagram; this one counts as sent and lost if it was not
        except (BlockingIOError, InterruptedError):
            return False
        except OSError:
            self._broken()
            return False
        return True

    def _flush(self) -> bool:
        assert self.socket is not None
        self._pending = self._pending[self.socket.send(self._pending) :]
        return not self._pending

    def receive(self) -> list[bytes]:
        """Return the messages that are there."""
        if self.socket is None:
            return []
        try:
            data = self.socket.recv(65536)
        except (BlockingIOError, InterruptedError):
            return []
        except ConnectionRefusedError:
            return []
        except OSError:
            self._broken()
            return []
        if not self._stream:
            return [data]
        if not data:
            self._broken()
            return []
        messages, self._buffer = self.dialect.split(self._buffer + data)
        return list(messages)

    def _broken(self) -> None:
        """Close a connection that is of no use any more."""
        if self._stream and self.socket is not None:
            self.socket.close()
            self.socket = None

    def reopen(self, now: float) -> None:
        """Open connection and session again, unless that was tried a moment ago."""
        if now - self._opened_at < REOPEN:
            return
        self._opened_at = now
        if self.socket is None:
            try:
                self._connect()
            except OSError:
                return
        for each in self.dialect.opening():
            self.send(each)

    def close(self) -> None:
        """Say goodbye."""
        for each in self.dialect.closing():
            self.send(each)
        if self.socket is not None:
            self.socket.close()


def clock() -> float:
    """Return seconds from the clock that all measurements use; it is the same for every process of a machine."""
    return time.monotonic()
