"""Which packets the links of a case are about: they are handed to the mechanism that impairs them."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence

from panther_env_netns.layout import Interface, Layout
from panther_hookspecs import LinkFlow, LinkPort, LinkSpec

EVERY_LINK = "*"


def port_of(interface: Interface) -> LinkPort:
    """Return an interface as link mechanisms know it."""
    return LinkPort(node=interface.node, interface=interface.name, peer=interface.port, mac=interface.mac)


def flows_of(links: Mapping[str, LinkSpec], layout: Layout, *, ipv6: bool) -> dict[int, tuple[LinkFlow, ...]]:
    """Return every direction of a link that does something, by the segment on which its packets leave the sender.

    A link with both names goes before the one for all.
    """
    found: dict[int, list[LinkFlow]] = {}
    for one, other in itertools.combinations(layout.services, 2):
        link = next((name for name in (f"{one}-{other}", f"{other}-{one}", EVERY_LINK) if name in links), "")
        if link and links[link].used():
            for source, target in ((one, other), (other, one)):
                pairs = tuple(_pairs(layout, source, target, ipv6=ipv6))
                for own in layout.nodes[source].interfaces:
                    name = f"{source}->{target}"
                    flow = LinkFlow(link=link, name=name, spec=links[link], port=port_of(own), pairs=pairs)
                    found.setdefault(own.segment, []).append(flow)
    return {segment: tuple(flows) for segment, flows in sorted(found.items())}


def _pairs(layout: Layout, source: str, target: str, *, ipv6: bool) -> Iterator[tuple[str, str]]:
    for one in layout.nodes[source].interfaces:
        for other in layout.nodes[target].interfaces:
            yield one.ip, other.ip
            if ipv6:
                yield one.ip6, other.ip6


def described(links: Sequence[LinkFlow]) -> str:
    """Return what is asked of links as one line for the log of the case."""
    specs = {flow.link: flow.spec for flow in links}
    return "; ".join(
        f"{name} " + " ".join(f"{each}={_plain(spec, each)}" for each in spec.used()) for name, spec in specs.items()
    )


def _plain(spec: LinkSpec, name: str) -> str:
    """Return a value the way people write it."""
    value = float(getattr(spec, name))
    if name in ("delay", "jitter"):
        return f"{value * 1e3:g}ms"
    return f"{value / 1e6:g}Mbit" if name == "rate" else f"{value * 100:g}%"
