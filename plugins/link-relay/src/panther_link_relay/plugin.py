"""What PANTHER loads: the link mechanisms ``relay`` and ``proxy``."""

from __future__ import annotations

from collections.abc import Iterable

from panther_hookspecs import IMPAIRMENTS, LinkDescriptor, Need, hookimpl
from panther_link_relay.mechanism import set_up, set_up_proxy


@hookimpl
def panther_register_links() -> Iterable[LinkDescriptor]:
    """Announce ``relay`` and ``proxy``."""
    yield LinkDescriptor(
        name="relay",
        summary="A switch in user space whose every decision follows from the seed; needs nothing of the kernel.",
        factory=set_up,
        impairments=frozenset(IMPAIRMENTS),
        rank=90,
        needs=(Need("linux", "linux", why="it takes packets from the kernel's packet sockets"),),
    )
    yield LinkDescriptor(
        name="proxy",
        summary="The same between sockets, where there are no interfaces to stand between; streams only come late.",
        factory=set_up_proxy,
        impairments=frozenset(IMPAIRMENTS),
        rank=90,
        is_proxy=True,
        stream_impairments=frozenset({"delay", "jitter", "rate", "blackhole", "steps"}),
    )
