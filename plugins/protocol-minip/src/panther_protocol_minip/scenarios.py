"""The scenarios of MiniP and their parameters."""

from __future__ import annotations

import attrs

from panther_hookspecs import Bytes, NoOptions, Seconds, TestScenario, option
from panther_protocol_minip.judging import greet, idle, ping, probe, refuse, transfer
from panther_protocol_minip.loading import check, measure_load
from panther_protocol_minip.measuring import measure
from panther_protocol_minip.replaying import check_players

LARGEST_PING = 1200
LARGEST_FILE = Bytes(1 << 26)
LARGEST_PROBE = 60000


@attrs.frozen(kw_only=True)
class PingParameters:
    """How many pings, and what they look like."""

    count: int = option(5, validator=attrs.validators.ge(1), help="Number of pings.")
    size: int = option(
        32,
        validator=[attrs.validators.ge(0), attrs.validators.le(LARGEST_PING)],
        help="Bytes in the body of every ping.",
    )
    interval: Seconds = option(
        Seconds(0.01), validator=attrs.validators.ge(0), help="Pause between an answer and the next ping."
    )


@attrs.frozen(kw_only=True)
class LoadParameters:
    """What the pings of a load look like."""

    size: int = option(
        32,
        validator=[attrs.validators.ge(0), attrs.validators.le(LARGEST_PING)],
        help="Bytes in the body of every ping.",
    )


@attrs.frozen(kw_only=True)
class ReplayParameters:
    """What a client does whose server is a player."""

    plays: str = option(
        "ping",
        validator=attrs.validators.in_(("ping", "transfer", "greet", "idle")),
        help="The scenario, with its defaults, that a client plays against a recorded server.",
    )


@attrs.frozen(kw_only=True)
class TransferParameters:
    """How much to transfer."""

    size: Bytes = option(
        Bytes(1 << 16),
        validator=[attrs.validators.ge(0), attrs.validators.le(LARGEST_FILE)],
        help="Size of the file, at most 64MiB.",
    )


@attrs.frozen(kw_only=True)
class IdleParameters:
    """How long to keep silent."""

    duration: Seconds = option(Seconds(1), validator=attrs.validators.ge(0), help="How long the client says nothing.")


@attrs.frozen(kw_only=True)
class ProbeParameters:
    """How hard to probe."""

    length: int = option(
        2000,
        validator=[attrs.validators.ge(1400), attrs.validators.le(LARGEST_PROBE)],
        help="Characters in the overlong nonce.",
    )


SCENARIOS = (
    TestScenario(
        name="ping",
        summary="Every ping is answered with the right digest",
        check=ping,
        parameters=PingParameters,
        measure=measure,
    ),
    TestScenario(
        name="transfer",
        summary="A file arrives complete and unchanged",
        check=transfer,
        parameters=TransferParameters,
        measure=measure,
    ),
    TestScenario(
        name="greet", summary="Client and server greet each other and part", check=greet, parameters=NoOptions
    ),
    TestScenario(
        name="refuse", summary="A server refuses a version that nobody knows", check=refuse, parameters=NoOptions
    ),
    TestScenario(name="idle", summary="A session survives a long silence", check=idle, parameters=IdleParameters),
    TestScenario(
        name="load",
        summary="A load generator pings, and every answer proves that the ping was read",
        check=check,
        parameters=LoadParameters,
        measure=measure_load,
    ),
    TestScenario(
        name="replay",
        summary="A player speaks for one side, and the other side takes it for a real one",
        check=check_players,
        parameters=ReplayParameters,
    ),
    TestScenario(
        name="probe", summary="A server survives an overlong message", check=probe, parameters=ProbeParameters
    ),
)
"""The first is the default."""
