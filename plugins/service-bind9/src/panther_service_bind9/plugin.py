"""Announces the implementation ``bind9``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import attrs
from panther_protocol_dns.plans import CLIENT_SCENARIOS, client_plan

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
class DigManager(ServiceManager):
    """Plans a client."""

    options: NoOptions

    def plan(self, context: ServiceContext) -> ServicePlan:
        """Return the plan for the service described by ``context``."""
        return client_plan(Path(__file__).with_name("client.py"), context)


@hookimpl
def panther_register_services() -> Iterator[ServiceDescriptor]:
    """Yield the implementation."""
    yield ServiceDescriptor(
        name="bind9",
        summary="The client dig of BIND 9",
        factory=DigManager,
        protocol="dns",
        roles=("client",),
        scenarios={"client": (*CLIENT_SCENARIOS, "tls")},
        needs=(Need("tool", "dig", package="bind9-dnsutils", why="the client"),),
    )
