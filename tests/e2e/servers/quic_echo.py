"""A QUIC server that echoes what it gets on a stream, and a client that asks it to, both made of aioquic.

quic_echo.py server HOST PORT CERTIFICATE KEY    quic_echo.py client HOST PORT BYTES
"""

from __future__ import annotations

import asyncio
import signal
import ssl
import sys

from aioquic.asyncio.client import connect
from aioquic.asyncio.protocol import QuicConnectionProtocol
from aioquic.asyncio.server import serve
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.events import QuicEvent, StreamDataReceived

ALPN = ["echo"]


class Echo(QuicConnectionProtocol):
    """Sends back whatever arrives on a stream."""

    def quic_event_received(self, event: QuicEvent) -> None:
        """Answer data with the same data."""
        if isinstance(event, StreamDataReceived):
            self._quic.send_stream_data(event.stream_id, event.data, event.end_stream)
            self.transmit()


async def serving(host: str, port: str, certificate: str, key: str) -> None:
    """Serve until SIGTERM."""
    over = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, over.set)
    configuration = QuicConfiguration(is_client=False, alpn_protocols=ALPN)
    configuration.load_cert_chain(certificate, key)
    server = await serve(host, int(port), configuration=configuration, create_protocol=Echo)
    await over.wait()
    server.close()


async def asking(host: str, port: str, size: str) -> None:
    """Send zeros, and say how many came back."""
    configuration = QuicConfiguration(is_client=True, alpn_protocols=ALPN, verify_mode=ssl.CERT_NONE)
    async with connect(host, int(port), configuration=configuration) as client:
        reader, writer = await client.create_stream()
        writer.write(bytes(int(size)))
        writer.write_eof()
        sys.stdout.write(f"echoed {len(await reader.read())}\n")


if __name__ == "__main__":
    what = serving if sys.argv[1] == "server" else asking
    asyncio.run(what(*sys.argv[2:]))
