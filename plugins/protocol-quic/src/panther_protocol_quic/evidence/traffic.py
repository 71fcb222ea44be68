"""From datagrams to connections: whose packet is it, what does it say, what was agreed."""

from __future__ import annotations

from collections.abc import Iterator

import attrs

from panther_protocol_quic.evidence.captures import Address, Capture
from panther_protocol_quic.evidence.frames import (
    Frame,
    Hello,
    extensions,
    frames_of,
    hello,
    joined,
    messages,
    transport_parameters,
)
from panther_protocol_quic.evidence.packets import Kind, Packet, packets_of
from panther_protocol_quic.evidence.protection import LEVELS, KeyLog, Mark, Opened, Opener, initial_openers, opener

CERTIFICATE, ENCRYPTED_EXTENSIONS = 11, 8
_HELLOS = {True: 1, False: 2}
_QUIC_PARAMETERS = 57
_LONG = 0x80


@attrs.define(eq=False)
class Connection:
    """One connection, from the client's first packet on."""

    client_scid: bytes
    keys: KeyLog
    packets: list[Packet] = attrs.field(factory=list)
    initial_dcids: list[bytes] = attrs.field(factory=list)
    """Where keys of Initial packets come from: the first is the original one, further ones follow a Retry."""
    server_scids: list[bytes] = attrs.field(factory=list)
    cids: dict[bool, set[bytes]] = attrs.field(factory=lambda: {True: set(), False: set()})
    """Connection ids that a direction's packets may carry."""
    cipher: int = 0
    version: int = 0
    """The version that was agreed: that of the server's Handshake or last Initial packets."""
    _openers: dict[object, Opener | None] = attrs.field(factory=dict)
    _opened: dict[int, Opened | None] = attrs.field(factory=dict)
    _crypto: dict[tuple[bool, Kind], dict[int, bytes]] = attrs.field(factory=dict)
    _handshake_read: bool = False
    _marks: dict[int, Mark] = attrs.field(factory=dict)
    _counted: dict[bool, int] = attrs.field(factory=dict)
    """How many of the packets have been counted for a direction."""

    def add(self, packet: Packet) -> None:
        """Take a packet; Initial packets are opened at once, because they say how to open the others."""
        self.packets.append(packet)
        if packet.kind is Kind.INITIAL and packet.from_client and packet.dcid not in self.server_scids:
            if packet.dcid not in self.initial_dcids:
                self.initial_dcids.append(packet.dcid)
        elif packet.kind in (Kind.INITIAL, Kind.HANDSHAKE) and not packet.from_client:
            self.version = packet.version
            if packet.scid not in self.server_scids:
                self.server_scids.append(packet.scid)
            self.cids[True].add(packet.scid)
        if packet.kind is Kind.INITIAL:
            self._keep_crypto(packet)

    def opened(self, packet: Packet) -> Opened | None:
        """Return a packet without its protection, or None where the keys are not known."""
        key = id(packet)
        if key not in self._opened:
            self._opened[key] = self._open(packet)
        return self._opened[key]

    def frames(self, packet: Packet) -> tuple[Frame, ...]:
        """Return the frames of a packet as far as it can be opened."""
        found = self.opened(packet)
        return frames_of(found.payload) if found else ()

    def _open(self, packet: Packet) -> Opened | None:
        if packet.kind is Kind.INITIAL:
            for cid in reversed(self.initial_dcids):
                key = (cid, packet.version)
                if (key, True) not in self._openers:
                    pair = initial_openers(*key)
                    self._openers[(key, False)], self._openers[(key, True)] = pair or (None, None)
                own = self._openers[(key, packet.from_client)]
                found = own.open(packet) if own else None
                if found is not None:
                    return found
            return None
        own = self.opener(packet.kind, from_client=packet.from_client)
        if own is None:
            return None
        if packet.kind is Kind.SHORT:
            self._count(own, packet)
        return own.open(self.placed(packet), self._marks.get(id(packet)))

    def _count(self, own: Opener, packet: Packet) -> None:
        """Mark the packets of a direction, in their order, as far as one of them."""
        at = self._counted.get(packet.from_client, 0)
        while id(packet) not in self._marks and at < len(self.packets):
            each = self.packets[at]
            if each.kind is Kind.SHORT and each.from_client is packet.from_client:
                self._marks[id(each)] = own.mark(self.placed(each))
            at += 1
        self._counted[packet.from_client] = at

    def placed(self, packet: Packet) -> Packet:
        """Return a packet of the short form that knows where its packet number is."""
        if packet.kind is not Kind.SHORT or packet.protected:
            return packet
        return attrs.evolve(packet, protected=1 + self.cid_length(from_client=packet.from_client))

    def cid_length(self, *, from_client: bool) -> int:
        """Return the length of the connection ids in packets of one direction."""
        return len(self.server_scids[-1]) if from_client and self.server_scids else len(self.client_scid)

    def opener(self, kind: Kind, *, from_client: bool) -> Opener | None:
        """Return what opens packets of a kind and direction, where keys are known."""
        key = (kind, from_client)
        if key not in self._openers:
            first = self.hello(from_client=True)
            secret = first and self.keys.secret(first.random, LEVELS.get(kind, ""), from_client=from_client)
            self._openers[key] = opener(secret, self._cipher(), self.version) if secret else None
        return self._openers[key]

    def _cipher(self) -> int:
        answer = self.hello(from_client=False)
        return answer.ciphers[0] if answer and answer.ciphers else 0

    def _keep_crypto(self, packet: Packet) -> None:
        for frame in self.frames(packet):
            if frame.name == "crypto":
                pieces = self._crypto.setdefault((packet.from_client, packet.kind), {})
                if frame.numbers[0] == 0 and pieces and not _is_same(pieces.get(0, b""), frame.data):
                    pieces.clear()  # after a Retry or another version there may be a new ClientHello
                if len(frame.data) > len(pieces.get(frame.numbers[0], b"")):
                    pieces[frame.numbers[0]] = frame.data

    def hello(self, *, from_client: bool) -> Hello | None:
        """Return the ClientHello or the ServerHello, as far as it was seen."""
        stream = joined(self._crypto.get((from_client, Kind.INITIAL), {}))
        for kind, body in messages(stream):
            if kind == _HELLOS[from_client]:
                return hello(kind, body)
        return None

    @property
    def has_keys(self) -> bool:
        """Whether logged keys open its Handshake packets."""
        return self.opener(Kind.HANDSHAKE, from_client=False) is not None

    def handshake(self, *, from_client: bool) -> dict[int, bytes]:
        """Return the TLS messages of the Handshake packets by type, where keys are known."""
        if not self._handshake_read:
            self._handshake_read = True
            for packet in self.packets:
                if packet.kind is Kind.HANDSHAKE:
                    self._keep_crypto(packet)
        return dict(messages(joined(self._crypto.get((from_client, Kind.HANDSHAKE), {}))))

    def server_extensions(self) -> dict[int, bytes] | None:
        """Return the extensions with what the server has chosen; None where no keys are known."""
        body = self.handshake(from_client=False).get(ENCRYPTED_EXTENSIONS)
        return None if body is None else extensions(body)

    def server_parameters(self) -> dict[int, bytes]:
        """Return the server's transport parameters, where keys are known."""
        return transport_parameters((self.server_extensions() or {}).get(_QUIC_PARAMETERS, b""))

    def of(self, kind: Kind, *, from_client: bool) -> list[Packet]:
        """Return the packets of a kind and direction."""
        return [each for each in self.packets if each.kind is kind and each.from_client is from_client]

    def closes(self) -> Iterator[tuple[Packet, Frame]]:
        """Yield every close, as far as packets can be opened, the last packets of either side first."""
        for from_client in (False, True):
            own = [each for each in self.packets if each.from_client is from_client]
            for packet in reversed(own[-_LAST:]):
                for frame in self.frames(packet):
                    if frame.name == "connection_close":
                        yield packet, frame


