"""The options of the test type ``recovery``."""

from __future__ import annotations

from typing import Any

import attrs

from panther_hookspecs import Bytes, Seconds, Share, option

SERVICE_FAULTS = ("kill", "restart", "stop", "squeeze", "full_disk")
LINK_FAULTS = ("blackhole", "partition", "lose", "rebind")
LASTING = ("kill", "stop", "squeeze", "full_disk", "blackhole", "partition")
"""Faults that have an end; the others are over at once."""
_NOT_NEGATIVE = attrs.validators.ge(0)


@attrs.frozen(kw_only=True)
class Fault:
    """Something that goes wrong at a defined moment."""

    at: Seconds = option(validator=_NOT_NEGATIVE, help="When, counted from the moment when all services are ready.")
    do: str = option(
        validator=attrs.validators.in_((*SERVICE_FAULTS, *LINK_FAULTS)),
        help=(
            "kill (and start again after lasts), restart (ask it to end, start it again), stop (and let it go on), "
            "squeeze (leave it a share of a processor), full_disk; blackhole, partition, lose, rebind for a link."
        ),
    )
    service: str = option("", help="The service that it happens to.")
    link: str = option("", help="The link that it happens to: a-b, a->b or *.")
    lasts: Seconds = option(Seconds(0), validator=_NOT_NEGATIVE, help="How long, for faults that have an end.")
    packets: int = option(0, validator=_NOT_NEGATIVE, help="For lose: how many packets vanish.")
    share: Share = option(Share(0.1), help="For squeeze: the share of the time in which the service may run.")

    @property
    def ends(self) -> float:
        """When it is over, on the same clock as ``at``."""
        return float(self.at + (self.lasts if self.do in LASTING else 0))

    def __str__(self) -> str:
        """Return the fault as people say it."""
        lasts = f" for {float(self.lasts):g} s" if self.do in LASTING else ""
        return f"{self.do} {self.service or self.link}{lasts}"


@attrs.frozen(kw_only=True)
class RecoveryOptions:
    """What goes wrong, and what must hold afterwards."""

    faults: tuple[Fault, ...] = option(help="What goes wrong, one after the other.")
    within: Seconds = option(
        Seconds(0), validator=_NOT_NEGATIVE, help="Longest time from a fault until there is service again; 0 for any."
    )
    lost: int = option(-1, validator=attrs.validators.ge(-1), help="Most requests that may be lost; -1 for any number.")
    disk: Bytes = option(Bytes(8 << 20), help="Size of the disk of a service that gets a full one.")


def changes_links(options: Any) -> bool:
    """Return whether any fault happens to a link."""
    return any(fault.do in LINK_FAULTS for fault in options.faults)
