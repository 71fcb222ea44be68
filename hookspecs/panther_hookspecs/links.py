"""Link mechanisms: what delays, loses and reorders packets, for any network environment that asks for it.

An environment says which packets are meant, the mechanism says what has to be set up for them, and the environment
sets it up where its services are. So neither has to know the other.
"""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import attrs

from panther_hookspecs.errors import EnvironmentUnavailableError, TestExecutionError
from panther_hookspecs.impairments import LinkChange, LinkSpec, described_change, described_state, plain_state
from panther_hookspecs.plugins import Descriptor
from panther_hookspecs.values import Artifact

_PATIENCE = 5.0


@attrs.frozen(kw_only=True)
class LinkPort:
    """Where a service, or a router, meets a segment of the network."""

    node: str
    """Its name; commands for it run in its network namespace."""
    interface: str
    """Its interface as it sees it."""
    peer: str = ""
    """The other end of the cable, where the switch of the segment is; empty where nobody can get at it."""
    mac: str = ""


@attrs.frozen(kw_only=True)
class LinkFlow:
    """One direction of a link: all packets between these addresses, where they leave the sender's port."""

    link: str
    name: str
    """The direction, ``client->server``."""
    spec: LinkSpec
    port: LinkPort
    pairs: tuple[tuple[str, str], ...]
    """Source and target address, IPv4 or IPv6; those that a NAT may give to one of the services are among them."""
    aliases: Mapping[str, tuple[str, ...]] = attrs.field(factory=dict)
    """Addresses that a NAT may give to the sender instead of its own, by its own: nobody else has them."""


@attrs.frozen(kw_only=True)
class LinkDoor:
    """Where a proxy takes what one service sends to another, in environments that have only sockets to offer."""

    source: str
    target: str
    transport: str
    """``udp`` or ``tcp``."""
    at: tuple[str, int]
    """Address and port that the source is told instead of the target's own."""
    to: tuple[str, int]
    """Address and port of the target itself."""
    aliases: tuple[str, ...] = ()
    """Addresses from which the proxy may talk to the target; the first one stands for the source."""


@attrs.frozen(kw_only=True)
class LinkTask:
    """The flows that begin on one segment of the network."""

    name: str
    """Unique within the case, fit for a file name."""
    ports: tuple[LinkPort, ...]
    """Everybody on the segment."""
    flows: tuple[LinkFlow, ...]
    seed: int
    folder: Path
    """For files that the mechanism needs or leaves; it exists."""
    changes: bool = False
    """Whether the flows may be changed while packets cross them."""
    doors: tuple[LinkDoor, ...] = ()
    """For a mechanism that is a proxy: there are no ports then."""


@attrs.frozen(kw_only=True)
class LinkSetup:
    """What the environment has to do for a task before any packet is sent: lines for `tc`, or a program, or both."""

    tc: Mapping[str, tuple[str, ...]] = attrs.field(factory=dict)
    """Lines for ``tc -batch`` by node."""
    ip: Mapping[str, tuple[str, ...]] = attrs.field(factory=dict)
    """Lines for ``ip -batch`` by node, after all interfaces have their addresses."""
    switch: tuple[str, ...] = ()
    """A program that takes the place of the segment's switch: it passes frames on between the peers of all ports.

    For doors it passes on what comes in at them. It writes one byte to its standard output when it is ready, and ends
    on SIGTERM.
    """
    report: Path | None = None
    """What ``switch`` writes when it ends: a JSON list with ``direction`` and counters for each flow."""
    control: Path | None = None
    """A Unix socket on which ``switch`` takes changes, see :func:`tell_switch`."""
    questions: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """Node and command whose output tells at the end what was set and what was counted."""


@attrs.frozen(kw_only=True)
class LinkDescriptor(Descriptor):
    """Announces a link mechanism."""

    KIND: ClassVar[str] = "link"

    factory: Callable[[LinkTask], LinkSetup]
    """Says what has to be set up; may write files into the folder of the task, and nothing else."""
    impairments: frozenset[str]
    """Of IMPAIRMENTS; whoever lists ``steps`` takes changes on the socket ``control``."""
    rank: int = 50
    """Of several that can do what is asked for, the one with the smallest rank is taken."""
    trial: tuple[str, ...] = ()
    """A command that succeeds, in a network namespace of its own, where the kernel has what is needed."""
    is_proxy: bool = False
    """Whether it works with doors instead, for environments without interfaces of their own."""
    stream_impairments: frozenset[str] = frozenset()
    """Of ``impairments``, what a proxy can do to TCP, whose bytes neither get lost nor overtake each other."""


