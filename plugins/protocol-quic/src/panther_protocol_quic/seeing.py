"""What can be seen of a case: its captures first, then what the programs wrote about themselves."""

from __future__ import annotations

from pathlib import Path

import attrs

from panther_hookspecs import ScenarioEvidence, last_run_began
from panther_protocol_quic.cases import Case, Side, cases
from panther_protocol_quic.evidence.captures import read_capture
from panther_protocol_quic.evidence.errors import MASKED, close_name, is_friendly
from panther_protocol_quic.evidence.packets import Kind, Packet, varint
from panther_protocol_quic.evidence.qlog import read_qlog, traffic_of_qlog
from panther_protocol_quic.evidence.traffic import Connection, Traffic, traffic_of
from panther_protocol_quic.places import PATHS

_MOST_KEYS = 1 << 22
MEMO = "quic"
STREAMS_BIDI = 0x08
"""The transport parameter that says how many streams a client may open at first."""
_EARLY_DATA = 42
"""The extension with which a server accepts 0-RTT packets."""
_UNIDIRECTIONAL = 2
"""The lowest bits of the number of a stream that only the client writes to."""


@attrs.define
class Sight:
    """What can be seen of a case; every source is read once, when it is first asked for."""

    case: Case
    _captured: dict[str, Traffic | None] = attrs.field(factory=dict)
    _logged: dict[str, Traffic | None] = attrs.field(factory=dict)

    def captured(self, role: str) -> Traffic | None:
        """Return the packets that passed the interface of a side, or None where nothing recorded them."""
        if role not in self._captured:
            self._captured[role] = self._read_capture(self._side(role))
        return self._captured[role]

    def packets(self, role: str) -> Traffic | None:
        """Return the packets as close to a side as any capture shows them."""
        return self.captured(role) or self.captured("client" if role == "server" else "server")

    def logged(self, role: str) -> Traffic | None:
        """Return what a side wrote about its packets, or None."""
        if role not in self._logged:
            folder = self._side(role).folder / PATHS["qlog"]
            began = last_run_began(self.case.client.folder) or 0.0
            own = (each for each in sorted(folder.glob("*")) if each.is_file() and each.stat().st_mtime >= began)
            files = {each.name: each for each in own} if folder.is_dir() else {}
            self._logged[role] = traffic_of_qlog({name: read_qlog(path) for name, path in files.items()}, role)
        return self._logged[role]

    def any(self, role: str) -> Traffic | None:
        """Return the best there is: a capture, or the log of that side, or of the other one."""
        other = "client" if role == "server" else "server"
        return self.packets(role) or self.logged(role) or self.logged(other)

    def _side(self, role: str) -> Side:
        return self.case.server if role == "server" else self.case.client

    def _read_capture(self, side: Side) -> Traffic | None:
        evidence = self.case.seen.evidence
        names = [each.path for each in evidence.artifacts if each.kind == "capture" and each.service == side.name]
        if not names:
            return None
        sheet = side.sheet  # something may stand between the two, and then they see different places
        server = (str(sheet.get("address", "")), int(sheet.get("port", 0)))
        capture = read_capture(evidence.folder / names[0], server[1])
        seen = traffic_of(capture, server, self._keys(), f"packets at the {side.sheet.get('role', side.name)}")
        began = last_run_began(self.case.client.folder)
        seen = seen if began is None else seen.since(began)
        return self._own(seen) if len(self.case.seen.named("client")) > 1 else seen

    def _own(self, traffic: Traffic) -> Traffic:
        """Return the connections of this client, where several talk to one server: it has logged keys of its own."""
        path = self.case.client.folder / PATHS["keys"]
        own = _text(path) if path.is_file() else ""
        mine = tuple(
            each
            for each in traffic.connections
            if (hello := each.hello(from_client=True)) and hello.random.hex() in own
        )
        return attrs.evolve(traffic, connections=mine) if own else traffic

    def _keys(self) -> str:
        files = (side.folder / PATHS["keys"] for side in (self.case.client, self.case.server))
        return "\n".join(_text(path) for path in files if path.is_file())

    def lacking(self) -> str:
        """Return why there is nothing to see, and what would show it."""
        flaws = [each.flaw for each in (*self._captured.values(), *self._logged.values()) if each and each.flaw]
        if flaws:
            return "; ".join(flaws)
        return (
            f"there is no capture, and neither {self.case.client.implementation} nor {self.case.server.implementation} "
            "writes qlog that tells it; an environment that records packets (netns) would show it"
        )

    def why(self) -> str:
        """Return what the packets tell about a failure, or nothing."""
        traffic = self.packets("server")
        if traffic is None:
            return ""
        if not traffic.connections:
            return "not a single packet of the client was seen"
        last = traffic.connections[-1]
        return (
            _misaddressed(last)
            or self._closed(last, masked=False)
            or _divided(last)
            or _silence(last)
            or _starved(last)
            or _refused(last)
            or _unanswered(last, self.case.parameters["alpn"])
            or self._closed(last, masked=True)
        )

    def _closed(self, connection: Connection, *, masked: bool) -> str:
        """Return who closed with which error; before the handshake is over, an application's own error is masked."""
        for packet, frame in connection.closes():
            if not is_friendly(*frame.numbers) and (frame.numbers == MASKED) is masked:
                said = frame.data.decode("utf-8", "replace").strip()
                who = self.case.client.name if packet.from_client else self.case.server.name
                return f"{who} closed with {close_name(*frame.numbers)}{f': {said}' if said else ''}"
        return ""


