"""Takes the protection off packets: with what everybody can derive, and with logged keys."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

from panther_protocol_quic.evidence.packets import V1, V2, Kind, Packet

EARLY, HANDSHAKE, TRAFFIC = "EARLY_TRAFFIC_SECRET", "HANDSHAKE_TRAFFIC_SECRET", "TRAFFIC_SECRET_0"
_KNOWN = frozenset({V1, V2})


@attrs.frozen
class KeyLog:
    """Secrets by the client's random and their label."""

    secrets: Mapping[bytes, Mapping[str, bytes]]

    @classmethod
    def parse(cls, text: str) -> KeyLog:
        """Read the format of SSLKEYLOGFILE; lines that are none are left out."""
        found: dict[bytes, dict[str, bytes]] = {}
        for line in text.splitlines():
            words = line.split()
            try:
                label, random, secret = words[0], bytes.fromhex(words[1]), bytes.fromhex(words[2])
            except (IndexError, ValueError):
                continue
            found.setdefault(random, {})[label] = secret
        return cls(found)

    def secret(self, random: bytes, label: str, *, from_client: bool) -> bytes | None:
        """Return one secret."""
        return self.secrets.get(random, {}).get(f"{'CLIENT' if from_client else 'SERVER'}_{label}")


@attrs.frozen
class Opened:
    """A packet without protection."""

    number: int
    payload: bytes
    key_phase: int


_NEAR = 64
"""How far the next packet number may be from the last without proof: packets may be damaged, or of somebody else."""


@attrs.frozen
class Mark:
    """What has to be known of the packets before one to open it."""

    expected: int = 0
    """The next packet number: a packet tells only the end of its own."""
    generation: int = 0
    """How often the keys had been updated."""


@attrs.define
class Opener:
    """Opens the packets of one direction and one level of encryption."""

    _contexts: list[Any]
    """The keys and those that followed them."""
    _expected: int = 0

    def mark(self, packet: Packet) -> Mark:
        """Keep count with the next packet, which costs a tenth of opening it, and return what opens it at any time."""
        from aioquic.quic.packet import decode_packet_number  # noqa: PLC0415 - takes its time to import

        here, context = Mark(self._expected, len(self._contexts) - 1), self._contexts[-1]
        try:
            header, _ = context.hp.remove(packet.data, packet.protected)
        except ValueError:
            return here
        length = (header[0] & 3) + 1
        number = decode_packet_number(int.from_bytes(header[-length:]), length * 8, self._expected)
        if (header[0] >> 2) & 1 != context.key_phase or number > self._expected + _NEAR:
            self.open(packet, here)  # only what can be opened shows that keys are new or that packets are missing
            return attrs.evolve(here, generation=len(self._contexts) - 1)
        self._expected = max(self._expected, number + 1)
        return here

    def open(self, packet: Packet, mark: Mark | None = None) -> Opened | None:
        """Return the packet, or None if these are not its keys. Without a mark it is the next one."""
        from aioquic.quic import crypto  # noqa: PLC0415 - takes its time to import

        mark = mark or Mark(self._expected, len(self._contexts) - 1)
        context = self._contexts[mark.generation]
        try:
            header, payload, number, updated = context.decrypt_packet(packet.data, packet.protected, mark.expected)
        except crypto.CryptoError:  # type: ignore[attr-defined] # it is what decrypt_packet raises
            return None
        if updated and context is self._contexts[-1]:
            follower = crypto.next_key_phase(context)
            follower.hp = context.hp  # the keys of headers stay
            self._contexts.append(follower)
        self._expected = max(self._expected, number + 1)
        return Opened(number, payload, (header[0] >> 2) & 1)

    def key_phase(self, packet: Packet) -> int | None:
        """Return the key phase of a packet without opening it: that costs a tenth."""
        try:
            header, _ = self._contexts[0].hp.remove(packet.data, packet.protected)
        except ValueError:
            return None
        return int(header[0] >> 2) & 1


def initial_openers(cid: bytes, version: int) -> tuple[Opener, Opener] | None:
    """Return what opens Initial packets of the server and of the client; None for a version with unknown salt."""
    from aioquic.quic.crypto import CryptoPair  # noqa: PLC0415 - takes its time to import

    if version not in _KNOWN:
        return None
    pair = CryptoPair()
    pair.setup_initial(cid, is_client=False, version=version)
    return Opener([pair.send]), Opener([pair.recv])


def opener(secret: bytes, cipher: int, version: int) -> Opener | None:
    """Return what opens packets with a logged secret."""
    from aioquic.quic.crypto import CIPHER_SUITES, CryptoContext  # noqa: PLC0415 - takes its time to import
    from aioquic.tls import CipherSuite  # noqa: PLC0415 - the same

    suites = {int(each): each for each in CIPHER_SUITES}
    if cipher not in suites or version not in _KNOWN:
        return None
    context = CryptoContext()
    context.setup(cipher_suite=CipherSuite(cipher), secret=secret, version=version)
    return Opener([context])


LEVELS = {Kind.HANDSHAKE: HANDSHAKE, Kind.SHORT: TRAFFIC}
"""The label of the secret by type of packet."""
