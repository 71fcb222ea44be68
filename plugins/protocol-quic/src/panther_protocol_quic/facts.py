"""What scenarios are about, each judged from what was seen; where nothing shows it, that is said instead of guessed."""

from __future__ import annotations

import itertools
from collections.abc import Iterable

from panther_hookspecs import CheckResult, Verdict
from panther_protocol_quic.evidence.frames import Hello
from panther_protocol_quic.evidence.packets import V1, V2, Kind, Packet, varint
from panther_protocol_quic.evidence.traffic import CERTIFICATE, Connection, Traffic
from panther_protocol_quic.seeing import STREAMS_BIDI, Sight, accepts_early, first_initial

CHACHA20 = 0x1303
MOST_STREAMS = 1000
_PAUSE = 0.1
"""Seconds between two packets that were not sent together: what is lost is sent again later than that."""
_OVERHEAD = 40
"""Bytes of a packet of the short form that are no data, about: only for those that nobody can open."""


def passed(name: str, evidence: str) -> CheckResult:
    """Return a check that holds."""
    return CheckResult(name=name, verdict=Verdict.PASS, evidence=evidence)


def failed(name: str, evidence: str) -> CheckResult:
    """Return a check that does not hold."""
    return CheckResult(name=name, verdict=Verdict.FAIL, evidence=evidence)


def unseen(name: str, evidence: str) -> CheckResult:
    """Return a check of which nobody can say whether it holds."""
    return CheckResult(name=name, verdict=Verdict.INCONCLUSIVE, evidence=evidence)


def check(name: str, *, holds: bool, evidence: str) -> CheckResult:
    """Return a check that holds or does not."""
    return passed(name, evidence) if holds else failed(name, evidence)


def no_retry(sight: Sight) -> Iterable[CheckResult]:
    """The server must not have asked for the address to be validated."""
    traffic = sight.packets("server")
    if traffic is not None and any(each.kind is Kind.RETRY for each in traffic.packets()):
        yield failed("retry", "the server sent a Retry, which this scenario is not about")


def client_hellos(sight: Sight) -> Iterable[CheckResult]:
    """The delay must have been there: the client had to send again what it began with."""
    traffic = sight.packets("client")
    if traffic is None:
        yield unseen("repeated", sight.lacking())
        return
    answers = [each.time for each in traffic.packets() if not each.from_client]
    began = [each.time for each in traffic.packets() if each.kind is Kind.INITIAL and each.from_client]
    early = [each for each in began if not answers or each < answers[0]]
    times = 1 + sum(later - former > _PAUSE for former, later in itertools.pairwise(early))
    waited = f", the first answer came after {answers[0] - began[0]:.2f} s" if answers and began else ""
    yield check("repeated", holds=times > 1, evidence=f"the client began {times} times{waited}")


def ciphers(sight: Sight) -> Iterable[CheckResult]:
    """The client must offer one cipher alone."""
    hello = _hello(sight, from_client=True)
    if hello is None:
        yield unseen("cipher", sight.lacking())
        return
    offered = ", ".join(f"{each:#06x}" for each in hello.ciphers)
    yield check("cipher", holds=hello.ciphers == (CHACHA20,), evidence=f"the client offers {offered or 'nothing'}")


def _hello(sight: Sight, *, from_client: bool) -> Hello | None:
    traffic = sight.packets("client")
    for connection in traffic.connections if traffic else ():
        found = connection.hello(from_client=from_client)
        if found is not None:
            return found
    return None


def streams(sight: Sight) -> Iterable[CheckResult]:
    """The server must not allow all streams at once, so that the client has to wait for more."""
    traffic = sight.packets("server")
    values = [each.server_parameters() for each in traffic.connections] if traffic else []
    found = [varint(each[STREAMS_BIDI], 0)[0] for each in values if STREAMS_BIDI in each]
    if not found:
        why = sight.lacking() if traffic is None else "nobody logged the keys with which the server's limit can be read"
        yield unseen("streams", why)
        return
    evidence = f"the server allows {found[0]} streams at first, at most {MOST_STREAMS} are right"
    yield check("streams", holds=found[0] <= MOST_STREAMS, evidence=evidence)


