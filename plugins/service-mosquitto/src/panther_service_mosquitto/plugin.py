"""Announces the implementation ``mosquitto``."""

from __future__ import annotations

from collections.abc import Iterator

from panther_protocol_mqtt.clients import CLIENT_ROLES

from panther_hookspecs import Need, ServiceDescriptor, hookimpl
from panther_service_mosquitto.manager import MosquittoManager, MosquittoOptions


@hookimpl
def panther_register_services() -> Iterator[ServiceDescriptor]:
    """Yield the implementation."""
    yield ServiceDescriptor(
        name="mosquitto",
        summary="Eclipse Mosquitto: the broker, and mosquitto_pub and mosquitto_sub as clients",
        factory=MosquittoManager,
        options=MosquittoOptions,
        protocol="mqtt",
        roles=("broker", *CLIENT_ROLES),
        needs=(
            Need("tool", "mosquitto", package="mosquitto", why="the broker"),
            Need("tool", "mosquitto_sub", package="mosquitto-clients", why="the clients"),
            Need("tool", "stdbuf", package="coreutils", why="lets messages of the clients be seen at once"),
        ),
    )
