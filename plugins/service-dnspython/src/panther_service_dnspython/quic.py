"""DNS over QUIC for the server: every query on a stream of its own, its length before it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from aioquic.asyncio.protocol import QuicConnectionProtocol
from aioquic.asyncio.server import serve
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.events import QuicEvent, StreamDataReceived

Answer = Callable[[bytes], Iterable[bytes]]


class Queries(QuicConnectionProtocol):
    """One connection."""

    def __init__(self, *args: Any, answer: Answer, **named: Any) -> None:
        """Answer as ``answer`` says."""
        super().__init__(*args, **named)
        self._answer = answer
        self._received: dict[int, bytes] = {}

    def quic_event_received(self, event: QuicEvent) -> None:
        """Answer a query when its stream is complete."""
        if not isinstance(event, StreamDataReceived):
            return
        so_far = self._received.get(event.stream_id, b"") + event.data
        self._received[event.stream_id] = so_far
        if not event.end_stream:
            return
        del self._received[event.stream_id]
        for wire in self._answer(so_far[2:]):
            self._quic.send_stream_data(event.stream_id, len(wire).to_bytes(2) + wire, end_stream=True)
        self.transmit()


async def serve_quic(answer: Answer, address: tuple[str, int], certificate: Path, key: Path) -> None:
    """Begin to serve."""
    configuration = QuicConfiguration(is_client=False, alpn_protocols=["doq"])
    configuration.load_cert_chain(certificate, key)
    await serve(
        *address,
        configuration=configuration,
        create_protocol=lambda *args, **named: Queries(*args, answer=answer, **named),
    )
