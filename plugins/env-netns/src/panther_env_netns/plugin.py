"""What PANTHER loads: the network environment ``netns``."""

from __future__ import annotations

from collections.abc import Iterable

from panther_env_netns.environment import NetnsEnvironment
from panther_env_netns.options import NetnsOptions
from panther_hookspecs import Need, NetworkEnvironmentDescriptor, abandoned_groups, hookimpl


@hookimpl
def panther_register_network_environments() -> Iterable[NetworkEnvironmentDescriptor]:
    """Announce ``netns``."""
    yield NetworkEnvironmentDescriptor(
        name="netns",
        summary="Network namespaces of this machine: any topology, links, capture; no image, no root needed.",
        factory=NetnsEnvironment,
        options=NetnsOptions,
        needs=(
            Need("linux", "linux", why="network namespaces are a feature of its kernel"),
            Need("tool", "ip", package="iproute2", why="it makes interfaces, addresses and routes"),
            Need("tool", "unshare", package="util-linux", why="it makes namespaces"),
            Need("tool", "nsenter", package="util-linux", why="it starts services in them"),
        ),
        capabilities=frozenset({"ipv6", "rootless", "limits", "capture", "links"}),
        leftovers=abandoned_groups,
    )
