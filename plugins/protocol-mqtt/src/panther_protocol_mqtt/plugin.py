"""Announces the protocol ``mqtt``."""

from __future__ import annotations

from collections.abc import Iterator

from panther_hookspecs import ProtocolDescriptor, Role, hookimpl
from panther_protocol_mqtt.scenarios import SCENARIOS, VERSIONS
from panther_protocol_mqtt.telling import tell

PORT = 1883


@hookimpl
def panther_register_protocols() -> Iterator[ProtocolDescriptor]:
    """Yield the protocol. A publisher's target is the subscriber: who listens must be there first."""
    yield ProtocolDescriptor(
        name="mqtt",
        summary="MQTT 3.1.1 and 5: brokers, publishers, subscribers",
        roles=(
            Role(name="broker", ports={"port": PORT}, transport="tcp"),
            Role(name="subscriber", target="broker", transport="tcp"),
            Role(name="publisher", target="subscriber", transport="tcp"),
        ),
        scenarios=SCENARIOS,
        messages=tell,
        versions=VERSIONS,
    )
