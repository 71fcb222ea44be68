"""One connection of a client that asks for single files, and its requests."""

from __future__ import annotations

import asyncio
import hashlib
import time

import attrs
from aioquic.asyncio.protocol import QuicConnectionProtocol
from aioquic.h3.connection import H3Connection
from aioquic.h3.events import DataReceived, HeadersReceived
from aioquic.quic.connection import QuicConnection
from aioquic.quic.events import (
    ConnectionTerminated,
    HandshakeCompleted,
    QuicEvent,
    StreamDataReceived,
    StreamReset,
)


@attrs.define
class Request:
    """One request, and what came of it; moments are of the monotonic clock, 0 for what did not happen."""

    path: str
    due: float
    sent: float = 0.0
    answered: float = 0.0
    status: str = ""
    body: bytes = b""

    @property
    def answer(self) -> str:
        """The answer as a line that can be compared."""
        if not self.answered:
            return ""
        told = hashlib.sha256(self.body).hexdigest()[:16]
        bad = f"status {self.status}, " if self.status not in ("", "200") else ""  # HTTP/0.9 has none
        return f"{self.path}: {bad}{len(self.body)} bytes, sha256 {told}"


class Talk(QuicConnectionProtocol):
    """One connection."""

    def __init__(self, quic: QuicConnection) -> None:
        """Begin without anything asked."""
        super().__init__(quic)
        self.ready = asyncio.Event()
        self.over = False
        self._http: H3Connection | None = None
        self._asked: dict[int, Request] = {}

    def ask(self, request: Request, host: str) -> None:
        """Send a request."""
        stream = self._quic.get_next_available_stream_id()
        self._asked[stream] = request
        if self._http is None:
            self._quic.send_stream_data(stream, f"GET {request.path}\r\n".encode(), end_stream=True)
        else:
            headers = {":method": "GET", ":scheme": "https", ":authority": host, ":path": request.path}
            self._http.send_headers(stream, [(k.encode(), v.encode()) for k, v in headers.items()], end_stream=True)
        request.sent = time.monotonic()
        self.transmit()

    def quic_event_received(self, event: QuicEvent) -> None:
        """Take what arrives."""
        if isinstance(event, HandshakeCompleted):
            self._http = H3Connection(self._quic) if event.alpn_protocol == "h3" else None
            self.ready.set()
        elif isinstance(event, ConnectionTerminated):
            self.over = True
            self.ready.set()
        elif isinstance(event, StreamReset):
            self._take(event.stream_id, b"", f"reset {event.error_code:#x}", ends=True)
        elif self._http is None and isinstance(event, StreamDataReceived):
            self._take(event.stream_id, event.data, "", ends=event.end_stream)
        for each in self._http.handle_event(event) if self._http else ():
            if isinstance(each, HeadersReceived):
                status = dict(each.headers).get(b":status", b"").decode()
                self._take(each.stream_id, b"", status, ends=each.stream_ended)
            elif isinstance(each, DataReceived):
                self._take(each.stream_id, each.data, "", ends=each.stream_ended)

    def _take(self, stream: int, data: bytes, status: str, *, ends: bool) -> None:
        request = self._asked.get(stream)
        if request is not None:
            request.body += data
            request.status = request.status or status
            if ends:
                request.answered = time.monotonic()
                del self._asked[stream]
