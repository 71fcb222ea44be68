"""What can be asked of a link: impairments from the start, faults at given times, changes while a case runs."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import attrs

from panther_hookspecs.plugins import option
from panther_hookspecs.units import BitRate, Lapse, Seconds, Share

EVERY_LINK = "*"
"""The name of the link between any two services that have no link of their own."""
_RANGE = re.compile(r"([1-9]\d*)(?:-([1-9]\d*))?\Z")


def _more_than_0(_owner: object, field: attrs.Attribute[float], value: float) -> None:
    if not value > 0:
        raise ValueError(f"{field.name} must be more than 0")


def _not_negative(_owner: object, field: attrs.Attribute[int], value: int) -> None:
    if value < 0:
        raise ValueError(f"{field.name} must be 0 or more")


@attrs.frozen(kw_only=True)
class Blackhole:
    """A link that works for a while, then swallows everything for a while, over and over from its first packet on."""

    on: Lapse = option(help="How long packets pass.", validator=_more_than_0)
    off: Lapse = option(help="How long they vanish after that.", validator=_more_than_0)


@attrs.frozen(kw_only=True)
class Rebind:
    """A NAT in front of the service named first, which forgets: from then on its packets come from elsewhere."""

    first: Lapse = option(help="When it forgets for the first time, from its first packet on.", validator=_more_than_0)
    every: Lapse = option(Lapse(0), help="How long after that for each further time; 0 means once.")
    address: bool = option(False, help="Whether packets come from another address as well, not only another port.")


def drop_ranges(drop: Sequence[int | str]) -> tuple[tuple[int, int], ...]:
    """Return first and last number of each entry of ``drop``; ValueError names one that is none."""
    return tuple(_range(each) for each in drop)


def _range(text: int | str) -> tuple[int, int]:
    match = _RANGE.match(str(text))
    if match is None or int(match[2] or match[1]) < int(match[1]):
        raise ValueError(f"drop lists packets by number, the first is 1: [3] or [2-7, 12], not {text!r}")
    return int(match[1]), int(match[2] or match[1])


def _check_drop(_owner: object, _field: object, value: Sequence[int | str]) -> None:
    drop_ranges(value)


def _check_reorder(state: LinkState, _field: object, value: Share) -> None:
    if value and not state.delay:
        raise ValueError("reorder needs a delay: a packet overtakes those that wait, and without a delay none does")


def _check_queue(state: LinkState, field: attrs.Attribute[int], value: int) -> None:
    _not_negative(state, field, value)
    if value and not state.rate:
        raise ValueError("queue needs a rate: without one no packet has to wait for others")


def _check_burst(state: LinkState, field: attrs.Attribute[int], value: int) -> None:
    _not_negative(state, field, value)
    if value and not (state.loss or state.corrupt):
        raise ValueError("burst needs loss or corrupt: it says how many packets in a row they may hit")


@attrs.frozen(kw_only=True)
class LinkState:
    """What a link does to the packets that cross it, in each of its directions."""

    delay: Lapse = option(Lapse(0), help="One-way delay of every packet.")
    jitter: Lapse = option(Lapse(0), help="Random variation of the delay.")
    loss: Share = option(Share(0), help="Share of packets that vanish.")
    reorder: Share = option(
        Share(0), help="Share of packets that overtake others, which need a delay.", validator=_check_reorder
    )
    duplicate: Share = option(Share(0), help="Share of packets that arrive twice.")
    corrupt: Share = option(Share(0), help="Share of packets with a flipped bit.")
    rate: BitRate = option(BitRate(0), help="Highest data rate; 0 means unlimited.")
    queue: int = option(
        0,
        help="Packets that may wait where there is a rate; as many as take 100 ms if 0.",
        validator=_check_queue,
    )
    burst: int = option(
        0, help="Most packets in a row that loss, and that corrupt, may hit; 0 means any.", validator=_check_burst
    )
    drop: tuple[int | str, ...] = option(
        (), help="Packets that vanish, by number in each direction: [1, 4-7].", validator=_check_drop
    )
    blackhole: Blackhole | None = option(None, help="Times at which everything vanishes, over and over.")
    rebind: Rebind | None = option(None, help="A NAT in front of the service named first, which forgets.")

    def used(self) -> tuple[str, ...]:
        """Return the impairments that are asked for."""
        return tuple(each.name for each in attrs.fields(type(self)) if getattr(self, each.name))


LINK_ACTIONS = ("set", "blackhole", "partition", "heal", "lose", "rebind")
"""What a change can do, see :class:`LinkChange`."""


def _check_do(change: LinkChange, _field: object, value: str) -> None:
    if value not in LINK_ACTIONS:
        raise ValueError(f"expected one of {', '.join(LINK_ACTIONS)}, got {value!r}")
    if (value == "set") != (change.to is not None):
        raise ValueError("'set' needs 'to', the new values of the link, and nothing else has it")
    if (value == "lose") != (change.packets > 0):
        raise ValueError("'lose' needs 'packets', how many of them, and nothing else has it")


@attrs.frozen(kw_only=True)
class LinkChange:
    """Something that happens to a link while services talk over it.

    ``set`` gives it the values ``to``, and those alone. ``blackhole`` makes all further packets vanish, ``partition``
    those that are under way too; ``heal`` ends both. ``lose`` makes the next ``packets`` vanish. ``rebind`` lets the
    NAT in front of the service named first forget.
    """

    do: str = option(help="set, blackhole, partition, heal, lose or rebind.", validator=_check_do)
    to: LinkState | None = option(None, help="For set: what the link does from then on.")
    packets: int = option(0, help="For lose: how many packets vanish.", validator=_not_negative)


@attrs.frozen(kw_only=True)
class LinkStep(LinkChange):
    """A change at a given time of the case."""

    at: Lapse = option(help="When, counted from the moment when all services are ready.")


@attrs.frozen(kw_only=True)
class LinkSpec(LinkState):
    """All that an experiment says about a link.

    Its name is ``a-b``, two services, for both directions; ``a->b`` for one of them; or ``*`` for any two services.
    Of several the one that says most is in force, alone: ``a->b`` before ``a-b`` before ``*``.
    """

    steps: tuple[LinkStep, ...] = option((), help="Changes at given times: [{at: 2s, do: blackhole}, ...].")


IMPAIRMENTS = tuple(each.name for each in attrs.fields(LinkSpec))
"""Everything that can be asked of a link; ``steps`` stands for all changes while services talk over it."""


def directions_of(link: str, services: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """Return sender and receiver of each direction that ``link`` means, none if it means nothing among these services.

    A name that can be read in several ways, because of dashes in the names of services, means nothing either.
    """
    pairs = [(one, other) for one in services for other in services if one != other]
    if link == EVERY_LINK:
        return tuple(pairs)
    one_way = [pair for pair in pairs if link == "->".join(pair)]
    if one_way:
        return tuple(one_way)
    ends = [pair for pair in pairs if link == "-".join(pair)]
    return (ends[0], ends[0][::-1]) if len(ends) == 1 else ()


def link_between(links: Mapping[str, LinkSpec], source: str, target: str) -> tuple[str, LinkSpec]:
    """Return name and values of the link that is in force from ``source`` to ``target``; no name if there is none.

    The NAT of ``rebind`` is in front of the service that a link names first, so it belongs to one direction only.
    """
    for name, behind in ((f"{source}->{target}", True), (f"{source}-{target}", True), (f"{target}-{source}", False)):
        if name in links:
            return name, links[name] if behind else attrs.evolve(links[name], rebind=None)
    return (EVERY_LINK, links[EVERY_LINK]) if EVERY_LINK in links else ("", LinkSpec())


def directions_changed(link: str, change: LinkChange, services: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """Return sender and receiver of each direction that a change of ``link`` is about: a NAT is in front of one end."""
    return directions_of(link, services)[: 1 if change.do == "rebind" else None]


def plain_state(state: LinkState) -> dict[str, Any]:
    """Return a state as other programs read it: JSON, and ``drop`` as first and last numbers."""
    told = {key: value for key, value in attrs.asdict(state).items() if key != "steps"}
    return {**told, "drop": drop_ranges(state.drop)}


def described_change(change: LinkChange) -> str:
    """Return a change as one line, the way people write it."""
    if change.to is not None:
        return f"set {described_state(change.to)}".rstrip()
    return f"lose {change.packets} packets" if change.packets else change.do


def described_state(state: LinkState) -> str:
    """Return the values of a link as one line, the way people write them."""
    return " ".join(f"{each}={_plain(getattr(state, each), each)}" for each in state.used())


def _plain(value: object, name: str) -> str:
    if isinstance(value, Seconds):
        return f"{value * 1e3:g}ms" if value < 1 else f"{value:g}s"
    if isinstance(value, BitRate):
        return f"{value / 1e6:g}Mbit"
    if isinstance(value, Share):
        return f"{value * 100:g}%"
    if isinstance(value, tuple):
        return f"{len(value)}" if name == "steps" else ",".join(map(str, value))
    if isinstance(value, Blackhole | Rebind):
        given = ((each.name, getattr(value, each.name)) for each in attrs.fields(type(value)))
        return "/".join(f"{key}:{_plain(each, key)}" for key, each in given if each)
    return f"{value}"
