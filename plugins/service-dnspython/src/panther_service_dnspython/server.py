"""A small authoritative server on dnspython, over UDP, TCP, TLS and QUIC."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import signal
import ssl
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import attrs
import dns.exception
import dns.message
import dns.rdatatype
from panther_protocol_dns.plans import CERTIFICATE, KEY, ZONE
from panther_protocol_dns.replies import NAME, Recorder
from panther_protocol_dns.zone import ORIGIN

from panther_service_dnspython.answers import Zone, wire_of
from panther_service_dnspython.quic import serve_quic

READY = "zone loaded, serving"


@attrs.frozen
class Server:
    """Answers queries, whatever they come over, and records them."""

    zone: Zone
    recorder: Recorder

    def answer(self, wire: bytes, transport: str) -> Iterator[bytes]:
        """Yield the replies to one query; what is no query gets none."""
        try:
            query = dns.message.from_wire(wire)
        except dns.exception.DNSException as error:
            self.recorder.note("dropped", transport=transport, size=len(wire), why=type(error).__name__)
            return
        for each in query.question:
            type_ = dns.rdatatype.to_text(each.rdtype)
            self.recorder.note("heard", name=each.name.to_text().lower(), type=type_, transport=transport)
        streamed = transport in ("tcp", "tls")
        if streamed and query.question and query.question[0].rdtype == dns.rdatatype.AXFR:
            replies = self.zone.transfer(query)
        else:
            replies = iter((self.zone.reply(query),))
        for reply in replies:
            yield wire_of(reply, query, datagram=transport == "udp")


class Datagrams(asyncio.DatagramProtocol):
    """Serves over UDP."""

    def __init__(self, server: Server) -> None:
        """Answer as ``server`` says."""
        self._server = server
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the socket."""
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        """Answer a query."""
        for wire in self._server.answer(data, "udp"):
            if self._transport is not None:
                self._transport.sendto(wire, addr)


async def serve_stream(
    server: Server, transport: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    """Serve one connection over TCP or TLS until the client has enough."""
    with contextlib.suppress(asyncio.IncompleteReadError, OSError):
        while True:
            length = int.from_bytes(await reader.readexactly(2))
            for wire in server.answer(await reader.readexactly(length), transport):
                writer.write(len(wire).to_bytes(2) + wire)
            await writer.drain()
    writer.close()


async def serve(server: Server, folder: Path, told: argparse.Namespace) -> None:
    """Serve until a signal comes."""
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    secrets = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    secrets.load_cert_chain(folder / CERTIFICATE, folder / KEY)
    await loop.create_datagram_endpoint(lambda: Datagrams(server), local_addr=(told.host, told.port))
    await asyncio.start_server(lambda *pair: serve_stream(server, "tcp", *pair), told.host, told.port)
    await asyncio.start_server(
        lambda *pair: serve_stream(server, "tls", *pair), told.host, told.secure_port, ssl=secrets
    )
    answer = lambda wire: server.answer(wire, "quic")  # noqa: E731 - one word for three lines
    await serve_quic(answer, (told.host, told.secure_port), folder / CERTIFICATE, folder / KEY)
    sys.stdout.write(f"{READY}\n")
    sys.stdout.flush()
    await stop.wait()


def main() -> None:
    """Serve the zone that lies in the folder."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--dir", type=Path, required=True)
    parser.add_argument("--host", required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--secure-port", type=int, required=True)
    told = parser.parse_args()
    zone = Zone.load((told.dir / ZONE).read_text(encoding="utf-8"), ORIGIN)
    with (told.dir / NAME).open("a", encoding="utf-8") as file:
        asyncio.run(serve(Server(zone, Recorder(file)), told.dir, told))


if __name__ == "__main__":
    main()
