"""Announces ``ping-pong-c`` and ``ping-pong-py``."""

from __future__ import annotations

from collections.abc import Iterator

from panther_hookspecs import Need, ServiceDescriptor, hookimpl
from panther_service_ping_pong.manager import (
    CManager,
    COptions,
    PingPongOptions,
    PythonManager,
    command_line_of_versions,
)

ROLES = ("server", "client")
SCENARIOS = ("ping", "transfer", "greet", "refuse", "idle", "probe")
SERVED = (*SCENARIOS, "load", "replay")


@hookimpl
def panther_register_services() -> Iterator[ServiceDescriptor]:
    """Yield the two implementations."""
    versions = tuple(command_line_of_versions())
    scenarios = {"server": SERVED, "client": (*SCENARIOS, "replay")}
    yield ServiceDescriptor(
        name="ping-pong-c",
        summary="MiniP in one file of C99, compiled when it is first used",
        factory=CManager,
        options=COptions,
        protocol="minip",
        roles=ROLES,
        versions=versions,
        scenarios=scenarios,
        needs=(Need("tool", "cc", package="gcc", why="compiles ping-pong-c"),),
    )
    yield ServiceDescriptor(
        name="ping-pong-py",
        summary="MiniP in standard-library Python",
        factory=PythonManager,
        options=PingPongOptions,
        protocol="minip",
        roles=ROLES,
        versions=versions,
        scenarios=scenarios,
    )
