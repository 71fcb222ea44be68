"""A client that fetches files over HTTP/0.9 or HTTP/3, made of aioquic."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import socket
import ssl
import sys
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from aioquic.asyncio.protocol import QuicConnectionProtocol
from aioquic.h3.connection import H3Connection
from aioquic.h3.events import DataReceived, HeadersReceived
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.connection import QuicConnection
from aioquic.quic.events import (
    ConnectionTerminated,
    HandshakeCompleted,
    ProtocolNegotiated,
    QuicEvent,
    StreamDataReceived,
    StreamReset,
)
from aioquic.quic.logger import QuicFileLogger
from aioquic.quic.packet import QuicProtocolVersion
from aioquic.tls import CipherSuite, SessionTicket

UNKNOWN_VERSION = 0x1A2A3A4A
V1, V2 = QuicProtocolVersion.VERSION_1, QuicProtocolVersion.VERSION_2
UPDATE_AFTER = 100_000
"""Bytes that have arrived when the keys are updated, or the address is changed: in the middle of things."""


class FetchError(Exception):
    """A file did not arrive."""


class Fetcher(QuicConnectionProtocol):
    """One connection."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Begin without anything requested."""
        super().__init__(*args, **kwargs)
        self.http: H3Connection | None = None
        self.waiting: dict[int, asyncio.Future[bytes]] = {}
        self.parts: dict[int, list[bytes]] = {}
        self.status: dict[int, bytes] = {}
        self.received = 0
        self.secured = asyncio.Event()
        self.ended = ""
        self.is_busy = asyncio.Event()
        """Set when a part of the files has arrived."""

    def quic_event_received(self, event: QuicEvent) -> None:
        """Collect what arrives."""
        if isinstance(event, ProtocolNegotiated) and event.alpn_protocol == "h3" and self.http is None:
            self.http = H3Connection(self._quic)
        if isinstance(event, HandshakeCompleted):
            self.secured.set()
        elif isinstance(event, ConnectionTerminated):
            self.end(f"the connection was closed: {event.reason_phrase or 'error'} {event.error_code:#x}")
        elif isinstance(event, StreamReset):
            self.finish(event.stream_id, f"the server has reset the stream with {event.error_code:#x}")
        if self.http is not None:
            for each in self.http.handle_event(event):
                if isinstance(each, HeadersReceived):
                    self.status.setdefault(each.stream_id, dict(each.headers).get(b":status", b""))
                    self.take(each.stream_id, b"", ends=each.stream_ended)
                elif isinstance(each, DataReceived):
                    self.take(each.stream_id, each.data, ends=each.stream_ended)
        elif isinstance(event, StreamDataReceived):
            self.take(event.stream_id, event.data, ends=event.end_stream)

    def take(self, stream: int, data: bytes, *, ends: bool) -> None:
        """Take a part of a file."""
        self.parts.setdefault(stream, []).append(data)
        self.received += len(data)
        if self.received > UPDATE_AFTER:
            self.is_busy.set()
        if ends:
            status = self.status.get(stream, b"200")
            self.finish(stream, "" if status == b"200" else f"the server answered {status.decode()}")

    def finish(self, stream: int, error: str) -> None:
        """A file is complete, or will never be."""
        future = self.waiting.pop(stream, None)
        if future is not None and not future.done():
            if error:
                future.set_exception(FetchError(error))
            else:
                future.set_result(b"".join(self.parts.pop(stream, [])))

    def end(self, why: str) -> None:
        """Nothing more will arrive."""
        self.ended = self.ended or why
        self.secured.set()
        for stream in tuple(self.waiting):
            self.finish(stream, why)

    def speak_early(self) -> None:
        """Do not wait until the server agrees to HTTP/3."""
        self.http = H3Connection(self._quic)

    async def move(self) -> None:
        """Go on from another socket, under another connection id."""
        former = self._transport
        assert former is not None  # it is connected
        address = former.get_extra_info("sockname")
        ours = socket.socket(former.get_extra_info("socket").family, socket.SOCK_DGRAM)
        ours.bind((address[0], 0, *address[2:]))
        await asyncio.get_running_loop().create_datagram_endpoint(lambda: self, sock=ours)
        self.change_connection_id()
        self.transmit()

    def request(self, url: str) -> asyncio.Future[bytes]:
        """Ask for a file."""
        parts = urlsplit(url)
        stream = self._quic.get_next_available_stream_id()
        future = self.waiting[stream] = asyncio.get_running_loop().create_future()
        if self.http is None:
            self._quic.send_stream_data(stream, f"GET {parts.path}\r\n".encode(), end_stream=True)
        else:
            headers = {":method": "GET", ":scheme": "https", ":authority": parts.netloc, ":path": parts.path}
            encoded = [(name.encode(), value.encode()) for name, value in headers.items()]
            self.http.send_headers(stream, encoded, end_stream=True)
        return future


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
        configuration = QuicConfiguration(
            alpn_protocols=[args.alpn],
            quic_logger=QuicFileLogger(args.qlog),
            secrets_log_file=self.keys,
            supported_versions=[V2 if args.version == "v2" else V1],
            max_data=1 << 24,
            max_stream_data=1 << 23,
            verify_mode=ssl.CERT_REQUIRED,
        )
        configuration.load_verify_locations(args.ca)
        if args.chacha20:
            configuration.cipher_suites = [CipherSuite.CHACHA20_POLY1305_SHA256]
        if args.upgrade:
            configuration.original_version, configuration.supported_versions = V1, [V2, V1]
        if args.unknown_version:
            configuration.original_version = UNKNOWN_VERSION
            configuration.supported_versions = [UNKNOWN_VERSION, V1]
        return configuration

    def keep(self, ticket: SessionTicket) -> None:
        """Keep a ticket for the next connection."""
        self.ticket = ticket
        self.has_ticket.set()

    @contextlib.asynccontextmanager
    async def connected(self, configuration: QuicConfiguration) -> AsyncIterator[Fetcher]:
        """Give a connection that has not sent anything, from a socket of the family of the server's address."""
        loop = asyncio.get_running_loop()
        (family, *_, address), *_ = await loop.getaddrinfo(self.host, self.port, type=socket.SOCK_DGRAM)
        configuration.server_name = self.host
        connection = QuicConnection(configuration=configuration, session_ticket_handler=self.keep)
        ours = socket.socket(family, socket.SOCK_DGRAM)
        ours.bind(("::" if family == socket.AF_INET6 else "0.0.0.0", 0))  # noqa: S104 - the system chooses the interface
        transport, protocol = await loop.create_datagram_endpoint(lambda: Fetcher(connection), sock=ours)
        try:
            protocol.connect(address, transmit=False)
            yield protocol
        finally:
            protocol.close()
            await protocol.wait_closed()
            transport.close()

    async def fetch(self, urls: Sequence[str], *, early: bool = False, last: bool = True) -> None:
        """Fetch some files over one connection."""
        configuration = self.configuration()
        configuration.session_ticket = self.ticket
        async with self.connected(configuration) as protocol:
            if early and self.args.alpn == "h3":
                protocol.speak_early()
            futures = [protocol.request(url) for url in urls] if early else []
            protocol.transmit()
            if not early:
                await protocol.secured.wait()
                if protocol.ended:
                    raise FetchError(protocol.ended)
                futures = [protocol.request(url) for url in urls]
                protocol.transmit()
            if self.args.key_update or self.args.migrate:
                await self.disturb(protocol, futures)
            for url, content in zip(urls, await asyncio.gather(*futures), strict=True):
                (Path(self.args.downloads) / Path(urlsplit(url).path).name).write_bytes(content)
            if not last:
                await asyncio.wait_for(self.has_ticket.wait(), 5)

    async def disturb(self, protocol: Fetcher, futures: Sequence[asyncio.Future[bytes]]) -> None:
        """Do something in the middle of the transfer."""
        for each in futures:
            each.add_done_callback(lambda _future: protocol.is_busy.set())
        await protocol.is_busy.wait()
        if self.args.key_update:
            protocol.request_key_update()
            await protocol.ping()
        if self.args.migrate:
            await protocol.move()

    async def run(self) -> None:
        """Fetch everything."""
        urls = self.args.urls
        if self.args.connection_each:
            for url in urls:
                await self.fetch([url])
        elif self.args.resume:
            await self.fetch(urls[:1], last=False)
            await self.fetch(urls[1:], early=self.args.early)
        else:
            await self.fetch(urls)


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
        "key-update": "update the keys in the middle of the transfer",
        "unknown-version": "begin with a version that nobody knows",
        "upgrade": "begin with version 1 and offer version 2",
        "migrate": "change the address in the middle of the transfer",
    }.items():
        found.add_argument(f"--{name}", action="store_true", help=told)
    found.add_argument("urls", nargs="+")
    return found


def main() -> int:
    """Fetch; say in one line what went wrong."""
    try:
        asyncio.run(Client(parser().parse_args()).run())
    except (FetchError, OSError, TimeoutError) as error:
        sys.stderr.write(f"error: {str(error) or type(error).__name__}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
