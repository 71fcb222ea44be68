"""Announces the implementation ``nsd``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import attrs
from panther_protocol_dns.plans import (
    CERTIFICATE,
    KEY,
    SERVER_SCENARIOS,
    ZONE,
    make_certificate,
    zone_files,
)
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
    ip-address: {ip}@{port}
    ip-address: {ip}@{secure}
    tls-port: {secure}
    tls-service-key: "{folder}/{key}"
    tls-service-pem: "{folder}/{certificate}"
    server-count: 1
    verbosity: 1
    username: ""
    chroot: ""
    zonesdir: "{folder}"
    database: ""
    pidfile: "{folder}/nsd.pid"
    xfrdfile: "{folder}/xfrd.state"
    zonelistfile: "{folder}/zone.list"
    rrl-ratelimit: 0
remote-control:
    control-enable: no
zone:
    name: {origin}
    zonefile: {zone}
    provide-xfr: 0.0.0.0/0 NOKEY
    provide-xfr: ::/0 NOKEY
"""


def configuration(known: Mapping[str, str]) -> dict[str, bytes]:
    """Return the server's configuration file."""
    text = _CONFIGURATION.format(
        ip=known["self.ip"],
        port=known["self.port"],
        secure=known["self.secure"],
        folder=known["dir"],
        key=KEY,
        certificate=CERTIFICATE,
        origin=ORIGIN,
        zone=ZONE,
    )
    return {"nsd.conf": text.encode()}


@attrs.frozen
class NsdManager(ServiceManager):
    """Plans the server."""

    options: NoOptions

    def plan(self, context: ServiceContext) -> ServicePlan:
        """Return the plan for the service described by ``context``."""
        return ServicePlan(
            run=ShellCommand("nsd", ("-d", "-c", "{dir}/nsd.conf")),
            pre_run=(make_certificate(),),
            files=zone_files(context),
            make_files=configuration,
            ready=Readiness(kind="log", pattern="nsd started"),
        )


@hookimpl
def panther_register_services() -> Iterator[ServiceDescriptor]:
    """Yield the implementation."""
    yield ServiceDescriptor(
        name="nsd",
        summary="NSD: an authoritative server over UDP, TCP and TLS",
        factory=NsdManager,
        protocol="dns",
        roles=("server",),
        scenarios={"server": (*SERVER_SCENARIOS, "tls")},
        needs=(
            Need("tool", "nsd", package="nsd", why="the server"),
            Need("tool", "openssl", package="openssl", why="makes the certificate"),
        ),
    )
