"""The keys that a user may write for ``shadow_ns``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

from panther_hookspecs import BitRate, NetworkEnvironmentOptions, Seconds, option

LOG_LEVELS = ("error", "warning", "info", "debug")
OURS = frozenset({"strace_logging_mode"})
"""Keys of ``experimental`` that PANTHER sets itself."""


def _more_than_0(_owner: object, field: attrs.Attribute[float], value: float) -> None:
    if not value > 0:
        raise ValueError(f"{field.name} must be more than 0")


def _not_ours(_owner: object, _field: object, value: Mapping[str, Any]) -> None:
    if taken := sorted(OURS & value.keys()):
        raise ValueError(f"{', '.join(taken)} is set by PANTHER: use the execution environment shadow_syscalls")


@attrs.frozen(kw_only=True)
class Topology:
    """What may stand below ``network_topology``: how many hops lie between two services."""

    shape: str = option(
        "star",
        help="star: one hop between any two services. line: each service is one hop from the next.",
        validator=attrs.validators.in_(("star", "line")),
    )
    connections: tuple[str, ...] = option((), help="Any other layout: the nodes that are one hop apart, each as a-b.")
    routers: tuple[str, ...] = option((), help="Nodes of connections that run no service.")


@attrs.frozen(kw_only=True)
class Host:
    """What may stand below ``shadow.hosts.SERVICE``."""

    start: Seconds | None = option(None, help="Simulated time at which it starts; by its dependencies if left out.")
    stop: Seconds | None = option(
        None, help="Simulated time at which it is asked to end; servers just before the end of everything."
    )
    node: int | None = option(None, help="Number of its node in shadow.graph.")
    log_level: str | None = option(
        None,
        help=f"What the simulator writes about it: {', '.join(LOG_LEVELS)}.",
        validator=attrs.validators.optional(attrs.validators.in_(LOG_LEVELS)),
    )
    capture: bool | None = option(None, help="Whether its packets are recorded; as the case says if left out.")


@attrs.frozen(kw_only=True)
class ShadowSettings:
    """What may stand below ``shadow``: what no other environment has."""

    stop_time: Seconds = option(Seconds(0), help="Simulated time at which all is over; the case's timeout if 0.")
    start_interval: Seconds = option(
        Seconds(1), help="Simulated time between a service and those that depend on it.", validator=_more_than_0
    )
    latency: Seconds = option(
        Seconds(0.001), help="Delay of each hop of a link that has no delay of its own.", validator=_more_than_0
    )
    bandwidth: BitRate = option(
        BitRate(1e9), help="Rate of a host whose links have none of their own.", validator=_more_than_0
    )
    graph: str = option("", help="A file in GML, the network as Shadow takes it; hosts say which node they are at.")
    hosts: Mapping[str, Host] = option(factory=dict, help="Settings of one host, by the name of its service.")
    parallelism: int = option(0, help="Threads of the simulator; as many as there are processors if 0.")
    hang_timeout: Seconds = option(
        Seconds(30),
        help="Real time after which a simulation is given up whose time does not move on while a process is busy.",
        validator=_more_than_0,
    )
    syscall_table: bool = option(
        True, help="List for every process what it asked for in vain; the simulator logs all calls for that."
    )
    model_unblocked_syscall_latency: bool = option(
        True,
        help="Let time pass for a program that makes thousands of system calls and never waits. Without it one that "
        "asks for the time until that has passed hangs for ever.",
    )
    experimental: Mapping[str, Any] = option(
        factory=dict, help="Further keys of Shadow's section experimental, passed on as they are.", validator=_not_ours
    )


@attrs.frozen(kw_only=True)
class ShadowOptions(NetworkEnvironmentOptions):
    """Options of the network environment ``shadow_ns``."""

    network_topology: Topology = option(  # type: ignore[assignment]
        factory=Topology,
        converter=lambda value: Topology(**value) if isinstance(value, Mapping) else value,
        help="Layout of nodes: shape: star or line, or connections with routers.",
    )
    shadow: ShadowSettings = option(
        factory=ShadowSettings,
        converter=lambda value: ShadowSettings(**value) if isinstance(value, Mapping) else value,
        help="What only Shadow has: times, a graph of its own, settings of hosts and of the simulator.",
    )
    deterministic: bool = option(
        False, help="Simulate every case twice; a file that differs between the two makes it fail."
    )
