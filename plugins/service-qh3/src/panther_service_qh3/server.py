"""A file server over HTTP/0.9 and HTTP/3, made of qh3."""

from __future__ import annotations

import argparse
import asyncio
import signal
from pathlib import Path
from typing import Any

from qh3.asyncio.protocol import QuicConnectionProtocol
from qh3.asyncio.server import serve
from qh3.h3.connection import H3Connection
from qh3.h3.events import HeadersReceived
from qh3.quic import events
from qh3.quic.configuration import QuicConfiguration
from qh3.quic.logger import QuicFileLogger
from qh3.quic.packet import QuicProtocolVersion
from qh3.tls import SessionTicket

DATAGRAM_SIZE = 65536
"""qh3 announces datagrams over HTTP/3 always, and peers close a connection that does not allow them below."""


class Connection(QuicConnectionProtocol):
    """One connection."""

    www = Path()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Begin without an application protocol."""
        super().__init__(*args, **kwargs)
        self.http: H3Connection | None = None
        self.lines: dict[int, bytes] = {}

    def quic_event_received(self, event: events.QuicEvent) -> None:
        """Answer requests."""
        if isinstance(event, events.ProtocolNegotiated) and event.alpn_protocol == "h3":
            self.http = H3Connection(self._quic)
        if self.http is not None:
            for each in self.http.handle_event(event):
                if isinstance(each, HeadersReceived):
                    path = dict(each.headers).get(b":path", b"/").decode("ascii", "replace")
                    self.answer(self.http, each.stream_id, self.content(path))
        elif isinstance(event, events.StreamDataReceived):
            line = self.lines[event.stream_id] = self.lines.get(event.stream_id, b"") + event.data
            if event.end_stream:
                path = self.lines.pop(event.stream_id).decode("ascii", "replace").strip().removeprefix("GET ")
                content = self.content(path) if line.startswith(b"GET ") else None
                if content is None:
                    self._quic.reset_stream(event.stream_id, 1)
                else:
                    self._quic.send_stream_data(event.stream_id, content, end_stream=True)

    def content(self, path: str) -> bytes | None:
        """Return the file of that path, or None."""
        file = (self.www / path.lstrip("/")).resolve()
        return file.read_bytes() if file.is_relative_to(self.www.resolve()) and file.is_file() else None

    def answer(self, http: H3Connection, stream: int, content: bytes | None) -> None:
        """Answer one request of HTTP/3."""
        status, body = (b"404", b"") if content is None else (b"200", content)
        http.send_headers(stream, [(b":status", status), (b"content-length", str(len(body)).encode())])
        http.send_data(stream, body, True)


def parser() -> argparse.ArgumentParser:
    """Return what reads the command line."""
    found = argparse.ArgumentParser(description=__doc__)
    for name in ("address", "port", "www", "cert", "key", "keys", "qlog"):
        found.add_argument(f"--{name}", required=True)
    found.add_argument("--retry", action="store_true", help="demand that clients repeat a token")
    found.add_argument("--v2", action="store_true", help="know version 2, too")
    return found


def configuration_of(args: argparse.Namespace) -> QuicConfiguration:
    """Return the configuration that the command line asks for."""
    versions = [int(QuicProtocolVersion.VERSION_2), int(QuicProtocolVersion.VERSION_1)]
    found = QuicConfiguration(
        is_client=False,
        alpn_protocols=["h3", "hq-interop"],
        quic_logger=QuicFileLogger(args.qlog),
        secrets_log_file=Path(args.keys).open("a", encoding="ascii"),  # noqa: SIM115 - open as long as it serves
        supported_versions=versions if args.v2 else versions[1:],
        max_datagram_frame_size=DATAGRAM_SIZE,
    )
    found.load_cert_chain(args.cert, args.key)
    return found


async def main(args: argparse.Namespace) -> None:
    """Serve until SIGTERM."""
    Connection.www = Path(args.www)
    tickets: dict[bytes, SessionTicket] = {}
    server = await serve(
        args.address,
        int(args.port),
        configuration=configuration_of(args),
        create_protocol=Connection,
        retry=args.retry,
        session_ticket_fetcher=lambda label: tickets.pop(label, None),
        session_ticket_handler=lambda ticket: tickets.update({ticket.ticket: ticket}),
    )
    ended = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    await ended.wait()
    server.close()  # type: ignore[no-untyped-call]
    await asyncio.sleep(0)


if __name__ == "__main__":
    asyncio.run(main(parser().parse_args()))
