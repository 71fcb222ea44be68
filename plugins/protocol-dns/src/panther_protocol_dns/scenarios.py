"""The scenarios of DNS and their parameters."""

from __future__ import annotations

from typing import Any

import attrs

from panther_hookspecs import NoOptions, TestScenario, option
from panther_protocol_dns.asking import check_load_of_questions, check_players
from panther_protocol_dns.judging import check_of, measure

_MOST = 100_000
_FEWEST = 16
"""So few that ids tell a million questions apart."""


@attrs.frozen(kw_only=True)
class AnswersParameters:
    """Over what to ask."""

    transport: str = option(
        "udp", validator=attrs.validators.in_(("udp", "tcp")), help="udp (default) or tcp; tls and quic are scenarios."
    )


@attrs.frozen(kw_only=True)
class ManyParameters(AnswersParameters):
    """How many questions."""

    count: int = option(
        200, validator=[attrs.validators.ge(1), attrs.validators.le(_MOST)], help="Number of hosts to ask for."
    )


@attrs.frozen(kw_only=True)
class HostsParameters:
    """How large the zone is."""

    count: int = option(
        200,
        validator=[attrs.validators.ge(_FEWEST), attrs.validators.le(_MOST)],
        help="Number of hosts in the zone; a load asks for one after the other.",
    )


def _scenario(name: str, summary: str, parameters: type[Any] = NoOptions) -> TestScenario:
    return TestScenario(
        name=name,
        summary=summary,
        check=check_of(name),
        parameters=parameters,
        measure=measure if name == "many" else None,
    )


SCENARIOS = (
    _scenario("answers", "Records of eight kinds, an alias and a wildcard are answered rightly", AnswersParameters),
    _scenario("denial", "Names and types that do not exist are denied, with the time for which that holds"),
    _scenario("truncation", "An answer too large for UDP is truncated, and complete over TCP"),
    _scenario("edns", "EDNS is answered with EDNS, its absence with its absence, an unknown version with BADVERS"),
    _scenario("transfer", "The whole zone is transferred"),
    _scenario("tls", "The same answers come over TLS, from a server whose certificate is verified"),
    _scenario("quic", "The same answers come over QUIC, from a server whose certificate is verified"),
    _scenario("many", "Hundreds of questions are all answered rightly", ManyParameters),
    TestScenario(
        name="load",
        summary="A load generator asks for addresses, and every answer is that of the zone",
        check=check_load_of_questions,
        parameters=HostsParameters,
    ),
    TestScenario(
        name="replay",
        summary="A player speaks for one side, and the other side takes it for a real one",
        check=check_players,
        parameters=HostsParameters,
    ),
)
"""The first is the default."""
