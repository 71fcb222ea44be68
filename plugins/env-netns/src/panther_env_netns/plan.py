"""What the keeper is told to make, worked out from the layout; a person can read it in the evidence of a case."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import attrs

from panther_env_netns.layout import Interface, Layout, Node

_QUIET = {
    "net/ipv6/conf/all/accept_dad": "0",
    "net/ipv6/conf/default/accept_dad": "0",
    "net/ipv6/conf/default/accept_ra": "0",
    "net/ipv6/conf/default/router_solicitations": "0",
}
"""Addresses are given by hand: nothing has to be looked for, and a capture shows only what the services say."""
_NODE = {**_QUIET, "net/ipv4/ip_unprivileged_port_start": "0"}
_FABRIC = {"net/ipv6/conf/default/disable_ipv6": "1"}
_FORWARDING = {"net/ipv4/ip_forward": "1", "net/ipv6/conf/all/forwarding": "1"}


@attrs.frozen(kw_only=True)
class Helper:
    """A program that runs beside the services in the namespace of ``node``, or in the fabric; it writes when ready."""

    name: str
    node: str
    argv: tuple[str, ...]


@attrs.frozen(kw_only=True)
class Plan:
    """Everything that has to exist before the first service starts."""

    nodes: tuple[str, ...]
    lines: Mapping[str, Sequence[str]]
    """Arguments of ``ip`` by node, the fabric's under an empty name; ``@node`` stands for a node's namespace."""
    settings: Mapping[str, Mapping[str, str]]
    """Kernel settings, by node and by their path below /proc/sys."""
    bare: Mapping[str, Sequence[str]] = attrs.field(factory=dict)
    """Interfaces that get no help from the kernel, by node: they send the packets that a network would carry."""
    shaping: Mapping[str, Sequence[str]] = attrs.field(factory=dict)
    """Arguments of ``tc`` by node."""
    helpers: tuple[Helper, ...] = ()
    hosts: str = ""
    """The file that everybody sees as /etc/hosts."""


def plan_of(
    layout: Layout,
    *,
    ipv6: bool,
    hosts: str = "",
    relayed: frozenset[int] = frozenset(),
    bare: Mapping[str, Sequence[str]] | None = None,
) -> Plan:
    """Return what makes ``layout`` real; on the segments ``relayed`` a relay passes packets on, not the kernel.

    The interfaces ``bare`` send every packet alone, where others hand many at once to the kernel of the other side.
    """
    alone = bare or {}
    lines: dict[str, Sequence[str]] = {"": tuple(_fabric(layout, relayed))}
    lines |= {name: tuple(_node(node, alone.get(name, ()), ipv6=ipv6)) for name, node in layout.nodes.items()}
    settings = {"": _FABRIC} | {
        name: _NODE | (_FORWARDING if node.forwards else {}) for name, node in layout.nodes.items()
    }
    return Plan(nodes=tuple(layout.nodes), lines=lines, settings=settings, hosts=hosts)


def _fabric(layout: Layout, relayed: frozenset[int]) -> Iterator[str]:
    """Yield what joins the nodes: a cable between two, a bridge for more, loose ends for a relay."""
    for number, members in enumerate(layout.segments):
        if len(members) == 2 and number not in relayed:  # noqa: PLR2004 - a cable has two ends
            one, other = members
            yield f"link add {_end(one)} type veth peer {_end(other)}"
            continue
        if number not in relayed:
            yield f"link add br{number} up type bridge mcast_snooping 0"
        joined = "" if number in relayed else f"master br{number} "
        for member in members:
            yield f"link add {member.port} up {joined}type veth peer {_end(member)}"


def _end(interface: Interface) -> str:
    return f"name {interface.name} netns @{interface.node} address {interface.mac}"


def _node(node: Node, bare: Sequence[str], *, ipv6: bool) -> Iterator[str]:
    yield "link set lo up"
    for each in node.interfaces:
        # Up first: an IPv6 address that was there before is not used at once but within a second, at random.
        yield f"link set {each.name} up"
        if each.name in bare:
            # No other setting splits what a program gives to the kernel as one bundle of datagrams.
            yield f"link set {each.name} gso_max_segs 1"
        yield f"addr add {each.ip}/16 dev {each.name}"
        if ipv6:
            yield f"addr add {each.ip6}/64 dev {each.name} nodad"
    for route in node.routes:
        yield from route.lines[: 2 if ipv6 else 1]
