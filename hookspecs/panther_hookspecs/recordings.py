"""Recording packets: what a network environment asks for, and the engine's recorder does, in whatever namespace."""

from __future__ import annotations

from pathlib import Path

import attrs


@attrs.frozen(kw_only=True)
class RecordedPlace:
    """An address and port whose packets are to be recorded, where others use the same interface."""

    ip: str
    port: int
    own: bool = True
    """Whether it belongs to the service itself: what it sends is outgoing then."""


@attrs.frozen(kw_only=True)
class Recording:
    """The packets of one service.

    ``Context.recorder`` gives the program that does it. The environment starts that in the network namespace of the
    interfaces, before any packet is sent; it needs CAP_NET_RAW there. One byte on its standard output says that from
    now on no packet is missed, and on SIGTERM it writes what has arrived and ends. The file is an artifact of the kind
    ``capture``; the engine puts the TLS keys into it that services have written.
    """

    file: Path
    """A pcapng file; its folder exists."""
    interfaces: tuple[str, ...]
    limit: int = 256 << 20
    """Size at which the file stops growing; what is left out is counted in it."""
    length: int = 65535
    """Bytes of each packet that are kept."""
    places: tuple[RecordedPlace, ...] = ()
    """Only packets from or to these, and each of them once, as is needed on loopback; everything if left out."""
