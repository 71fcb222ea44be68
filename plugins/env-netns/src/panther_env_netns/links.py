"""Which packets the links of a case are about: they are handed to the mechanism that impairs them."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping

from panther_env_netns.layout import Interface, Layout
from panther_hookspecs import LinkFlow, LinkPort, LinkSpec, link_between


def port_of(interface: Interface) -> LinkPort:
    """Return an interface as link mechanisms know it."""
    return LinkPort(node=interface.node, interface=interface.name, peer=interface.port, mac=interface.mac)


def flows_of(
    links: Mapping[str, LinkSpec], layout: Layout, *, ipv6: bool, changes: bool = False
) -> dict[int, tuple[LinkFlow, ...]]:
    """Return every direction of a link that does something, by the segment on which its packets leave the sender.

    With ``changes`` every direction may have something to do later.
    """
    found: dict[int, list[LinkFlow]] = {}
    for one, other in itertools.combinations(layout.services, 2):
        for source, target in ((one, other), (other, one)):
            link, spec = link_between(links, source, target)
            if not (spec.used() or changes):
                continue
            back = link_between(links, target, source)[1]
            pairs = tuple(_pairs(layout, source, target, ipv6=ipv6, moving=_moves(back)))
            for own in layout.nodes[source].interfaces:
                flow = LinkFlow(
                    link=link or f"{one}-{other}",
                    name=f"{source}->{target}",
                    spec=spec,
                    port=port_of(own),
                    pairs=pairs,
                    aliases=_aliases(own, ipv6=ipv6) if _moves(spec) else {},
                )
                found.setdefault(own.segment, []).append(flow)
    return {segment: tuple(flows) for segment, flows in sorted(found.items())}


def _moves(spec: LinkSpec) -> bool:
    return spec.rebind is not None and spec.rebind.address


def _aliases(interface: Interface, *, ipv6: bool) -> dict[str, tuple[str, ...]]:
    """Return addresses of the segment that nobody has, by the address that they may stand for."""
    return {interface.ip: interface.aliases, **({interface.ip6: interface.aliases6} if ipv6 else {})}


def _pairs(layout: Layout, source: str, target: str, *, ipv6: bool, moving: bool) -> Iterator[tuple[str, str]]:
    for one in layout.nodes[source].interfaces:
        for other in layout.nodes[target].interfaces:
            known = _aliases(other, ipv6=ipv6) if moving else {}
            yield from ((one.ip, each) for each in (other.ip, *known.get(other.ip, ())))
            if ipv6:
                yield from ((one.ip6, each) for each in (other.ip6, *known.get(other.ip6, ())))
