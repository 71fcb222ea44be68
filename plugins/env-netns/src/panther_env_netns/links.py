"""Which packets a link is about, and what carries out what it asks for; nothing here knows how the network is built."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence

import attrs

from panther_env_netns.layout import Interface, Layout
from panther_hookspecs import EnvironmentUnavailableError, LinkSpec

EVERY_LINK = "*"
IMPAIRMENTS = tuple(each.name for each in attrs.fields(LinkSpec))
QUEUE_SECONDS = 0.1
"""How long a packet may wait for those before it where a link has a rate; a longer queue drops."""
_SMALLEST_QUEUE, _FRAME_BITS = 20, 1514 * 8
_UNLIMITED = "100gbit"
_LINE_RATE_PACKETS = 100_000


@attrs.frozen(kw_only=True)
class Flow:
    """One direction of a link: every packet that one service sends to another, where it leaves the first."""

    link: str
    name: str
    spec: LinkSpec
    interfaces: tuple[Interface, ...]
    """Of the service that sends."""
    pairs: tuple[tuple[str, str], ...]
    """Source and target address of its packets."""


def flows_of(links: Mapping[str, LinkSpec], layout: Layout, services: Sequence[str], *, ipv6: bool) -> tuple[Flow, ...]:
    """Return every direction of a link that does something; a link with both names goes before the one for all."""
    found: list[Flow] = []
    for one, other in itertools.combinations(services, 2):
        link = next((name for name in (f"{one}-{other}", f"{other}-{one}", EVERY_LINK) if name in links), "")
        if link and links[link].used():
            _refuse_nonsense(link, links[link])
            found += [_flow(link, links[link], layout, *ends, ipv6=ipv6) for ends in ((one, other), (other, one))]
    return tuple(found)


def _refuse_nonsense(link: str, spec: LinkSpec) -> None:
    if spec.reorder and not spec.delay:
        raise EnvironmentUnavailableError(
            f"the link {link} cannot reorder\n  in links.{link}.reorder\n"
            "  because a packet overtakes those that wait, and without a delay none does\n  try: delay: 10ms"
        )


def _flow(link: str, spec: LinkSpec, layout: Layout, source: str, target: str, *, ipv6: bool) -> Flow:
    ends = [(one, other) for one in layout.nodes[source].interfaces for other in layout.nodes[target].interfaces]
    pairs = [(one.ip, other.ip) for one, other in ends]
    pairs += [(one.ip6, other.ip6) for one, other in ends] if ipv6 else []
    own = layout.nodes[source].interfaces
    return Flow(link=link, name=f"{source}->{target}", spec=spec, interfaces=own, pairs=tuple(pairs))


def mechanism_for(flows: Sequence[Flow], wanted: str, has_netem: Callable[[], bool]) -> str:
    """Return what carries these flows: the kernel's ``htb`` or ``netem`` where that can do it, else the ``relay``."""
    only_rates = {each for flow in flows for each in flow.spec.used()} <= {"rate"}
    if wanted == "relay":
        return "relay"
    if only_rates:
        return "htb"
    if has_netem():
        return "netem"
    if wanted == "kernel":
        raise EnvironmentUnavailableError(
            "this kernel cannot impair links\n  in network_environment.link_mechanism\n"
            "  because it has no netem (module sch_netem)\n  try: link_mechanism: auto, which uses a relay"
        )
    return "relay"


def tc_lines(flows: Sequence[Flow], *, netem: bool) -> dict[str, tuple[str, ...]]:
    """Return the arguments of ``tc`` by node: a class for each flow, which other packets never see."""
    by_end: dict[Interface, list[Flow]] = {}
    for flow in flows:
        for each in flow.interfaces:
            by_end.setdefault(each, []).append(flow)
    found: dict[str, tuple[str, ...]] = {}
    for end, own in by_end.items():
        found[end.node] = (*found.get(end.node, ()), *_shaped(end.name, own, netem=netem))
    return found


def _shaped(device: str, flows: Sequence[Flow], *, netem: bool) -> Iterator[str]:
    yield f"qdisc add dev {device} root handle 1: htb"
    for number, flow in enumerate(flows, 1):
        rate = f"{int(flow.spec.rate)}bit" if flow.spec.rate else _UNLIMITED
        yield f"class add dev {device} parent 1: classid 1:{number:x} htb rate {rate} quantum 1514"
        leaf = _netem(flow.spec) if netem else f"pfifo limit {_queue(flow.spec)}"
        yield f"qdisc add dev {device} parent 1:{number:x} handle {number + 1:x}: {leaf}"
        for source, target in flow.pairs:
            kind, ip, prio, length = ("ipv6", "ip6", 2, 128) if ":" in source else ("ip", "ip", 1, 32)
            yield (
                f"filter add dev {device} parent 1: protocol {kind} prio {prio} u32 match {ip} src {source}/{length} "
                f"match {ip} dst {target}/{length} flowid 1:{number:x}"
            )


def _queue(spec: LinkSpec) -> int:
    """Return how many full packets a queue of QUEUE_SECONDS has."""
    return max(_SMALLEST_QUEUE, int(spec.rate * QUEUE_SECONDS / _FRAME_BITS)) if spec.rate else _LINE_RATE_PACKETS


def _netem(spec: LinkSpec) -> str:
    waiting = int(spec.rate * (spec.delay + spec.jitter) / _FRAME_BITS) if spec.rate else 0
    words = [f"netem limit {_queue(spec) + waiting}"]
    if spec.delay or spec.jitter:
        words.append(f"delay {spec.delay * 1e6:.0f}us {spec.jitter * 1e6:.0f}us")
    words += [
        f"{each} {getattr(spec, each) * 100:.6f}%"
        for each in ("loss", "duplicate", "corrupt", "reorder")
        if getattr(spec, each)
    ]
    return " ".join(words)


def relayed_segments(flows: Sequence[Flow]) -> frozenset[int]:
    """Return the segments on which a relay has to stand."""
    return frozenset(each.segment for flow in flows for each in flow.interfaces)


def relay_spec(segment: Sequence[Interface], flows: Sequence[Flow], *, seed: int, report: str) -> dict[str, object]:
    """Return what the relay of one segment is told."""
    pipes = [
        {"name": flow.name, "port": number, "pairs": flow.pairs, **attrs.asdict(flow.spec)}
        for flow in flows
        for number, each in enumerate(segment)
        if each in flow.interfaces
    ]
    ports = [{"interface": each.port, "mac": each.mac} for each in segment]
    return {"seed": seed, "report": report, "ports": ports, "pipes": pipes}
