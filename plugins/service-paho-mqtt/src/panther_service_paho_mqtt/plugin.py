"""Announces the implementation ``paho-mqtt``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import attrs
from panther_protocol_mqtt.clients import CLIENT_ROLES, client_plan

from panther_hookspecs import (
    Need,
    NoOptions,
    ServiceContext,
    ServiceDescriptor,
    ServiceManager,
    ServicePlan,
    hookimpl,
)


@attrs.frozen
class PahoManager(ServiceManager):
    """Plans a client."""

    options: NoOptions

    def plan(self, context: ServiceContext) -> ServicePlan:
        """Return the plan for the service described by ``context``."""
        return client_plan(Path(__file__).with_name("client.py"), context)


@hookimpl
def panther_register_services() -> Iterator[ServiceDescriptor]:
    """Yield the implementation."""
    yield ServiceDescriptor(
        name="paho-mqtt",
        summary="Eclipse Paho: publishers and subscribers on the Python client library",
        factory=PahoManager,
        protocol="mqtt",
        roles=CLIENT_ROLES,
        needs=(Need("python", "paho.mqtt.client", package="paho-mqtt", why="the library that speaks MQTT"),),
    )