def retried(sight: Sight) -> Iterable[CheckResult]:
    """The server must have sent a Retry, and the client must have repeated its token."""
    traffic = sight.any("client")
    if traffic is None:
        yield unseen("retry", sight.lacking())
        return
    for connection in traffic.connections:
        retry = next((each for each in connection.packets if each.kind is Kind.RETRY and not each.from_client), None)
        if retry is not None:
            yield from _repeated(traffic, connection, retry)
            return
    yield failed("retry", f"no Retry in the {traffic.source}")


def _repeated(traffic: Traffic, connection: Connection, retry: Packet) -> Iterable[CheckResult]:
    before: list[Packet] = []
    after: list[Packet] = []
    for packet in connection.of(Kind.INITIAL, from_client=True):
        (after if packet.time > retry.time else before).append(packet)
    if not after:
        yield failed("retry", "the client did not try again after the Retry")
        return
    if traffic.is_log:
        yield passed(
            "retry", f"a Retry in the {traffic.source}, and {len(after)} Initial packets of the client after it"
        )
        return
    # What was on its way when the Retry came has no token; from the first packet on that has it, all must have it.
    begun = next((at for at, each in enumerate(after) if each.token == retry.token), len(after))
    same = [each for each in after[begun:] if each.token == retry.token]
    said = f"a Retry with a token of {len(retry.token)} bytes, repeated in {len(same)} of {len(after)} Initial packets"
    yield check("retry", holds=bool(same) and len(same) == len(after) - begun, evidence=said)
    numbers = [[found.number for each in part if (found := connection.opened(each))] for part in (before, after)]
    if all(numbers):
        goes_on = min(numbers[1]) > max(numbers[0])
        evidence = f"packet number {min(numbers[1])} after the Retry, {max(numbers[0])} before it"
        yield check("numbers", holds=goes_on, evidence=evidence + ("" if goes_on else ": they must go on"))


def resumed(sight: Sight) -> Iterable[CheckResult]:
    """The server must have accepted the session, and shown no certificate again."""
    traffic = sight.packets("server")
    if traffic is None:
        yield unseen("resumption", sight.lacking())
        return
    later = traffic.connections[1:]
    if not later:
        yield failed("resumption", f"there was no second connection in the {traffic.source}")
        return
    connection = later[-1]
    offer, answer = (connection.hello(from_client=each) for each in (True, False))
    if offer is None or answer is None:
        yield unseen("resumption", "the handshake of the second connection cannot be read")
        return
    if not offer.resumes:
        yield failed("resumption", "the client did not offer the session in its second connection")
        return
    shown = CERTIFICATE in connection.handshake(from_client=False)
    seen = "" if not connection.has_keys else ", and showed its certificate" if shown else ", and showed no certificate"
    evidence = f"the server {'accepted' if answer.resumes else 'refused'} the session of the first connection{seen}"
    yield check("resumption", holds=answer.resumes and not shown, evidence=evidence)


def early(sight: Sight) -> Iterable[CheckResult]:
    """At least half of the requests, whose names tell how long they are, must have come before the handshake alone."""
    traffic = sight.any("server")
    if traffic is None:
        yield unseen("0-RTT", sight.lacking())
        return
    connection = traffic.connections[-1] if traffic.connections else None
    sent = sum(each.size for each in connection.of(Kind.EARLY, from_client=True)) if connection else 0
    if connection is None or not sent:
        yield failed("0-RTT", f"the client sent no 0-RTT packet in the {traffic.source}")
        return
    accepted = accepts_early(connection)
    verdict = {True: "accepted by the server", False: "refused by the server", None: "sent"}[accepted]
    names = sum(len(each.name) for each in sight.case.wanted)
    later = _late(connection)
    evidence = f"{sent} bytes in 0-RTT packets {verdict}, {later} after the handshake of at most {names // 2}"
    yield check("0-RTT", holds=accepted is not False and 2 * later <= names, evidence=evidence)


def _late(connection: Connection) -> int:
    """Return how much the client sent after the handshake: in requests, or in all if packets cannot be opened."""
    total = 0
    for packet in connection.of(Kind.SHORT, from_client=True):
        opened = connection.opened(packet)
        if opened is None:
            total += max(0, packet.size - _OVERHEAD)
        else:
            requests = (
                each for each in connection.frames(packet) if each.name == "stream" and each.numbers[0] % 4 == 0
            )
            total += sum(len(each.data) for each in requests)
    return total


