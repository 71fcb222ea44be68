"""A server that lies on purpose: ``lying_server.py ADDRESS PORT SEED HOW``."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Callable

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset
from panther_protocol_dns.zone import ORIGIN, zone_file
from panther_service_dnspython.answers import Zone, wire_of

Lie = Callable[[dns.message.Message], None]


def nothing(_reply: dns.message.Message) -> None:
    """Tell the truth."""


def wrong_address(reply: dns.message.Message) -> None:
    """Answer every question for an address with the same one."""
    for each in reply.answer:
        if each.rdtype == dns.rdatatype.A:
            each.clear()  # type: ignore[no-untyped-call]
            each.update(dns.rrset.from_text(each.name, 300, "IN", "A", "192.0.2.1"))  # type: ignore[no-untyped-call]


def forget(reply: dns.message.Message) -> None:
    """Leave one record out."""
    for each in reply.answer:
        if len(each) > 1:
            each.remove(each[0])  # type: ignore[no-untyped-call]


def deny(reply: dns.message.Message) -> None:
    """Deny everything."""
    reply.answer.clear()
    reply.set_rcode(dns.rcode.NXDOMAIN)


def no_authority(reply: dns.message.Message) -> None:
    """Be a server that does not know the zone itself."""
    reply.flags &= ~dns.flags.AA


LIES: dict[str, Lie] = {each.__name__: each for each in (nothing, wrong_address, forget, deny, no_authority)}


class Liar(asyncio.DatagramProtocol):
    """Answers over UDP."""

    def __init__(self, zone: Zone, lie: Lie) -> None:
        self._zone, self._lie = zone, lie

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._send = transport.sendto  # type: ignore[attr-defined]

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        query = dns.message.from_wire(data)
        reply = self._zone.reply(query)
        self._lie(reply)
        self._send(wire_of(reply, query, datagram=True), addr)


async def main(address: str, port: int, seed: int, how: str) -> None:
    """Serve until a signal comes."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    zone = Zone.load(zone_file(seed).decode(), ORIGIN)
    await loop.create_datagram_endpoint(lambda: Liar(zone, LIES[how]), local_addr=(address, port))
    sys.stdout.write("serving\n")
    sys.stdout.flush()
    await stop.wait()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]))
