"""What every scenario is about: that both sides talked, agreed on what was asked for, and that the files came so."""

from __future__ import annotations

from collections.abc import Iterable

from panther_hookspecs import CheckResult, Verdict
from panther_protocol_quic.evidence.frames import UNKNOWN, protocols
from panther_protocol_quic.evidence.packets import V1, V2, Kind
from panther_protocol_quic.evidence.traffic import CERTIFICATE, Connection, Traffic
from panther_protocol_quic.facts import check, failed, passed, unseen
from panther_protocol_quic.materials import connections
from panther_protocol_quic.places import PATHS
from panther_protocol_quic.seeing import Sight, handshakes

_SMALL = 1 << 16
"""Bytes of files for which packets are opened; more than that is shown by the size of packets alone."""
_VERSIONS = {V1: "v1", V2: "v2"}


def exchanged(sight: Sight) -> Iterable[CheckResult]:
    """Where packets were recorded, they must show the connections, what was agreed, and the files."""
    traffic = sight.packets("server")
    if traffic is None:
        yield from _logged(sight)
        return
    if traffic.flaw:
        yield unseen("capture", traffic.flaw)
        return
    counts = [sum(each.from_client is one for each in traffic.packets()) for one in (True, False)]
    said = f"{counts[0]} packets of the client and {counts[1]} of the server in the {traffic.source}"
    yield check("packets", holds=all(counts), evidence=said)
    wanted, seen = len(connections(sight.case.scenario, sight.case.wanted)), handshakes(traffic)
    what = "handshake" if wanted == 1 else "handshakes"
    if seen or all(counts):
        more = "; the server answers a connection with several ids of its own" if _changes_id(traffic) else ""
        yield check(what, holds=seen == wanted, evidence=f"{seen} of {wanted} in the {traffic.source}{more}")
    if seen:
        yield agreed(sight, traffic)
        way = carried(sight, traffic)
        if traffic.is_whole or way.verdict is Verdict.PASS:
            yield way  # what was not recorded may be what is missing


def _changes_id(traffic: Traffic) -> bool:
    """Whether the server changes the id that it has chosen for a connection, which it never may."""
    return any(
        len({packet.scid for packet in each.of(Kind.INITIAL, from_client=False)}) > 1 for each in traffic.connections
    )


def _logged(sight: Sight) -> Iterable[CheckResult]:
    """Without a recording, sides that log their connections must have logged one: files can be copied."""
    sides = (sight.case.client, sight.case.server)
    files = (each.folder / PATHS["keys"] for each in sides)
    if any(each.sheet.get("logs") for each in sides) and not (
        any(each.is_file() and each.stat().st_size for each in files)
        or sight.logged("client")
        or sight.logged("server")
    ):
        yield unseen("packets", "none were recorded, and neither side has logged keys or qlog of a connection")


def agreed(sight: Sight, traffic: Traffic) -> CheckResult:
    """Both sides must use the protocol and the version that were asked for, and the certificate of the case."""
    answered = [each for each in traffic.connections if each.version]
    for connection in answered:
        if fault := _strange_protocol(sight, connection) or _strange_version(sight, connection):
            return failed("agreed", fault)
        shown = connection.handshake(from_client=False).get(CERTIFICATE)
        own = sight.case.server.folder / PATHS["cert_der"]
        if shown is not None and own.is_file() and own.read_bytes() not in shown:
            return failed("agreed", "the server shows another certificate than the one that it was given")
    used = " and ".join(sorted({_VERSIONS.get(each.version, hex(each.version)) for each in answered}))
    chosen = all(protocols(each.server_extensions() or {}) for each in answered)
    said = "" if chosen else ", as far as the client offers it,"
    return passed("agreed", f"{sight.case.parameters['alpn']}{said} over QUIC {used}")


def _strange_protocol(sight: Sight, connection: Connection) -> str:
    """Return that the application protocol is not the one that was asked for, if so."""
    wanted, offer = str(sight.case.parameters["alpn"]), connection.hello(from_client=True)
    if offer is not None and wanted not in offer.alpn:
        return f"the client offers {', '.join(offer.alpn) or 'no application protocol'}, {wanted} was asked for"
    chosen = protocols(connection.server_extensions() or {})
    return f"the server has chosen {chosen[0]}, {wanted} was asked for" if chosen and chosen != (wanted,) else ""


def _strange_version(sight: Sight, connection: Connection) -> str:
    """Return that the version is not the one that was asked for, if so; one scenario is about nothing else."""
    wanted, used = str(sight.case.parameters["version"]), connection.version
    own = _VERSIONS.get(used, hex(used))
    return "" if own == wanted or sight.case.scenario == "v2" else f"the connection is {own}, {wanted} was asked for"


def carried(sight: Sight, traffic: Traffic) -> CheckResult:
    """The files must have come in these connections. A capture may miss packets, so half of the bytes are enough."""
    wanted = connections(sight.case.scenario, sight.case.wanted)
    groups: list[tuple[Connection, ...]] = [(each,) for each in traffic.connections]
    if len(wanted) != len(groups):
        wanted, groups = (sight.case.wanted,), [traffic.connections]
    for at, (part, group) in enumerate(zip(wanted, groups, strict=True)):
        total = sum(each.size for each in part)
        seen = sum(_sent(each, opens=total <= _SMALL) for each in group)
        if 2 * seen < total:
            where = f"connection {at + 1}" if len(wanted) > 1 else f"the {traffic.source}"
            beside = f"; {traffic.tcp} bytes of TCP were beside it" if traffic.tcp else ""
            return failed(
                "way",
                f"the server sent {seen} bytes for files of {total} bytes in {where}: they came from elsewhere{beside}",
            )
    return passed("way", f"the files came in the {traffic.source}")


def _sent(connection: Connection, *, opens: bool) -> int:
    """Return how much of files the server sent at most."""
    packets = connection.of(Kind.SHORT, from_client=False)
    if not opens:
        return sum(each.size for each in packets)
    kinds = ("stream", UNKNOWN)
    return sum(
        sum(len(frame.data) for frame in connection.frames(each) if frame.name in kinds)
        if connection.opened(each)
        else each.size
        for each in packets
    )
