"""Announces the protocol ``minip``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from panther_hookspecs import ProtocolDescriptor, Role, hookimpl
from panther_protocol_minip.messages import messages
from panther_protocol_minip.scenarios import SCENARIOS

PORT = 7117


@hookimpl
def panther_register_protocols() -> Iterator[ProtocolDescriptor]:
    """Yield the protocol."""
    yield ProtocolDescriptor(
        name="minip",
        summary="A small datagram protocol for trying things out: greeting, pings, file transfer",
        roles=(Role(name="server", ports={"port": PORT}), Role(name="client", target="server")),
        scenarios=SCENARIOS,
        versions=("1", "2"),
        dialect=Path(__file__).with_name("dialect.py"),
        messages=messages,
    )