def _is_same(one: bytes, other: bytes) -> bool:
    return one[: len(other)] == other[: len(one)]


_LAST = 4
"""Packets among whose frames a close is looked for."""


@attrs.frozen
class Traffic:
    """Everything that one place has seen of a server and its clients."""

    source: str
    """Where it was seen, as a sentence names it."""
    connections: tuple[Connection, ...]
    strays: tuple[Packet, ...] = ()
    """Packets that belong to no connection whose beginning was seen."""
    flaw: str = ""
    is_log: bool = False
    """Whether it is what a program wrote about itself, not what was on the wire."""
    is_ip6: frozenset[bool] = frozenset()
    """The families of addresses that were seen."""
    tcp: int = 0
    """Bytes of TCP beside it."""
    is_whole: bool = True
    """Whether nothing is missing of the packets, as far as the recording tells."""

    def packets(self) -> Iterator[Packet]:
        """Yield the packets of all connections."""
        for each in self.connections:
            yield from each.packets

    def since(self, moment: float) -> Traffic:
        """Return what began at a moment or later, in seconds since the epoch."""
        return attrs.evolve(
            self,
            connections=tuple(each for each in self.connections if each.packets[0].time >= moment),
            strays=tuple(each for each in self.strays if each.time >= moment),
        )


def traffic_of(capture: Capture, server: Address, keys: str, source: str) -> Traffic:
    """Return the connections with a server that a capture shows; keys may come from logs and from the capture."""
    sorter = _Sorter(KeyLog.parse(f"{keys}\n{capture.keys}"))
    families = set()
    for datagram in capture.datagrams:
        if server[1] in (datagram.source[1], datagram.target[1]):
            families.add(datagram.is_ip6)
            from_client = datagram.target[1] == server[1]
            for packet in packets_of(datagram, from_client=from_client):
                sorter.sort(packet)
    return Traffic(
        source,
        tuple(sorter.connections),
        tuple(sorter.strays),
        capture.flaw,
        is_ip6=frozenset(families),
        tcp=capture.tcp,
        is_whole=capture.is_whole,
    )


