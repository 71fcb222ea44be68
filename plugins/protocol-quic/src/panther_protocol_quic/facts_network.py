"""What scenarios are about that concerns the network: marks, limits, addresses."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable

from panther_hookspecs import CheckResult
from panther_protocol_quic.evidence.packets import Kind, Packet
from panther_protocol_quic.evidence.traffic import Connection, Traffic
from panther_protocol_quic.facts import check, failed, passed, unseen
from panther_protocol_quic.seeing import Sight

LEAST_CHAIN = 7500
_HARD_TO_GUESS = 8
_LIMIT = 3
_LEAST_TCP = 1 << 20
_MARKS = {0: "not marked", 1: "ECT(1)", 2: "ECT(0)", 3: "CE"}


def marked(sight: Sight) -> Iterable[CheckResult]:
    """All packets must be marked as capable, none as congested, and both sides must have counted marks."""
    traffic = sight.packets("server")
    if traffic is None:
        yield unseen("ECN", sight.lacking())
        return
    for who, name in ((True, "client"), (False, "server")):
        marks = Counter(each.ecn for each in traffic.packets() if each.from_client is who)
        told = ", ".join(f"{count} of {marks.total()} {_MARKS[each]}" for each, count in sorted(marks.items()))
        holds = set(marks) in ({1}, {2})
        yield check(f"ECN of the {name}", holds=holds, evidence=f"its packets: {told or 'none was seen'}")
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
    worst, validated, kept = 0.0, False, True
    for packet in (each for connection in traffic.connections[:1] for each in connection.packets):
        if packet.from_client:
            validated = validated or _shows_address(packet, traffic.connections[0])
            received += packet.carried
        else:
            chain += packet.size if packet.kind in (Kind.INITIAL, Kind.HANDSHAKE) else 0
            sent += packet.carried
            if not validated and packet.carried:
                # One datagram that begins below the limit and ends above it is tolerated: many servers count so.
                kept = kept and sent - packet.carried < _LIMIT * received
                worst = max(worst, sent / max(received, 1))
    evidence = f"the server sent at most {worst:.2f} times what it had got before the address was validated"
    more = "" if kept else f", and did not stop at {_LIMIT} times"
    yield check("amplification", holds=kept, evidence=evidence + more)
    said = f"{chain} bytes of handshake, {LEAST_CHAIN} are needed to reach the limit"
    yield passed("chain", said) if chain >= LEAST_CHAIN else unseen("chain", said)


def _shows_address(packet: Packet, connection: Connection) -> bool:
    """Whether a client's packet shows that it gets what is sent to its address (RFC 9000, 8.1)."""
    chosen = len(packet.dcid) >= _HARD_TO_GUESS and packet.dcid in connection.server_scids
    return packet.kind is Kind.HANDSHAKE or (packet.kind is Kind.INITIAL and (chosen or bool(packet.token)))


def rebound(sight: Sight) -> Iterable[CheckResult]:
    """The server must have validated every new port of the client."""
    yield from _moved(sight)


def readdressed(sight: Sight) -> Iterable[CheckResult]:
    """The server must have validated every new address of the client."""
    traffic = sight.packets("server")
    if traffic is not None:
        addresses = {each.path[0] for each in traffic.packets() if each.from_client}
        evidence = f"the server saw the client at {' and '.join(sorted(addresses)) or 'no address'}"
        yield check("addresses", holds=len(addresses) > 1, evidence=evidence)
    yield from _moved(sight)


def migrated(sight: Sight) -> Iterable[CheckResult]:
    """The client must have moved by itself, under another connection id, and the server must have validated that."""
    traffic = sight.packets("server")
    for connection in traffic.connections[:1] if traffic else ():
        ids = [{_dcid(connection, each) for each in packets} for _, packets in _paths(connection)]
        fresh = all(one.isdisjoint(other) for one, other in itertools.pairwise(ids))
        told = f"connection ids on the paths: {', '.join(str(len(each)) for each in ids)}"
        yield check("connection ids", holds=fresh, evidence=told + (", none twice" if fresh else ", one of them again"))
    yield from _moved(sight)


def _dcid(connection: Connection, packet: Packet) -> bytes:
    return packet.data[1 : 1 + connection.cid_length(from_client=True)] if packet.kind is Kind.SHORT else packet.dcid


def _paths(connection: Connection) -> list[tuple[tuple[str, int], list[Packet]]]:
    """Return the client's addresses in the order in which they were first seen, with its packets from there."""
    found: dict[tuple[str, int], list[Packet]] = {}
    for packet in connection.packets:
        if packet.from_client:
            found.setdefault(packet.path, []).append(packet)
    return list(found.items())


def _moved(sight: Sight) -> Iterable[CheckResult]:
    traffic = sight.packets("server")
    if traffic is None or not traffic.connections:
        yield unseen("paths", sight.lacking())
        return
    connection = traffic.connections[0]
    paths = _paths(connection)
    if len(paths) == 1:
        yield failed("paths", f"the client stayed at one address in the {traffic.source}")
    elif connection.opener(Kind.SHORT, from_client=False) is None:
        yield unseen("paths", f"{len(paths)} paths, and nobody logged the keys with which challenges can be read")
    else:
        yield from _validated(traffic, connection, [path for path, _ in paths[1:]])


def _validated(traffic: Traffic, connection: Connection, paths: list[tuple[str, int]]) -> Iterable[CheckResult]:
    """Yield whether the server's first packet on each new path is a challenge, and whether that was answered."""
    answers = set(_path_data(connection, connection.of(Kind.SHORT, from_client=True), "path_response"))
    reached = challenged = answered = 0
    for path in paths:
        sent = [each for each in connection.of(Kind.SHORT, from_client=False) if each.path == path]
        reached += bool(sent)
        challenged += bool(_path_data(connection, sent[:1], "path_challenge"))
        answered += not answers.isdisjoint(_path_data(connection, sent, "path_challenge"))
    evidence = (
        f"{len(paths)} new paths in the {traffic.source}, {challenged} begin with a challenge, {answered} validated"
    )
    yield check("paths", holds=0 < reached == challenged == answered, evidence=evidence)


def _path_data(connection: Connection, packets: list[Packet], name: str) -> list[bytes]:
    return [frame.data for packet in packets for frame in connection.frames(packet) if frame.name == name]


def crossed(sight: Sight) -> Iterable[CheckResult]:
    """There must have been other traffic on the link."""
    traffic = sight.packets("client")
    if traffic is None:
        yield unseen("cross traffic", sight.lacking())
    else:
        yield check(
            "cross traffic", holds=traffic.tcp >= _LEAST_TCP, evidence=f"{traffic.tcp} bytes of TCP on the link"
        )
