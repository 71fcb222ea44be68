"""Announces the protocol ``dns``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from panther_hookspecs import ProtocolDescriptor, Role, hookimpl
from panther_protocol_dns.scenarios import SCENARIOS
from panther_protocol_dns.telling import tell

PORT, SECURE_PORT = 53, 853


@hookimpl
def panther_register_protocols() -> Iterator[ProtocolDescriptor]:
    """Yield the protocol."""
    yield ProtocolDescriptor(
        name="dns",
        summary="DNS over UDP, TCP, TLS and QUIC: authoritative servers and clients",
        roles=(
            Role(name="server", ports={"port": PORT, "secure": SECURE_PORT}),
            Role(name="client", target="server"),
        ),
        scenarios=SCENARIOS,
        dialect=Path(__file__).with_name("dialect.py"),
        messages=tell,
    )
