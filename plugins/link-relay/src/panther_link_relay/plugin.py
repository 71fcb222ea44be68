"""What PANTHER loads: the link mechanism ``relay``."""

from __future__ import annotations

from collections.abc import Iterable

from panther_hookspecs import IMPAIRMENTS, LinkDescriptor, Need, hookimpl
from panther_link_relay.mechanism import set_up


@hookimpl
def panther_register_links() -> Iterable[LinkDescriptor]:
    """Announce ``relay``."""
    yield LinkDescriptor(
        name="relay",
        summary="A switch in user space whose every decision follows from the seed; needs nothing of the kernel.",
        factory=set_up,
        impairments=frozenset(IMPAIRMENTS),
        rank=90,
        needs_switch=True,
        needs=(Need("linux", "linux", why="it takes packets from the kernel's packet sockets"),),
    )
