"""The keys that a user may write for ``netns``."""

from __future__ import annotations

import attrs

from panther_env_netns.topology import Topology, topology_of
from panther_hookspecs import NetworkEnvironmentOptions, option


@attrs.frozen(kw_only=True)
class NetnsOptions(NetworkEnvironmentOptions):
    """Options of the network environment ``netns``."""

    network_topology: Topology = option(  # type: ignore[assignment]
        factory=Topology,
        converter=topology_of,
        help="Layout of nodes: shape: star or line, or connections with routers and switches.",
    )
    map_to_root: bool = option(
        False, help="Without privileges only: services look like root inside and may use raw sockets and tc."
    )
    link_mechanism: str = option(
        "", help="Name of the mechanism that impairs links; the best one that works here if left out."
    )
