"""The options of the implementation ``replay`` and of the test type."""

from __future__ import annotations

from pathlib import Path

import attrs

from panther_hookspecs import Seconds, option


def _is_there(_owner: object, _field: object, path: Path) -> None:
    if not path.is_file():
        raise ValueError(f"there is no recording {path} - try: panther recording RUN -o {path.name}")


@attrs.frozen(kw_only=True)
class PlayerOptions:
    """What is played, and how."""

    recording: Path = option(
        validator=_is_there, help="A recording, or a capture (pcap, pcapng): its first conversation is taken."
    )
    timing: str = option(
        "original",
        validator=attrs.validators.in_(("original", "none")),
        help="original: messages go out when they did. none: as soon as what came before them has come again.",
    )
    speed: float = option(1.0, validator=attrs.validators.gt(0), help="original timing: so many times as fast.")
    patience: Seconds = option(
        Seconds(1), validator=attrs.validators.gt(0), help="How long to wait for an answer that was recorded."
    )
    adapt: bool = option(
        True, help="As a server: fit recorded answers to what the client says, as far as the dialect knows how."
    )
    ipv6: bool = option(False, help="Talk over IPv6.")


@attrs.frozen(kw_only=True)
class ReplayOptions:
    """What may differ."""

    allowed: int = option(0, validator=attrs.validators.ge(0), help="How many differences still pass.")
