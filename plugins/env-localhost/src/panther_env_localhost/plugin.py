"""What PANTHER loads: the network environment ``localhost``."""

from __future__ import annotations

from collections.abc import Iterable

from panther_env_localhost.environment import LocalhostEnvironment
from panther_env_localhost.options import LocalhostOptions
from panther_hookspecs import Need, NetworkEnvironmentDescriptor, abandoned_groups, hookimpl


@hookimpl
def panther_register_network_environments() -> Iterable[NetworkEnvironmentDescriptor]:
    """Announce ``localhost``."""
    yield NetworkEnvironmentDescriptor(
        name="localhost",
        summary="Processes of this machine on loopback: no privilege, no image, nothing to install.",
        factory=LocalhostEnvironment,
        options=LocalhostOptions,
        needs=(Need("linux", "linux", why="all of 127.0.0.0/8 is local, and readiness is read from /proc"),),
        capabilities=frozenset({"ipv6", "rootless", "limits", "capture", "proxied_links"}),
        leftovers=abandoned_groups,
    )
