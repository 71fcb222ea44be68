"""Link mechanisms: what delays, loses and reorders packets, for any network environment that asks for it.

An environment says which packets are meant, the mechanism says what has to be set up for them, and the environment
sets it up where its services are. So neither has to know the other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import ClassVar

import attrs

from panther_hookspecs.errors import EnvironmentUnavailableError
from panther_hookspecs.plugins import Descriptor, option
from panther_hookspecs.units import BitRate, Seconds, Share


def _check_reorder(spec: LinkSpec, _field: attrs.Attribute[Share], value: Share) -> None:
    if value and not spec.delay:
        raise ValueError("reorder needs a delay: a packet overtakes those that wait, and without a delay none does")


@attrs.frozen(kw_only=True)
class LinkSpec:
    """What a link does to the packets that cross it. The name is ``a-b``, two services, or ``*`` for all."""

    delay: Seconds = option(Seconds(0), help="One-way delay of every packet.")
    jitter: Seconds = option(Seconds(0), help="Random variation of the delay.")
    loss: Share = option(Share(0), help="Share of packets that vanish.")
    reorder: Share = option(
        Share(0), help="Share of packets that overtake others, which need a delay.", validator=_check_reorder
    )
    duplicate: Share = option(Share(0), help="Share of packets that arrive twice.")
    corrupt: Share = option(Share(0), help="Share of packets with a flipped bit.")
    rate: BitRate = option(BitRate(0), help="Highest data rate; 0 means unlimited.")

    def used(self) -> tuple[str, ...]:
        """Return the impairments that are asked for."""
        return tuple(each.name for each in attrs.fields(LinkSpec) if getattr(self, each.name))


IMPAIRMENTS = tuple(each.name for each in attrs.fields(LinkSpec))
"""Everything that can be asked of a link."""


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
    """Source and target address, IPv4 or IPv6."""


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


@attrs.frozen(kw_only=True)
class LinkSetup:
    """What the environment has to do for a task before any packet is sent: lines for `tc`, or a program, or both."""

    tc: Mapping[str, tuple[str, ...]] = attrs.field(factory=dict)
    """Lines for ``tc -batch`` by node."""
    switch: tuple[str, ...] = ()
    """A program that takes the place of the segment's switch: it passes frames on between the peers of all ports.

    It writes one byte to its standard output when it is ready, and ends on SIGTERM.
    """
    report: Path | None = None
    """What ``switch`` writes when it ends: a JSON list with ``direction`` and counters for each flow."""
    questions: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """Node and command whose output tells at the end what was set and what was counted."""


@attrs.frozen(kw_only=True)
class LinkDescriptor(Descriptor):
    """Announces a link mechanism."""

    KIND: ClassVar[str] = "link"

    factory: Callable[[LinkTask], LinkSetup]
    """Says what has to be set up; may write files into the folder of the task, and nothing else."""
    impairments: frozenset[str]
    """Of ``delay jitter loss reorder duplicate corrupt rate``."""
    rank: int = 50
    """Of several that can do what is asked for, the one with the smallest rank is taken."""
    trial: tuple[str, ...] = ()
    """A command that succeeds, in a network namespace of its own, where the kernel has what is needed."""
    needs_switch: bool = False
    """Whether it works in the place of a switch, which not every environment can offer."""


def chosen_link(
    links: Iterable[LinkDescriptor], wanted: Iterable[str], name: str, works: Callable[[tuple[str, ...]], bool]
) -> LinkDescriptor:
    """Return the mechanism that is to do all of ``wanted``: the one called ``name``, or the first that can.

    ``works`` runs a trial. Raise EnvironmentUnavailableError, which says what is missing, where there is none.
    """
    known, asked = sorted(links, key=lambda each: (each.rank, each.name)), frozenset(wanted)
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
