"""A client that fetches files over HTTP/0.9 or HTTP/3, made of qh3."""

from __future__ import annotations

import argparse
import asyncio
import socket
import sys
from collections import deque
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from qh3.asyncio.client import connect
from qh3.asyncio.protocol import QuicConnectionProtocol
from qh3.h3.connection import H3Connection
from qh3.h3.events import DataReceived, HeadersReceived
from qh3.quic import events
from qh3.quic.configuration import QuicConfiguration
from qh3.quic.connection import QuicConnectionError
from qh3.quic.logger import QuicFileLogger
from qh3.quic.packet import QuicProtocolVersion
from qh3.tls import CipherSuite, SessionTicket

UNKNOWN_VERSION = 0x1A2A3A4A
V1, V2 = int(QuicProtocolVersion.VERSION_1), int(QuicProtocolVersion.VERSION_2)
DATAGRAM_SIZE = 65536
"""qh3 announces datagrams over HTTP/3 always, and peers close a connection that does not allow them below."""
PATIENCE = 5.0
"""Seconds to wait for a ticket."""


class Connection(QuicConnectionProtocol):
    """One connection: what is wanted, and what has arrived."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Begin without requests."""
        super().__init__(*args, **kwargs)
        self.alpn = ""
        self.http: H3Connection | None = None
        self.wanted: deque[str] = deque()
        self.open: dict[int, str] = {}
        self.parts: dict[int, list[bytes]] = {}
        self.files: dict[str, bytes] = {}
        self.fault = ""
        self.changed = asyncio.Event()
        """Set after whatever happens."""

    def speak(self, alpn: str) -> None:
        """Begin the application protocol."""
        self.alpn = alpn
        if alpn == "h3" and self.http is None:
            self.http = H3Connection(self._quic)

    def quic_event_received(self, event: events.QuicEvent) -> None:
        """Take what arrives."""
        if isinstance(event, events.ProtocolNegotiated):
            self.speak(event.alpn_protocol or "")
        elif isinstance(event, events.ConnectionTerminated):
            self.fail(f"the connection was closed: {event.reason_phrase or 'error'} {event.error_code:#x}")
        elif isinstance(event, events.StreamReset):
            self.fail(f"the server has reset a stream with {event.error_code:#x}")
        if self.http is not None:
            for each in self.http.handle_event(event):
                if isinstance(each, HeadersReceived):
                    status = dict(each.headers).get(b":status", b"200")
                    if status != b"200":
                        self.fail(f"the server answered {status.decode()}")
                    self.take(each.stream_id, b"", ends=each.stream_ended)
                elif isinstance(each, DataReceived):
                    self.take(each.stream_id, each.data, ends=each.stream_ended)
        elif isinstance(event, events.StreamDataReceived):
            self.take(event.stream_id, event.data, ends=event.end_stream)
        self.changed.set()

    def transmit(self) -> None:
        """Ask for more before sending; a packet with nothing but more streams makes no event."""
        if self.alpn:
            self.ask(int(self._quic.max_concurrent_bidi_streams))
        super().transmit()

    def fail(self, why: str) -> None:
        """Nothing more will arrive."""
        self.fault = self.fault or why

    def take(self, stream: int, data: bytes, *, ends: bool) -> None:
        """Take a part of a file."""
        self.parts.setdefault(stream, []).append(data)
        if ends and stream in self.open:
            self.files[self.open.pop(stream)] = b"".join(self.parts.pop(stream))

    def ask(self, most: int) -> None:
        """Request what is wanted; qh3 refuses what exceeds the limit of streams instead of letting it wait."""
        while self.wanted and self.alpn and not self.fault:
            stream = self._quic.get_next_available_stream_id()
            if stream // 4 >= most:
                return
            url = self.wanted.popleft()
            self.open[stream] = url
            self.request(stream, url)

    def request(self, stream: int, url: str) -> None:
        """Ask for a file."""
        parts = urlsplit(url)
        if self.http is None:
            self._quic.send_stream_data(stream, f"GET {parts.path}\r\n".encode(), end_stream=True)
        else:
            headers = {":method": "GET", ":scheme": "https", ":authority": parts.netloc, ":path": parts.path}
            self.http.send_headers(stream, [(name.encode(), text.encode()) for name, text in headers.items()], True)

    async def until(self, count: int) -> None:
        """Wait until so many files have arrived, or none will."""
        while len(self.files) < count and not self.fault:
            self.changed.clear()
            await self.changed.wait()

    async def disturb(self, args: argparse.Namespace) -> None:
        """Do something in the middle of the transfer."""
        while not self._quic._handshake_confirmed and not self.fault:  # noqa: SLF001 - no other way to know
            self.changed.clear()
            await self.changed.wait()
        if args.key_update and not self.fault:
            self.request_key_update()
        if args.migrate and not self.fault:
            ours = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
            ours.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
            ours.bind(("::", 0))
            await asyncio.get_running_loop().create_datagram_endpoint(lambda: self, sock=ours)
            self.change_connection_id()


