"""Announces the implementation ``dnspython``."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import attrs
from panther_protocol_dns.plans import CLIENT_SCENARIOS, SERVER_SCENARIOS, client_plan, make_certificate, zone_files

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

HERE = Path(__file__).parent
_PORTS = ("--host", "{self.ip}", "--port", "{self.port}", "--secure-port", "{self.secure}")


@attrs.frozen
class DnsPythonManager(ServiceManager):
    """Plans the server or a client."""

    options: NoOptions

    def plan(self, context: ServiceContext) -> ServicePlan:
        """Return the plan for the service described by ``context``."""
        if context.role == "client":
            return client_plan(HERE / "client.py", context)
        return ServicePlan(
            run=ShellCommand(sys.executable, ("-I", HERE / "server.py", "--dir", "{dir}", *_PORTS)),
            pre_run=(make_certificate(),),
            files=zone_files(context),
            ready=Readiness(kind="log", pattern="zone loaded, serving"),
            outputs=(Output(pattern="transcript.jsonl", kind="transcript"),),
            runtime="python",
        )


@hookimpl
def panther_register_services() -> Iterator[ServiceDescriptor]:
    """Yield the implementation."""
    yield ServiceDescriptor(
        name="dnspython",
        summary="A client and a small authoritative server on the library dnspython, over UDP, TCP, TLS and QUIC",
        factory=DnsPythonManager,
        protocol="dns",
        roles=("server", "client"),
        scenarios={"server": (*SERVER_SCENARIOS, "tls", "quic"), "client": (*CLIENT_SCENARIOS, "tls", "quic")},
        needs=(
            Need("python", "dns", package="dnspython", why="the library that speaks DNS"),
            Need("python", "aioquic", package="aioquic", why="DNS over QUIC"),
            Need("tool", "openssl", package="openssl", why="makes the certificate"),
        ),
    )
