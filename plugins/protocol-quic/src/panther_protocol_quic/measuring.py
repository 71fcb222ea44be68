"""Numbers from the evidence: how fast files arrived, and what it took."""

from __future__ import annotations

from collections.abc import Iterator

from panther_hookspecs import Measurement, ScenarioEvidence
from panther_protocol_quic.cases import Case
from panther_protocol_quic.evidence.packets import Kind
from panther_protocol_quic.seeing import Sight, handshakes, sights


def measure(scenario: str, seen: ScenarioEvidence) -> Iterator[Measurement]:
    """Yield what can be measured for every client: time and goodput, packets, bytes, handshakes."""
    for sight in sights(scenario, seen):
        yield from _measured(sight.case, sight)


def _measured(case: Case, sight: Sight) -> Iterator[Measurement]:
    name = case.client.name
    traffic = sight.any("server")
    if traffic is None or traffic.flaw:
        return
    times = {who: [each.time for each in traffic.packets() if each.from_client is who] for who in (True, False)}
    sizes = {who: sum(each.size for each in traffic.packets() if each.from_client is who) for who in (True, False)}
    for who, side in ((True, "client"), (False, "server")):
        yield Measurement(name=f"quic.packets.{side}", value=len(times[who]), service=name)
        yield Measurement(name=f"quic.bytes.{side}", value=sizes[who], unit="B", service=name)
    yield Measurement(name="quic.handshakes", value=handshakes(traffic), service=name)
    data = [each.time for each in traffic.packets() if each.kind is Kind.SHORT]
    if times[True] and data and data[0] >= times[True][0]:
        yield Measurement(name="quic.handshake.seconds", value=data[0] - times[True][0], unit="s", service=name)
    seconds = max(data) - min(data) if data else 0.0
    found = case.downloaded()
    if seconds > 0 and all(each.name in found for each in case.wanted):
        bits = 8 * sum(each.size for each in case.wanted)
        yield Measurement(name="quic.goodput", value=bits / seconds, unit="bit/s", service=name)