class Client:
    """Fetches everything that the command line lists."""

    def __init__(self, args: argparse.Namespace) -> None:
        """Read the command line."""
        self.args = args
        first = urlsplit(args.urls[0])
        self.host, self.port = first.hostname or "", first.port or 443
        self.ticket: SessionTicket | None = None
        self.has_ticket = asyncio.Event()
        self.keys = Path(args.keys).open("a", encoding="ascii")  # noqa: SIM115 - open until the end

    def configuration(self) -> QuicConfiguration:
        """Return the configuration of one connection."""
        args = self.args
        found = QuicConfiguration(
            alpn_protocols=[args.alpn],
            quic_logger=QuicFileLogger(args.qlog),
            secrets_log_file=self.keys,
            supported_versions=[V2 if args.version == "v2" else V1],
            max_datagram_frame_size=DATAGRAM_SIZE,
            session_ticket=self.ticket,
        )
        found.load_verify_locations(args.ca)
        if args.chacha20:
            found.cipher_suites = [CipherSuite.CHACHA20_POLY1305_SHA256]
        if args.upgrade:
            found.original_version, found.supported_versions = V1, [V2, V1]
        if args.unknown_version:
            found.original_version, found.supported_versions = UNKNOWN_VERSION, [UNKNOWN_VERSION, V1]
        return found

    def keep(self, ticket: SessionTicket) -> None:
        """Keep a ticket for the next connection."""
        self.ticket = ticket
        self.has_ticket.set()

    async def fetch(self, urls: list[str], *, early: bool = False, last: bool = True) -> str:
        """Fetch some files over one connection; return what went wrong, or nothing."""
        args = self.args
        async with connect(
            self.host,
            self.port,
            configuration=self.configuration(),
            create_protocol=Connection,
            session_ticket_handler=self.keep,
            wait_connected=False,
        ) as one:
            assert isinstance(one, Connection)  # it was just asked for
            one.wanted.extend(urls)
            if early:
                one.speak(args.alpn)
                one.ask(len(urls))
                one.transmit()
            if args.key_update or args.migrate:
                await one.disturb(args)
            await one.until(len(urls))
            for url, content in one.files.items():
                (Path(args.downloads) / Path(urlsplit(url).path).name).write_bytes(content)
            if not last and not one.fault:
                await asyncio.wait_for(self.has_ticket.wait(), PATIENCE)
            return one.fault if len(one.files) < len(urls) else ""

    async def run(self) -> str:
        """Fetch everything."""
        urls = self.args.urls
        if self.args.connection_each:
            return next(filter(None, [await self.fetch([url]) for url in urls]), "")
        if self.args.resume:
            first = await self.fetch(urls[:1], last=False)
            return first or await self.fetch(urls[1:], early=self.args.early)
        return await self.fetch(urls)


def parser() -> argparse.ArgumentParser:
    """Return what reads the command line."""
    found = argparse.ArgumentParser(description=__doc__)
    for name in ("ca", "downloads", "alpn", "version", "keys", "qlog"):
        found.add_argument(f"--{name}", required=True)
    for name, told in {
        "chacha20": "offer ChaCha20-Poly1305 alone",
        "resume": "fetch the first file, then the others over a second connection that resumes the first",
        "early": "send the requests of the second connection before its handshake",
        "connection-each": "use a connection for each file",
        "key-update": "update the keys after the handshake",
        "unknown-version": "begin with a version that nobody knows",
        "upgrade": "begin with version 1 and offer version 2",
        "migrate": "change the address after the handshake",
    }.items():
        found.add_argument(f"--{name}", action="store_true", help=told)
    found.add_argument("urls", nargs="+")
    return found


def main() -> int:
    """Fetch; say in one line what went wrong."""
    try:
        fault = asyncio.run(Client(parser().parse_args()).run())
    except (QuicConnectionError, OSError, TimeoutError, ValueError) as error:
        fault = f"{type(error).__module__}.{type(error).__name__}: {error}"
    if fault:
        sys.stderr.write(f"error: {fault}\n")
    return 1 if fault else 0


if __name__ == "__main__":
    sys.exit(main())
