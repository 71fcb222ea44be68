"""Announces the protocol ``quic``."""

from __future__ import annotations

from collections.abc import Iterator

from panther_hookspecs import ProtocolDescriptor, Role, hookimpl
from panther_protocol_quic.parameters import PROTOCOL
from panther_protocol_quic.speaking import SPEAKER

PORT = 4433


@hookimpl
def panther_register_protocols() -> Iterator[ProtocolDescriptor]:
    """Yield the protocol."""
    from panther_protocol_quic.scenarios import SCENARIOS, messages  # noqa: PLC0415 - of no use to who only lists plugins

    yield ProtocolDescriptor(
        name=PROTOCOL,
        summary="QUIC and HTTP/3: the scenarios of interoperability, judged from files, packets and qlog",
        roles=(Role(name="server", ports={"port": PORT}), Role(name="client", target="server")),
        scenarios=SCENARIOS,
        versions=("v1", "v2"),
        messages=messages,
        encrypted=True,
        speaker=SPEAKER,
    )
