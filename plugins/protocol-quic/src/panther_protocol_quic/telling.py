"""What the two sides sent to each other, for a person to look at."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from panther_hookspecs import Message, ScenarioEvidence
from panther_protocol_quic.evidence.packets import Kind, Packet
from panther_protocol_quic.evidence.traffic import Connection
from panther_protocol_quic.seeing import MEMO, sights

_MOST, _MOST_OPENED = 200, 40
"""Packets that are told, and those of them whose content is told: opening one costs most."""
_HELLOS = {True: "ClientHello", False: "ServerHello"}


def tell(seen: ScenarioEvidence) -> Iterator[Message]:
    """Yield the packets of every client, the first of each."""
    for sight in sights(_scenario(seen), seen):
        traffic = sight.any("server")
        if traffic is None:
            continue
        client, server = sight.case.client.name, sight.case.server.name
        owned = ((each, packet) for each in traffic.connections for packet in each.packets)
        for at, (connection, packet) in enumerate(itertools.islice(owned, _MOST)):
            ends = (client, server) if packet.from_client else (server, client)
            detail = _detail(connection, packet) if at < _MOST_OPENED else f"{packet.size} bytes"
            yield Message(time=packet.time, source=ends[0], target=ends[1], label=packet.kind.value, detail=detail)


def _scenario(seen: ScenarioEvidence) -> str:
    return next((each.case.scenario for each in seen.evidence.memo.get(MEMO, ())), "")


def _detail(connection: Connection, packet: Packet) -> str:
    """Return what is in a packet, in a few words."""
    opened = connection.opened(packet) if packet.data else None
    names = [each.name for each in connection.frames(packet)] if opened else list(packet.frames or ())
    parts = [f"{packet.size} bytes", " ".join(dict.fromkeys(names))]
    if packet.kind is Kind.INITIAL and "crypto" in names and connection.hello(from_client=packet.from_client):
        parts.append(_HELLOS[packet.from_client])
    if packet.kind is Kind.NEGOTIATION and packet.versions:
        parts.append("offers " + " ".join(f"{each:#x}" for each in packet.versions))
    if opened is not None:
        parts.append(f"number {opened.number}")
    return ", ".join(filter(None, parts))
