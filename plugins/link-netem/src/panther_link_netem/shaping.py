"""Lines for `tc` that put each flow into a class of its own, which other packets never see."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from panther_hookspecs import LinkFlow, LinkPort, LinkSetup, LinkSpec, LinkTask

QUEUE_SECONDS = 0.1
"""How long a packet may wait for those before it where a link has a rate; a longer queue drops."""
_SMALLEST_QUEUE, _FRAME_BITS = 20, 1514 * 8
_UNLIMITED = "100gbit"
_LINE_RATE_PACKETS = 100_000


def with_htb(task: LinkTask) -> LinkSetup:
    """Limit rates."""
    return _set_up(task, netem=False)


def with_netem(task: LinkTask) -> LinkSetup:
    """Do all that can be asked of a link."""
    return _set_up(task, netem=True)


def _set_up(task: LinkTask, *, netem: bool) -> LinkSetup:
    by_port: dict[LinkPort, list[LinkFlow]] = {}
    for flow in task.flows:
        by_port.setdefault(flow.port, []).append(flow)
    lines: dict[str, tuple[str, ...]] = {}
    questions: list[tuple[str, tuple[str, ...]]] = []
    for port, flows in by_port.items():
        lines[port.node] = (*lines.get(port.node, ()), *_shaped(port.interface, flows, netem=netem))
        questions += [(port.node, ("tc", "-s", kind, "show", "dev", port.interface)) for kind in ("qdisc", "class")]
    return LinkSetup(tc=lines, questions=tuple(questions))


def _shaped(device: str, flows: Sequence[LinkFlow], *, netem: bool) -> Iterator[str]:
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
    """Return how many packets may wait: as many as asked for, or as many full ones as take QUEUE_SECONDS."""
    if spec.queue:
        return spec.queue
    return max(_SMALLEST_QUEUE, int(spec.rate * QUEUE_SECONDS / _FRAME_BITS)) if spec.rate else _LINE_RATE_PACKETS


def _netem(spec: LinkSpec) -> str:
    waiting = int(spec.rate * (spec.delay + spec.jitter) / _FRAME_BITS) if spec.rate else 0
    words = [f"netem limit {_queue(spec) + waiting}"]
    if spec.delay or spec.jitter:
        words.append(f"delay {spec.delay * 1e6:.0f}us {spec.jitter * 1e6:.0f}us")
    shares = {each: getattr(spec, each) for each in ("loss", "duplicate", "corrupt", "reorder")}
    words += [f"{name} {share * 100:.6f}%" for name, share in shares.items() if share]
    return " ".join(words)
