"""A file server over HTTP/0.9 and HTTP/3, made of aioquic."""

from __future__ import annotations

import argparse
import asyncio
import signal
from pathlib import Path
from typing import Any

from aioquic.asyncio.protocol import QuicConnectionProtocol
from aioquic.asyncio.server import serve
from aioquic.h3.connection import H3_ALPN, H3Connection
from aioquic.h3.events import HeadersReceived
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.events import ProtocolNegotiated, QuicEvent, StreamDataReceived
from aioquic.quic.logger import QuicFileLogger
from aioquic.tls import SessionTicket

HQ = "hq-interop"
TOO_LONG = 4096


class FileServer(QuicConnectionProtocol):
    """One connection."""

    www = Path()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Begin without an application protocol."""
        super().__init__(*args, **kwargs)
        self.http: H3Connection | None = None
        self.asked: dict[int, bytes] = {}
        self.answered: set[int] = set()

    def quic_event_received(self, event: QuicEvent) -> None:
        """Answer requests."""
        if isinstance(event, ProtocolNegotiated) and event.alpn_protocol in H3_ALPN:
            self.http = H3Connection(self._quic)
        elif self.http is not None:
            for each in self.http.handle_event(event):
                if isinstance(each, HeadersReceived):
                    path = dict(each.headers).get(b":path", b"/")
                    self.answer_h3(each.stream_id, path.decode("ascii", "replace"))
        elif isinstance(event, StreamDataReceived) and event.stream_id % 4 == 0:
            line = self.asked[event.stream_id] = self.asked.get(event.stream_id, b"") + event.data
            is_whole = event.end_stream or b"\n" in line or len(line) > TOO_LONG
            if is_whole and event.stream_id not in self.answered:
                # The end of the stream may come after the line, on its own.
                self.answered.add(event.stream_id)
                self.answer_hq(event.stream_id, line.decode("ascii", "replace"))

    def content(self, path: str) -> bytes | None:
        """Return the file of that path, or None."""
        file = self.www / path.lstrip("/")
        return file.read_bytes() if file.resolve().is_relative_to(self.www.resolve()) and file.is_file() else None

    def answer_h3(self, stream: int, path: str) -> None:
        """Answer one request of HTTP/3."""
        assert self.http is not None  # requests come over it
        content = self.content(path)
        status = b"404" if content is None else b"200"
        body = content or b""
        self.http.send_headers(stream, [(b":status", status), (b"content-length", str(len(body)).encode())])
        self.http.send_data(stream, body, end_stream=True)

    def answer_hq(self, stream: int, line: str) -> None:
        """Answer one request of HTTP/0.9."""
        method, _, path = line.strip().partition(" ")
        content = self.content(path) if method == "GET" else None
        if content is None:
            self._quic.reset_stream(stream, 1)
        else:
            self._quic.send_stream_data(stream, content, end_stream=True)


def configuration_of(args: argparse.Namespace) -> QuicConfiguration:
    """Return the configuration that the command line asks for."""
    configuration = QuicConfiguration(
        is_client=False,
        alpn_protocols=[*H3_ALPN, HQ],
        quic_logger=QuicFileLogger(args.qlog),
        secrets_log_file=Path(args.keys).open("a", encoding="ascii"),  # noqa: SIM115 - open as long as it serves
    )
    configuration.load_cert_chain(args.cert, args.key)
    return configuration


def parser() -> argparse.ArgumentParser:
    """Return what reads the command line."""
    found = argparse.ArgumentParser(description=__doc__)
    for name in ("address", "port", "www", "cert", "key", "keys", "qlog"):
        found.add_argument(f"--{name}", required=True)
    found.add_argument("--retry", action="store_true", help="demand that clients repeat a token")
    return found


async def main(args: argparse.Namespace, protocol: type[FileServer] = FileServer) -> None:
    """Serve until SIGTERM."""
    protocol.www = Path(args.www)
    tickets: dict[bytes, SessionTicket] = {}

    def keep(ticket: SessionTicket) -> None:
        tickets[ticket.ticket] = ticket

    server = await serve(
        args.address,
        int(args.port),
        configuration=configuration_of(args),
        create_protocol=protocol,
        retry=args.retry,
        session_ticket_fetcher=lambda label: tickets.pop(label, None),
        session_ticket_handler=keep,
    )
    ended, loop = asyncio.Event(), asyncio.get_running_loop()
    # Not the loop's own way, which asks a socket for its state: simulators of networks cannot tell it.
    signal.signal(signal.SIGTERM, lambda *_: loop.call_soon_threadsafe(ended.set))
    await ended.wait()
    server.close()
    await asyncio.sleep(0)


if __name__ == "__main__":
    asyncio.run(main(parser().parse_args()))