@attrs.define
class _Sorter:
    """Finds the connection of each packet."""

    keys: KeyLog
    connections: list[Connection] = attrs.field(factory=list)
    strays: list[Packet] = attrs.field(factory=list)
    _by_path: dict[Address, Connection] = attrs.field(factory=dict)

    def sort(self, packet: Packet) -> None:
        """Give a packet to its connection."""
        found = self._by_path.get(packet.path)
        if packet.kind in (Kind.INITIAL, Kind.EARLY) and packet.from_client:
            if found is None or not (_continues(found, packet) or _goes_on(found, packet)):
                found = next((each for each in self.connections if _continues(each, packet)), None)
            if found is None:
                found = Connection(client_scid=packet.scid, keys=self.keys)
                found.cids[False].add(packet.scid)
                self.connections.append(found)
            self._by_path[packet.path] = found
        elif found is None:
            found = next((each for each in reversed(self.connections) if _owns(each, packet)), None)
            if found is None and len(self.connections) == 1:
                found = self.connections[0]
        if found is None:
            self.strays.append(packet)
        else:
            found.add(packet)


def _continues(connection: Connection, packet: Packet) -> bool:
    """Whether a client's long packet goes on with a connection rather than begin one."""
    if packet.scid != connection.client_scid:
        return False
    known = {*connection.initial_dcids, *connection.server_scids}
    retried = {each.scid for each in connection.packets if each.kind is Kind.RETRY}
    return bool(packet.scid) or packet.dcid in known | retried


def _goes_on(connection: Connection, packet: Packet) -> bool:
    """Whether a client without an id, on the same path, writes to another id that the server has given it meanwhile.

    The keys of the first packet of a connection come from the id that it is sent to; those of a later one do not.
    """
    if packet.kind is not Kind.INITIAL or packet.scid or connection.client_scid:
        return False
    pair = initial_openers(packet.dcid, packet.version)
    return pair is not None and pair[1].open(packet) is None


def _owns(connection: Connection, packet: Packet) -> bool:
    """Whether a packet carries a connection id of the connection."""
    if packet.data and not packet.data[0] & _LONG:
        return any(each and packet.data[1:].startswith(each) for each in connection.cids[packet.from_client])
    return packet.dcid in connection.cids[packet.from_client]
