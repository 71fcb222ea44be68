"""What scenarios are about that concerns the network: marks, limits, addresses."""

from __future__ import annotations

from collections.abc import Iterable

from panther_hookspecs import CheckResult
from panther_protocol_quic.evidence.packets import Kind
from panther_protocol_quic.facts import check, passed, unseen
from panther_protocol_quic.seeing import Sight

LEAST_CHAIN = 7500
_TOLERATED = 4
_MARKS = {0: "not marked", 1: "ECT(1)", 2: "ECT(0)", 3: "CE"}


def marked(sight: Sight) -> Iterable[CheckResult]:
    """All packets must be marked as capable, none as congested, and both sides must have counted marks."""
    traffic = sight.packets("server")
    if traffic is None:
        yield unseen("ECN", sight.lacking())
        return
    for who, name in ((True, "client"), (False, "server")):
        marks = {each.ecn for each in traffic.packets() if each.from_client is who}
        told = ", ".join(_MARKS[each] for each in sorted(marks)) or "not seen"
        yield check(f"ECN of the {name}", holds=marks in ({1}, {2}), evidence=f"its packets are {told}")
        counted = [
            frame
            for connection in traffic.connections
            for kind in (Kind.INITIAL, Kind.HANDSHAKE, Kind.SHORT)
            for packet in connection.of(kind, from_client=who)
            for frame in connection.frames(packet)
            if frame.name == "ack" and any(frame.numbers[1:])
        ]
        has_keys = any(each.opener(Kind.SHORT, from_client=who) for each in traffic.connections)
        if counted or has_keys:
            evidence = f"{len(counted)} acknowledgements of the {name} count marks"
            yield check(f"counts of the {name}", holds=bool(counted), evidence=evidence)
        else:
            yield unseen(f"counts of the {name}", "nobody logged the keys that show acknowledgements")


def amplified(sight: Sight) -> Iterable[CheckResult]:
    """Before the client has shown that it is where it says, the server must not send three times what it got."""
    traffic = sight.captured("server") or sight.packets("server")
    if traffic is None:
        yield unseen("amplification", sight.lacking())
        return
    received = sent = chain = 0
    worst, validated = 0.0, False
    for packet in (each for connection in traffic.connections[:1] for each in connection.packets):
        if packet.from_client:
            validated = validated or packet.kind is Kind.HANDSHAKE
            received += packet.size
        else:
            chain += packet.size if packet.kind in (Kind.INITIAL, Kind.HANDSHAKE) else 0
            sent += packet.size
            worst = worst if validated else max(worst, sent / max(received, 1))
    evidence = f"the server sent at most {worst:.2f} times what it had got before the address was validated"
    yield check("amplification", holds=worst < _TOLERATED, evidence=evidence)
    said = f"{chain} bytes of handshake, {LEAST_CHAIN} are needed to reach the limit"
    yield passed("chain", said) if chain >= LEAST_CHAIN else unseen("chain", said)
