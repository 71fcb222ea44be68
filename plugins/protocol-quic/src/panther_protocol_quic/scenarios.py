"""The scenarios: what is requested, over which link, and who judges it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import attrs

from panther_hookspecs import (
    BitRate,
    Blackhole,
    CheckResult,
    LinkSpec,
    Measurement,
    Message,
    Rebind,
    ScenarioEvidence,
    Seconds,
    Share,
    TestScenario,
)
from panther_protocol_quic import parameters as given

_LONG = {"client-server": LinkSpec(delay=Seconds(0.75))}
# Without a delay, a handshake can be over before a client has written its requests, however early it began.
_DISTANT = {"client-server": LinkSpec(delay=Seconds(0.015))}
_BURST = 3
_LOSSY = {"client-server": LinkSpec(loss=Share(0.02), burst=_BURST)}
_CORRUPTING = {"client-server": LinkSpec(corrupt=Share(0.02), burst=_BURST)}
_VERY_LOSSY = {"client-server": LinkSpec(loss=Share(0.3), burst=_BURST)}
_VERY_CORRUPTING = {"client-server": LinkSpec(corrupt=Share(0.3), burst=_BURST)}
_USUAL = LinkSpec(delay=Seconds(0.015), rate=BitRate(10e6), queue=25)
_SLOW = {"client-server": _USUAL}
_SILENT = {"client->server": LinkSpec(drop=("2-7",))}
_HOLES = {"client-server": attrs.evolve(_USUAL, blackhole=Blackhole(on=Seconds(5), off=Seconds(2)))}
_FORGETFUL, _FORGETTING = (
    {"client-server": attrs.evolve(_USUAL, rebind=Rebind(first=Seconds(1), every=Seconds(5), address=address))}
    for address in (False, True)
)


def _judged(seen: ScenarioEvidence, name: str) -> Iterable[CheckResult]:
    from panther_protocol_quic.judging import judge  # noqa: PLC0415 - planning judges nothing

    return judge(name, seen)


def _measured(seen: ScenarioEvidence, name: str) -> Iterable[Measurement]:
    from panther_protocol_quic.measuring import measure  # noqa: PLC0415 - planning measures nothing

    return measure(name, seen)


def _asked(seen: ScenarioEvidence) -> Iterable[CheckResult]:
    from panther_protocol_quic.asking import check_asking  # noqa: PLC0415 - planning judges nothing

    return check_asking(seen)


def messages(seen: ScenarioEvidence) -> Iterable[Message]:
    """Yield what the two sides sent to each other."""
    from panther_protocol_quic.telling import tell  # noqa: PLC0415 - planning tells nothing

    return tell(seen)


def _scenario(
    name: str, summary: str, parameters: type[Any], links: Mapping[str, LinkSpec] | None = None
) -> TestScenario:
    return TestScenario(
        name=name,
        summary=summary,
        parameters=parameters,
        check=lambda seen: _judged(seen, name),
        measure=lambda seen: _measured(seen, name),
        links=links or {},
        capture=True,
    )


SCENARIOS = (
    _scenario("handshake", "A connection is made, and one small file arrives", given.Small),
    _scenario("transfer", "Files that exceed the windows of flow control arrive over one connection", given.Transfer),
    _scenario("longrtt", "A handshake succeeds over a path with a delay of 750 ms", given.Small, _LONG),
    _scenario("chacha20", "The client offers ChaCha20-Poly1305 alone, and a file arrives", given.Medium),
    _scenario("multiplexing", "Thousands of streams in one connection", given.Streams),
    _scenario("retry", "The server demands that the client repeats its token", given.Kilobytes10),
    _scenario("resumption", "The second connection resumes the session of the first", given.Pair),
    _scenario("zerortt", "The second connection sends its requests before the handshake", given.Early, _DISTANT),
    _scenario("http3", "Files arrive over HTTP/3", given.Http3),
    _scenario("keyupdate", "The client updates the keys, and the server follows", given.Medium),
    _scenario("versionnegotiation", "The server answers an unknown version with those it knows", given.First),
    _scenario("v2", "The connection begins with version 1 and goes on with version 2", given.Versioned),
    _scenario("ipv6", "Files arrive over IPv6", given.Pair),
    _scenario(
        "ecn", "Packets are marked for explicit congestion notification, and marks are counted", given.Kilobytes100
    ),
    _scenario("transferloss", "Files arrive although packets are lost", given.Moderate, _LOSSY),
    _scenario("transfercorruption", "Files arrive although packets are damaged", given.Moderate, _CORRUPTING),
    _scenario("handshakeloss", "Every connection is made although packets are lost", given.Connections, _VERY_LOSSY),
    _scenario(
        "handshakecorruption",
        "Every connection is made although packets are damaged",
        given.Connections,
        _VERY_CORRUPTING,
    ),
    _scenario(
        "amplificationlimit", "A server keeps to what it may send to an unvalidated address", given.Amplified, _SILENT
    ),
    _scenario("blackhole", "A transfer survives times in which nothing arrives", given.Large, _HOLES),
    _scenario(
        "rebind-port", "The client's port changes on the way, and the server validates it", given.Large, _FORGETFUL
    ),
    _scenario(
        "rebind-addr", "The client's address changes on the way, and the server validates it", given.Large, _FORGETTING
    ),
    _scenario("connectionmigration", "The client moves to another address by itself", given.Moderate),
    _scenario("goodput", "How fast a large file arrives over a link of 10 Mbit/s", given.Large, _SLOW),
    _scenario("crosstraffic", "How fast it arrives beside a TCP connection", given.Larger, _SLOW),
    TestScenario(
        name="load",
        summary="Single requests at a rate, from the implementation load",
        parameters=given.Small,
        check=_asked,
    ),
    TestScenario(
        name="replay",
        summary="Requests of a recording, from the implementation replay",
        parameters=given.Small,
        check=_asked,
    ),
)
"""The first is the default."""
