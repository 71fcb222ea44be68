"""The lines that the kernel is given, for each flow and each value."""

from __future__ import annotations

from pathlib import Path

from panther_link_netem.shaping import with_htb, with_netem

from panther_hookspecs import BitRate, LinkFlow, LinkPort, LinkSetup, LinkSpec, LinkTask, Seconds, Share

PORTS = {name: LinkPort(node=name, interface="eth0") for name in "abc"}
NARROW = LinkSpec(rate=BitRate(10e6))


def flow(source: str, target: str, spec: LinkSpec) -> LinkFlow:
    number = {name: at for at, name in enumerate("abc", 1)}
    pairs = tuple((f"{net}{number[source]}", f"{net}{number[target]}") for net in ("10.0.0.", "fd00::"))
    return LinkFlow(link="x", name=f"{source}->{target}", spec=spec, port=PORTS[source], pairs=pairs)


def task(*flows: LinkFlow) -> LinkTask:
    return LinkTask(name="0", ports=tuple(PORTS.values()), flows=flows, seed=1, folder=Path())


def leaf(setup: LinkSetup, node: str) -> str:
    return next(line for line in setup.tc[node] if "handle 2:" in line).partition("handle 2: ")[2]


def test_each_flow_gets_a_class_of_its_own() -> None:
    setup = with_htb(task(flow("b", "a", NARROW), flow("a", "b", NARROW), flow("a", "c", LinkSpec(rate=BitRate(1e6)))))
    assert setup.tc["b"] == (
        "qdisc add dev eth0 root handle 1: htb",
        "class add dev eth0 parent 1: classid 1:1 htb rate 10000000bit quantum 1514",
        "qdisc add dev eth0 parent 1:1 handle 2: pfifo limit 82",
        (
            "filter add dev eth0 parent 1: protocol ip prio 1 u32 match ip src 10.0.0.2/32 match ip dst 10.0.0.1/32 "
            "flowid 1:1"
        ),
        (
            "filter add dev eth0 parent 1: protocol ipv6 prio 2 u32 match ip6 src fd00::2/128 match ip6 dst "
            "fd00::1/128 flowid 1:1"
        ),
    )
    assert [line.split()[7] for line in setup.tc["a"] if line.startswith("class")] == ["1:1", "1:2"]
    assert ("a", ("tc", "-s", "class", "show", "dev", "eth0")) in setup.questions
    assert not setup.switch


def test_netem_is_told_every_value() -> None:
    spec = LinkSpec(
        delay=Seconds(0.02),
        jitter=Seconds(0.0005),
        loss=Share(0.015),
        reorder=Share(0.25),
        duplicate=Share(0.001),
        corrupt=Share(0.002),
    )
    assert leaf(with_netem(task(flow("a", "b", spec))), "a") == (
        "netem limit 100000 delay 20000us 500us loss 1.500000% duplicate 0.100000% corrupt 0.200000% reorder 25.000000%"
    )


def test_the_queue_of_netem_holds_what_waits_for_its_time_and_what_waits_for_the_rate() -> None:
    spec = LinkSpec(delay=Seconds(0.1), rate=BitRate(12.112e6))
    assert leaf(with_netem(task(flow("a", "b", spec))), "a").startswith("netem limit 200 ")
