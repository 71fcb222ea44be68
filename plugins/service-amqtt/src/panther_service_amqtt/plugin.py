"""Announces the implementation ``amqtt``."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import attrs

from panther_hookspecs import (
    Need,
    NoOptions,
    Output,
    Readiness,
    ServiceContext,
    ServiceDescriptor,
    ServiceManager,
    ServicePlan,
    ShellCommand,
    hookimpl,
)


@attrs.frozen
class AmqttManager(ServiceManager):
    """Plans the broker."""

    options: NoOptions

    def plan(self, context: ServiceContext) -> ServicePlan:  # noqa: ARG002 - a broker does the same in every scenario
        """Return the plan for the service described by ``context``."""
        broker = Path(__file__).with_name("broker.py")
        return ServicePlan(
            run=ShellCommand(sys.executable, ("-I", broker, "{dir}", "{self.ip}", "{self.port}")),
            ready=Readiness(kind="tcp"),
            outputs=(Output(pattern="transcript.jsonl", kind="transcript"),),
            runtime="python",
        )


@hookimpl
def panther_register_services() -> Iterator[ServiceDescriptor]:
    """Yield the implementation."""
    yield ServiceDescriptor(
        name="amqtt",
        summary="aMQTT: an MQTT 3.1.1 broker in asyncio Python",
        factory=AmqttManager,
        protocol="mqtt",
        roles=("broker",),
        claims={"broker": {"version": ("3.1.1",)}},
        needs=(Need("python", "amqtt", package="amqtt", why="the library that is the broker"),),
    )