def keys_updated(sight: Sight) -> Iterable[CheckResult]:
    """Both sides must have used the second keys."""
    traffic = sight.packets("server")
    phases = _phases(traffic) if traffic else None
    if phases is None:
        traffic = sight.logged("client") or sight.logged("server")
        phases = _phases(traffic) if traffic else None
    if phases is None or traffic is None:
        yield unseen("key update", "nobody logged the keys that show the key phase" if traffic else sight.lacking())
        return
    said = ", ".join(f"{'client' if who else 'server'} {count}" for who, count in phases.items())
    evidence = f"packets with key phase 1 in the {traffic.source}: {said}"
    yield check("key update", holds=all(phases.values()), evidence=evidence)


def _phases(traffic: Traffic) -> dict[bool, int] | None:
    """Return how many packets of each direction are in key phase 1; None if nobody can tell."""
    found: dict[bool, int] = {}
    for who in (True, False):
        seen: list[int | None] = []
        for connection in traffic.connections:
            opener = connection.opener(Kind.SHORT, from_client=who)
            for packet in connection.of(Kind.SHORT, from_client=who):
                own = opener.key_phase(connection.placed(packet)) if opener and packet.data else packet.key_phase
                seen.append(own)
        known = [each for each in seen if each is not None]
        if not known:
            return None
        found[who] = sum(known)
    return found


def negotiated(sight: Sight) -> Iterable[CheckResult]:
    """The server must have answered the unknown version with those it knows, to the right connection."""
    traffic = sight.any("client")
    if traffic is None:
        yield unseen("negotiation", sight.lacking())
        return
    for connection in traffic.connections:
        answer = next((each for each in connection.packets if each.kind is Kind.NEGOTIATION), None)
        first = first_initial(connection)
        if answer is not None and first is not None:
            offered = ", ".join(f"{each:#x}" for each in answer.versions) or "versions that are not in the log"
            right = traffic.is_log or (answer.scid == first.dcid and answer.dcid == first.scid)
            known = first.version in answer.versions
            flaw = "" if right else ", but with other connection ids than the client's"
            flaw += ", which it knows" if known else ""
            evidence = f"the client began with version {first.version:#x}, the server offers {offered}{flaw}"
            yield check("negotiation", holds=right and not known, evidence=evidence)
            return
    yield failed("negotiation", f"no Version Negotiation in the {traffic.source}")


def upgraded(sight: Sight) -> Iterable[CheckResult]:
    """The connection must begin with version 1 and go on with version 2."""
    traffic = sight.packets("server")
    if traffic is None:
        yield unseen("version 2", sight.lacking())
        return
    first = next((found for each in traffic.connections if (found := first_initial(each))), None)
    answers = {each.version for each in traffic.packets() if each.kind is Kind.INITIAL and not each.from_client}
    later = {each.version for each in traffic.packets() if each.kind is Kind.HANDSHAKE}
    names = {V1: "1", V2: "2"}

    def told(versions: set[int]) -> str:
        return " and ".join(sorted(names.get(each, hex(each)) for each in versions)) or "none"

    begun = names.get(first.version, hex(first.version)) if first else "none"
    evidence = (
        f"the client began with version {begun}, the server answered with {told(answers)}, "
        f"Handshake packets have {told(later)}"
    )
    holds = first is not None and first.version == V1 and V2 in answers and later == {V2}
    yield check("version 2", holds=holds, evidence=evidence)


def family(sight: Sight) -> Iterable[CheckResult]:
    """Everything must have been carried by IPv6."""
    traffic = sight.packets("server")
    if traffic is None:
        address = str(sight.case.client.sheet.get("address", ""))
        yield check("IPv6", holds=":" in address, evidence=f"the only address that the client was given is {address}")
        return
    families = {each: "IPv6" if each else "IPv4" for each in traffic.is_ip6}
    evidence = f"packets over {' and '.join(families.values()) or 'nothing'}"
    yield check("IPv6", holds=set(families) == {True}, evidence=evidence)
