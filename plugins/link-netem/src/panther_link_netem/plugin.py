"""What PANTHER loads: the link mechanisms ``htb`` and ``netem``."""

from __future__ import annotations

from collections.abc import Iterable

from panther_hookspecs import LinkDescriptor, Need, hookimpl
from panther_link_netem.shaping import with_htb, with_netem

_NEEDS = (
    Need("linux", "linux", why="these are parts of its kernel"),
    Need("tool", "tc", package="iproute2", why="it sets them up"),
)
_TRY = ("tc", "qdisc", "add", "dev", "lo", "root")


@hookimpl
def panther_register_links() -> Iterable[LinkDescriptor]:
    """Announce both."""
    yield LinkDescriptor(
        name="htb",
        summary="Rates, kept by the kernel's token buckets.",
        factory=with_htb,
        impairments=frozenset({"rate", "queue"}),
        rank=10,
        trial=(*_TRY, "htb"),
        needs=_NEEDS,
    )
    yield LinkDescriptor(
        name="netem",
        summary="All impairments by the kernel's network emulator, at full speed; its chances follow no seed.",
        factory=with_netem,
        impairments=frozenset({"delay", "jitter", "loss", "reorder", "duplicate", "corrupt", "rate", "queue"}),
        rank=20,
        trial=(*_TRY, "netem", "delay", "1ms"),
        needs=_NEEDS,
    )