def _starved(connection: Connection) -> str:
    """Return that the client has used all streams that it was allowed, if it has."""
    given = connection.server_parameters().get(STREAMS_BIDI)
    if given is None:
        return ""
    raised, used = 0, set()
    for packet in connection.packets:
        for frame in connection.frames(packet):
            if frame.name == "max_streams" and not packet.from_client:
                raised += 1
            elif frame.name == "stream" and packet.from_client and frame.numbers[0] % 4 == 0:
                used.add(frame.numbers[0])
    first = varint(given, 0)[0]
    if raised or len(used) < first:
        return ""
    return f"the client has used all {first} streams that the server allows, and the server never allowed more"


def _refused(connection: Connection) -> str:
    """Return that the server did not take what was sent before the handshake, if so."""
    refused = connection.of(Kind.EARLY, from_client=True) and accepts_early(connection) is False
    return "the server refused what the client sent in 0-RTT packets" if refused else ""


def accepts_early(connection: Connection) -> bool | None:
    """Return whether the server takes what is sent before the handshake; None where its answer cannot be read."""
    answer = connection.server_extensions()
    return None if answer is None else _EARLY_DATA in answer


def _unanswered(connection: Connection, alpn: str) -> str:
    """Return how many requests the server never answered, and what it may be waiting for."""
    sent: dict[bool, set[int]] = {True: set(), False: set()}
    for packet in connection.packets:
        for frame in connection.frames(packet):
            if frame.name == "stream":
                sent[packet.from_client].add(frame.numbers[0])
    requests = {each for each in sent[True] if each % 4 == 0}
    left = requests - sent[False]
    if not left:
        return ""
    kinds = "HTTP/3 control stream or QPACK stream" if alpn == "h3" else ""
    lacking = kinds and not any(each % 4 == _UNIDIRECTIONAL for each in sent[True])
    more = f"; the client never opened its {kinds}" if lacking else ""
    return f"the server answered none of {len(left)} requests of {len(requests)}{more}"


def _misaddressed(connection: Connection) -> str:
    """Return whose id the server writes to instead of the client's, which must drop such packets."""
    sent = [each for each in connection.packets if each.kind is Kind.INITIAL]
    ids = {each.scid for each in sent if each.from_client}
    for each in sent:
        if ids and not each.from_client and each.dcid not in ids:
            own = next(iter(ids)).hex() or "an empty one"
            return f"the server addresses its packets to the connection id {each.dcid.hex()}, the client's is {own}"
    return ""


def _divided(connection: Connection) -> str:
    """Return that client and server use different versions, if they do in the end."""
    answered = (each for each in connection.packets if not each.from_client and each.version == connection.version)
    after = next((each.time for each in answered), 0.0)
    own = [each.version for each in connection.packets if each.from_client and each.version and each.time > after]
    if not own or not connection.version or own[-1] == connection.version:
        return ""
    return f"the client goes on in version {own[-1]:#x}, although the server answers in {connection.version:#x}"


def _silence(connection: Connection) -> str:
    kinds = {each.kind for each in connection.packets if not each.from_client}
    if kinds.isdisjoint((Kind.INITIAL, Kind.RETRY, Kind.NEGOTIATION, Kind.HANDSHAKE)):
        return f"the server answered none of {len(connection.packets)} packets"
    retries = [each for each in connection.packets if each.kind is Kind.RETRY and not each.from_client]
    tokens = {each.token for each in connection.packets if each.kind is Kind.INITIAL and each.from_client}
    if retries and tokens.isdisjoint(each.token for each in retries):
        return "the client has never repeated the token of the server's Retry"
    if kinds == {Kind.NEGOTIATION}:
        return "the server does not know the version, and the client did not try another one"
    if Kind.HANDSHAKE not in kinds:
        return "the handshake was never finished: the server sent no Handshake packet"
    return ""


def _text(path: Path) -> str:
    with path.open("rb") as file:
        return file.read(_MOST_KEYS).decode("ascii", "replace")


def sights(scenario: str, seen: ScenarioEvidence) -> tuple[Sight, ...]:
    """Return what can be seen of every client's case; measuring, judging and telling share what was read."""
    found: tuple[Sight, ...] | None = seen.evidence.memo.get(MEMO)
    if found is None:
        found = seen.evidence.memo[MEMO] = tuple(Sight(each) for each in cases(scenario, seen))
    return found


def handshakes(traffic: Traffic) -> int:
    """Return the number of handshakes: the server answers each with a connection id of its own."""
    scids = {each.scid for each in traffic.packets() if each.kind is Kind.INITIAL and not each.from_client}
    return max(len(scids), len(traffic.connections) if traffic.is_log and not scids - {b""} else 0)


def first_initial(connection: Connection) -> Packet | None:
    """Return the packet with which the client begins."""
    return next((each for each in connection.packets if each.kind is Kind.INITIAL and each.from_client), None)
