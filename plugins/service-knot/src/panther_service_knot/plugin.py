"""Announces the implementation ``knot``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import attrs
from panther_protocol_dns.plans import CLIENT_SCENARIOS, SERVER_SCENARIOS, ZONE, client_plan, zone_files
from panther_protocol_dns.zone import ORIGIN

from panther_hookspecs import (
    Need,
    NoOptions,
    Readiness,
    ServiceContext,
    ServiceDescriptor,
    ServiceManager,
    ServicePlan,
    ShellCommand,
    hookimpl,
)

_CONFIGURATION = """\
server:
    listen: {ip}@{port}
    rundir: {folder}
    user: root:root
control:
    listen: /proc/self/cwd/knot.sock
database:
    storage: {folder}
log:
  - target: stderr
    any: info
acl:
  - id: anybody
    action: transfer
template:
  - id: default
    storage: {folder}
    zonefile-sync: -1
    journal-content: none
    acl: anybody
zone:
  - domain: {origin}
    file: {zone}
"""


def configuration(known: Mapping[str, str]) -> dict[str, bytes]:
    """Return the server's configuration file; the path of its control socket must be short."""
    text = _CONFIGURATION.format(
        ip=known["self.ip"], port=known["self.port"], folder=known["dir"], origin=ORIGIN, zone=ZONE
    )
    return {"knot.conf": text.encode()}


@attrs.frozen
class KnotManager(ServiceManager):
    """Plans the server or a client."""

    options: NoOptions

    def plan(self, context: ServiceContext) -> ServicePlan:
        """Return the plan for the service described by ``context``."""
        if context.role == "client":
            return client_plan(Path(__file__).with_name("client.py"), context)
        return ServicePlan(
            run=ShellCommand("knotd", ("-c", "{dir}/knot.conf")),
            files=zone_files(context),
            make_files=configuration,
            ready=Readiness(kind="log", pattern="server started"),
        )


@hookimpl
def panther_register_services() -> Iterator[ServiceDescriptor]:
    """Yield the implementation."""
    yield ServiceDescriptor(
        name="knot",
        summary="Knot DNS: its authoritative server, and kdig as a client",
        factory=KnotManager,
        protocol="dns",
        roles=("server", "client"),
        scenarios={"server": SERVER_SCENARIOS, "client": (*CLIENT_SCENARIOS, "tls", "quic")},
        needs=(
            Need("tool", "knotd", package="knot", why="the server"),
            Need("tool", "kdig", package="knot-dnsutils", why="the client"),
        ),
    )