def chosen_link(
    links: Iterable[LinkDescriptor],
    wanted: Iterable[str],
    name: str,
    works: Callable[[tuple[str, ...]], bool],
    *,
    proxy: bool = False,
) -> LinkDescriptor:
    """Return the mechanism that is to do all of ``wanted``: the one called ``name``, or the first that can.

    ``works`` runs a trial; ``proxy`` says that only proxies can be used, otherwise none of them is. Raise
    EnvironmentUnavailableError, which says what is missing, where there is none.
    """
    fitting = (each for each in links if each.is_proxy is proxy)
    known, asked = sorted(fitting, key=lambda each: (each.rank, each.name)), frozenset(wanted)
    refusals = []
    for each in known:
        if name not in ("", each.name):
            continue
        lacking = sorted(asked - each.impairments)
        if lacking:
            refusals.append(f"{each.name} cannot do {', '.join(lacking)}")
        elif each.trial and not works(each.trial):
            refusals.append(f"{each.name} does not work here ({' '.join(each.trial)} fails)")
        else:
            return each
    if name and name not in {each.name for each in known}:
        refusals.append(f"there is no mechanism {name!r}")
    names = ", ".join(each.name for each in known) or "none"
    raise EnvironmentUnavailableError(
        f"nothing here can do to a link: {', '.join(sorted(asked))}\n"
        f"  because {'; '.join(refusals) or 'no plugin brings a link mechanism'}\n"
        f"  try: another mechanism (installed: {names})"
    )


LINKS_REPORT = "links.json"
"""The file in which a network environment says what the links did."""


def report_links(
    folder: Path, mechanism: str, flows: Iterable[LinkFlow], setups: Iterable[LinkSetup], read_back: Any = ()
) -> Artifact:
    """Write down what was asked of links and what became of their packets; return that as evidence."""
    reports = [
        each for setup in setups if setup.report for each in json.loads(setup.report.read_text(encoding="utf-8"))
    ]
    found: dict[str, dict[str, Any]] = {}
    for flow in flows:
        asked = {name: value for name, value in plain_state(flow.spec).items() if value}
        # A service with several interfaces sends over one of them.
        own = [each for each in reports if each["direction"] == flow.name]
        seen: dict[str, Any] = max(own, key=lambda each: int(each.get("packets", 0)), default={})
        found[flow.name] = {"link": flow.link, "direction": flow.name, "asked": asked, "seen": seen}
    content = {"mechanism": mechanism, "flows": list(found.values()), "read_back": list(read_back)}
    (folder / LINKS_REPORT).write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    return Artifact(path=LINKS_REPORT, kind="links", title=f"What the links did, by {mechanism}")


def described_flows(flows: Iterable[LinkFlow]) -> str:
    """Return what is asked of links as one line for the log of the case."""
    specs = {flow.link: flow.spec for flow in flows if flow.spec.used()}
    return "; ".join(f"{name} {described_state(spec)}" for name, spec in specs.items()) or "nothing yet"


def tell_switch(control: Path, flows: Sequence[str], change: LinkChange) -> float:
    """Let a switch that runs change these flows; return the monotonic time at which it took effect."""
    values = None if change.to is None else plain_state(change.to)
    request = {"flows": list(flows), "do": change.do, "packets": change.packets, "to": values}
    # A path to a socket may have 108 bytes only; one through a descriptor is always short.
    folder = os.open(control.parent, os.O_PATH)
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as caller:
            caller.settimeout(_PATIENCE)
            caller.connect(f"/proc/self/fd/{folder}/{control.name}")
            caller.sendall(json.dumps(request).encode() + b"\n")
            answer: dict[str, Any] = json.loads(caller.makefile("rb").readline() or b"{}")
    except (OSError, ValueError) as error:
        raise TestExecutionError(f"a link could not be changed: {described_change(change)}: {error}") from error
    finally:
        os.close(folder)
    if "at" not in answer:
        raise TestExecutionError(f"a link could not be changed: {described_change(change)}: no flow {', '.join(flows)}")
    return float(answer["at"])
