"""Captures are read as what they are; what tshark sees in a capture is what we see."""

from __future__ import annotations

import io
import ipaddress
import shutil
import ssl
import struct
import subprocess
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import attrs
import pytest
from aioquic._buffer import Buffer
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.connection import QuicConnection
from aioquic.quic.crypto import CryptoContext
from aioquic.quic.packet import QuicPacketType, encode_quic_retry, encode_quic_version_negotiation, pull_quic_header
from aioquic.tls import CipherSuite
from panther_protocol_quic import certificates, facts, facts_network
from panther_protocol_quic.cases import Case, Side
from panther_protocol_quic.evidence.captures import Address, read_capture
from panther_protocol_quic.evidence.frames import frames_of
from panther_protocol_quic.evidence.packets import Kind, Packet
from panther_protocol_quic.evidence.protection import initial_openers, opener
from panther_protocol_quic.evidence.traffic import Connection, Traffic, traffic_of
from panther_protocol_quic.facts_exchange import exchanged
from panther_protocol_quic.materials import Document
from panther_protocol_quic.seeing import Sight, handshakes

from panther_hookspecs import CheckResult, Evidence, ScenarioEvidence, Verdict

V2 = 0x6B3343CF
TSHARK = shutil.which("tshark")
CLIENT, SERVER = ("10.0.0.1", 5000), ("10.0.0.2", 4433)
SEED = 3
_NAME = "server"


@attrs.define
class Pair:
    """A client and a server, and everything that they sent."""

    client_changes: dict[str, Any] = attrs.field(factory=dict)
    retries: bool = False
    ticket: Any = None
    tickets: dict[bytes, Any] = attrs.field(factory=dict)
    sent: list[tuple[float, bool, bytes, Address]] = attrs.field(factory=list)
    address: Address = CLIENT
    """Where the client is now."""
    keys: io.StringIO = attrs.field(factory=io.StringIO)
    now: float = 1000.0
    kept: list[Any] = attrs.field(factory=list)
    client: QuicConnection = attrs.field(init=False)
    server: QuicConnection | None = None
    odcid: bytes = b""

    def __attrs_post_init__(self) -> None:
        """Make the client."""
        configuration = QuicConfiguration(alpn_protocols=["hq-interop"], server_name=_NAME, secrets_log_file=self.keys)
        configuration.cadata = certificates.authority(SEED).public_bytes(certificates.PEM)
        configuration.verify_mode = ssl.CERT_REQUIRED
        configuration.supported_versions = [1]
        configuration.session_ticket = self.ticket
        for name, value in self.client_changes.items():
            setattr(configuration, name, value)
        self.client = QuicConnection(configuration=configuration, session_ticket_handler=self.kept.append)
        self.client.connect(SERVER, now=self.now)

    def exchange(self, rounds: int = 12) -> None:
        """Carry datagrams to and fro."""
        for _ in range(rounds):
            for data, _address in self.client.datagrams_to_send(now=self.now):
                self.now += 0.001
                self.sent.append((self.now, True, data, self.address))
                self._at_server(data)
            for data, target in self.server.datagrams_to_send(now=self.now) if self.server else ():
                self._to_client(data, target)

    def _to_client(self, data: bytes, target: Address) -> None:
        self.now += 0.001
        self.sent.append((self.now, False, data, target))
        self.client.receive_datagram(data, SERVER, now=self.now)

    def _at_server(self, data: bytes) -> None:
        if self.server is None:
            header = pull_quic_header(Buffer(data=data), host_cid_length=8)
            if header.version not in (1, 0x6B3343CF):
                self._to_client(
                    encode_quic_version_negotiation(
                        source_cid=header.destination_cid, destination_cid=header.source_cid, supported_versions=[1]
                    ),
                    self.address,
                )
                return
            if header.packet_type is not QuicPacketType.INITIAL:
                return
            if self.retries and not header.token:
                self.odcid = header.destination_cid
                self._to_client(
                    encode_quic_retry(
                        version=header.version or 1,
                        source_cid=b"retried!",
                        destination_cid=header.source_cid,
                        original_destination_cid=self.odcid,
                        retry_token=b"a token of the server",
                    ),
                    self.address,
                )
                return
            self.server = self._made(header.destination_cid)
        self.server.receive_datagram(data, self.address, now=self.now)

    def _made(self, dcid: bytes) -> QuicConnection:
        chain = certificates.chain(SEED, (_NAME,))
        configuration = QuicConfiguration(is_client=False, alpn_protocols=["hq-interop"])
        configuration.certificate, configuration.private_key = chain.certificates[0], chain.key
        return QuicConnection(
            configuration=configuration,
            original_destination_connection_id=self.odcid or dcid,
            retry_source_connection_id=dcid if self.odcid else None,
            session_ticket_fetcher=lambda label: self.tickets.pop(label, None),
            session_ticket_handler=lambda ticket: self.tickets.__setitem__(ticket.ticket, ticket),
        )

    def ask(self, stream_bytes: bytes = b"GET /a\r\n") -> None:
        """Send a request."""
        self.client.send_stream_data(self.client.get_next_available_stream_id(), stream_bytes, end_stream=True)

    def answer(self, stream: int, content: bytes) -> None:
        """Send an answer."""
        assert self.server is not None
        self.server.send_stream_data(stream, content, end_stream=True)


def write_pcap(path: Path, sent: list[tuple[float, bool, bytes, Address]], longest: int = 1 << 16) -> Path:
    """Write datagrams as a capture of raw IP packets, or of the first bytes of each."""
    found = [struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 1 << 18, 101)]
    for time, from_client, data, client in sent:
        ends = (client, SERVER) if from_client else (SERVER, client)
        udp = struct.pack(">HHHH", ends[0][1], ends[1][1], 8 + len(data), 0) + data
        packet = struct.pack(">BBHHHBBH", 0x45, 2, 20 + len(udp), 0, 0, 64, 17, 0)
        packet += b"".join(ipaddress.ip_address(each[0]).packed for each in ends) + udp
        kept = packet[:longest]
        found.append(struct.pack("<IIII", int(time), round(time % 1 * 1e6), len(kept), len(packet)) + kept)
    path.write_bytes(b"".join(found))
    return path


def seen(folder: Path, pair: Pair, *, keys: bool = True, longest: int = 1 << 16) -> Traffic:
    capture = read_capture(write_pcap(folder / "a.pcap", pair.sent, longest), SERVER[1])
    return traffic_of(capture, SERVER, pair.keys.getvalue() if keys else "", "capture")


def only(traffic: Traffic) -> Connection:
    (connection,) = traffic.connections
    assert not traffic.strays
    return connection


def done(pair: Pair, content: bytes = b"x" * 5000) -> Pair:
    pair.exchange()
    pair.ask()
    pair.exchange(2)
    pair.answer(0, content)
    pair.exchange()
    pair.client.close(error_code=0)
    pair.exchange(2)
    return pair


def test_a_connection_tells_its_hellos_its_messages_and_its_end(tmp_path: Path) -> None:
    traffic = seen(tmp_path, done(Pair()))
    connection = only(traffic)
    hello, answer = connection.hello(from_client=True), connection.hello(from_client=False)
    assert hello is not None
    assert answer is not None
    assert (hello.alpn, answer.ciphers, answer.resumes) == (("hq-interop",), (0x1302,), False)
    assert sorted(connection.handshake(from_client=False)) == [8, 11, 15, 20]
    assert int.from_bytes(connection.server_parameters()[8]) & 0x3FFF == 128
    assert [frame.numbers for _, frame in connection.closes()] == [(0x1D, 0)]
    assert handshakes(traffic) == 1
    assert {each.path for each in traffic.packets()} == {CLIENT}


def test_without_keys_hellos_are_known_and_the_rest_is_closed(tmp_path: Path) -> None:
    connection = only(seen(tmp_path, done(Pair()), keys=False))
    assert connection.hello(from_client=False) is not None
    assert not connection.has_keys
    assert connection.handshake(from_client=False) == {}
    assert all(connection.opened(each) is None for each in connection.of(Kind.SHORT, from_client=True))


@pytest.mark.parametrize("cipher", [0x1301, 0x1302, 0x1303])
def test_every_cipher_can_be_opened(tmp_path: Path, cipher: int) -> None:
    connection = only(seen(tmp_path, done(Pair({"cipher_suites": [CipherSuite(cipher)]}))))
    sent = [frame for each in connection.of(Kind.SHORT, from_client=False) for frame in connection.frames(each)]
    assert sum(len(each.data) for each in sent if each.name == "stream") == 5000


def test_a_retry_and_its_token_are_seen_and_the_keys_after_it_are_known(tmp_path: Path) -> None:
    connection = only(seen(tmp_path, done(Pair(retries=True))))
    (retry,) = connection.of(Kind.RETRY, from_client=False)
    tokens = [each.token for each in connection.of(Kind.INITIAL, from_client=True)]
    assert retry.token == b"a token of the server"
    assert tokens[0] == b""
    assert set(tokens[1:]) == {retry.token}
    numbers = [
        found.number for each in connection.of(Kind.INITIAL, from_client=True) if (found := connection.opened(each))
    ]
    assert numbers == sorted(set(numbers))
    assert len(numbers) == len(tokens)
    assert connection.has_keys


def test_a_client_without_an_id_that_soon_takes_another_id_of_the_server_goes_on_with_its_connection(
    tmp_path: Path,
) -> None:
    """OpenSSL does so in its second flight, when the server gives it more ids in the first one."""
    pair = Pair({"connection_id_length": 0})
    pair.exchange(1)
    pair.client._peer_cid.cid = b"another!"
    pair.exchange(1)
    connection = only(seen(tmp_path, pair))
    again = connection.of(Kind.INITIAL, from_client=True)[-1]
    assert (again.scid, again.dcid) == (b"", b"another!")
    assert connection.opened(again)


def test_version_negotiation_is_seen(tmp_path: Path) -> None:
    pair = done(Pair({"original_version": 0x1A2A3A4A, "supported_versions": [0x1A2A3A4A, 1]}))
    connection = only(seen(tmp_path, pair))
    (answer,) = connection.of(Kind.NEGOTIATION, from_client=False)
    first = connection.of(Kind.INITIAL, from_client=True)[0]
    assert (first.version, answer.versions) == (0x1A2A3A4A, (1,))
    assert (answer.dcid, answer.scid) == (first.scid, first.dcid)


def test_the_change_to_version_2_is_seen(tmp_path: Path) -> None:
    pair = done(Pair({"original_version": 1, "supported_versions": [V2, 1]}))
    connection = only(seen(tmp_path, pair))
    assert connection.of(Kind.INITIAL, from_client=True)[0].version == 1
    assert {each.version for each in connection.packets if each.kind is Kind.HANDSHAKE} == {V2}
    assert sorted(connection.handshake(from_client=False)) == [8, 11, 15, 20]


def test_both_key_phases_are_seen_and_opened(tmp_path: Path) -> None:
    pair = Pair()
    pair.exchange()
    pair.client.request_key_update()
    done(pair)
    connection = only(seen(tmp_path, pair))
    for who in (True, False):
        opener = connection.opener(Kind.SHORT, from_client=who)
        assert opener is not None
        packets = connection.of(Kind.SHORT, from_client=who)
        assert {opener.key_phase(connection.placed(each)) for each in packets} == {0, 1}
        # The last ones first: what is read early must not hide what came before.
        assert all(connection.opened(each) for each in reversed(packets))


def test_packets_that_tell_one_byte_of_their_number_are_opened_in_any_order() -> None:
    secret, suite = bytes(32), CipherSuite.AES_128_GCM_SHA256
    context = CryptoContext()
    context.setup(cipher_suite=suite, secret=secret, version=1)
    packets = []
    for number in range(600):
        header = bytes([0x40]) + bytes(8) + (number & 255).to_bytes()
        data = context.encrypt_packet(header, bytes(30), number)
        packets.append(Packet(time=0.0, from_client=False, kind=Kind.SHORT, data=data, protected=9))
    made = opener(secret, int(suite), 1)
    assert made is not None
    marks = [made.mark(each) for each in packets]
    found = [made.open(each, mark) for each, mark in zip(reversed(packets), reversed(marks), strict=True)]
    assert [each and each.number for each in found] == list(reversed(range(600)))


def resumed(pair: Pair) -> Pair:
    again = Pair(ticket=pair.kept[0], tickets=pair.tickets)
    again.sent, again.keys, again.now = pair.sent, pair.keys, pair.now + 1
    again.client.configuration.secrets_log_file = pair.keys
    return again


def test_a_resumed_connection_with_early_data_is_told_from_the_first_one(tmp_path: Path) -> None:
    again = resumed(done(Pair()))
    again.ask()
    done(again)
    first, second = seen(tmp_path, again).connections
    assert first.of(Kind.EARLY, from_client=True) == []
    assert second.of(Kind.EARLY, from_client=True)
    answer = second.hello(from_client=False)
    assert answer is not None
    assert answer.resumes


def test_a_capture_that_is_cut_off_says_so_and_gives_what_came_before(tmp_path: Path) -> None:
    path = write_pcap(tmp_path / "a.pcap", done(Pair()).sent)
    whole = read_capture(path)
    path.write_bytes(path.read_bytes()[:-20])
    cut = read_capture(path)
    assert cut.flaw.endswith("cut off in the middle of a packet")
    assert cut.datagrams == whole.datagrams[:-1]
    assert (whole.flaw, whole.datagrams[0].ecn) == ("", 2)


def test_what_is_no_capture_is_told(tmp_path: Path) -> None:
    (tmp_path / "a.pcap").write_text("no packets here")
    assert read_capture(tmp_path / "a.pcap").flaw == "a.pcap is no capture"
    assert "cannot be read" in read_capture(tmp_path / "b.pcap").flaw


@pytest.mark.skipif(TSHARK is None, reason="needs tshark")
@pytest.mark.parametrize(
    "pair",
    [
        Pair(),
        Pair(retries=True),
        Pair({"original_version": 1, "supported_versions": [V2, 1]}),
        Pair({"cipher_suites": [CipherSuite.CHACHA20_POLY1305_SHA256]}),
    ],
    ids=["plain", "retry", "version 2", "chacha20"],
)
def test_tshark_sees_the_same_packets_numbers_and_frames(tmp_path: Path, pair: Pair) -> None:
    traffic = seen(tmp_path, done(pair))
    (tmp_path / "keys.log").write_text(pair.keys.getvalue())
    fields = [
        "quic.long.packet_type",
        "quic.long.packet_type_v2",
        "quic.short",
        "quic.packet_number",
        "quic.frame_type",
        "quic.decryption_failed",
    ]
    argv = [str(TSHARK), "-r", str(tmp_path / "a.pcap"), "-o", f"tls.keylog_file:{tmp_path / 'keys.log'}"]
    argv += ["-d", f"udp.port=={SERVER[1]},quic", "-T", "fields", "-E", "separator=|"]
    told = subprocess.run(
        argv + [word for field in fields for word in ("-e", field)],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    ).stdout
    rows = [dict(zip(fields, line.split("|"), strict=True)) for line in told.splitlines()]
    numbers = Counter(number for row in rows for number in row["quic.packet_number"].split(",") if number)
    connection = only(traffic)
    opened = [connection.opened(each) for each in connection.packets]
    ours = Counter(str(each.number) for each in opened if each)
    failed = sum(row["quic.decryption_failed"].count("1") for row in rows)
    if pair.retries:  # it cannot open what follows a new ClientHello after a Retry; we can
        assert None not in opened[2:]
        assert failed > 0
        return
    # Neither opens what aioquic protects with the keys of the other version. tshark tells any number of such a packet.
    assert failed == opened.count(None) == (V2 in (each.version for each in connection.packets))
    assert ours <= numbers
    assert numbers.total() - ours.total() == failed
    long = sum(len(list(filter(None, row[each].split(",")))) for row in rows for each in fields[:2])
    assert long == sum(each.kind is not Kind.SHORT for each in connection.packets)
    crypto = sum(row["quic.frame_type"].split(",").count("6") for row in rows)
    mine = [frame for each in connection.packets for frame in connection.frames(each) if frame.name == "crypto"]
    assert crypto == len(mine)


def test_an_initial_packet_with_the_keys_of_another_version_is_not_opened(tmp_path: Path) -> None:
    pair = done(Pair({"original_version": 1, "supported_versions": [V2, 1]}))
    connection = only(seen(tmp_path, pair))
    (odd,) = [each for each in connection.packets if connection.opened(each) is None]
    assert (odd.kind, odd.from_client, odd.version) == (Kind.INITIAL, True, V2)
    openers = initial_openers(connection.initial_dcids[0], 1)
    assert openers is not None
    assert openers[1].open(odd) is not None


def test_a_program_says_its_complaint_and_not_how_it_is_used(tmp_path: Path) -> None:
    said = "client: unrecognized option '--x'\nUsage: client [OPTIONS]\n"
    side = Side(name="client", folder=tmp_path, sheet={"why": ["ERR_.*"]}, exit=None, output=said)
    assert side.why() == "client: unrecognized option '--x'"


def judged(
    fact: Callable[[Sight], Iterable[CheckResult]], traffic: Traffic | None, folder: Path, **changes: Any
) -> list[str]:
    """Return verdict and evidence of a fact, where a server and a client have seen this traffic."""
    sides = [
        Side(name=name, folder=folder, sheet={"role": name}, exit=None, output="") for name in ("client", "server")
    ]
    evidence = Evidence(folder=folder, exits={}, folders={})
    case = Case(
        scenario="",
        seed=0,
        parameters={},
        client=sides[0],
        server=sides[1],
        seen=ScenarioEvidence(evidence=evidence, roles={}, parameters=None),
        wanted=(),
    )
    case = attrs.evolve(case, **changes)
    sight = Sight(case, captured={"client": traffic, "server": traffic}) if traffic else Sight(case)
    return [f"{each.verdict.value} {each.name}: {each.evidence}" for each in fact(sight)]


def moved(pair: Pair, to: Address) -> Pair:
    pair.exchange()
    pair.ask()
    pair.exchange(2)
    pair.address = to
    pair.answer(0, b"x" * 30000)
    pair.client.send_ping(1)
    pair.exchange()
    return pair


def test_a_path_counts_if_the_server_challenges_it_first_and_the_client_answers(tmp_path: Path) -> None:
    traffic = seen(tmp_path, moved(Pair(), ("10.0.0.9", 5001)))
    said = judged(facts_network.readdressed, traffic, tmp_path)
    assert said == [
        "pass addresses: the server saw the client at 10.0.0.1 and 10.0.0.9",
        "pass paths: 1 new paths in the capture, 1 begin with a challenge, 1 validated",
    ]
    (same_id, _) = judged(facts_network.migrated, traffic, tmp_path)
    assert same_id.startswith("fail connection ids")
    stayed = seen(tmp_path, done(Pair()))
    assert judged(facts_network.rebound, stayed, tmp_path) == [
        "fail paths: the client stayed at one address in the capture"
    ]


def test_frames_of_the_frequency_of_acknowledgements_do_not_hide_those_after_them() -> None:
    names = [each.name for each in frames_of(b"\x1f\x40\xaf\x01\x02\x03\x04\x1b" + b"answered")]
    assert names == ["immediate_ack", "ack_frequency", "path_response"]


def test_marks_that_nobody_counts_are_no_pass(tmp_path: Path) -> None:
    said = judged(facts_network.marked, seen(tmp_path, done(Pair())), tmp_path)
    assert said[0] == "pass ECN of the client: its packets: 9 of 9 ECT(0)"
    assert said[1] == "fail counts of the client: 0 acknowledgements of the client count marks"
    blind = judged(facts_network.marked, seen(tmp_path, done(Pair()), keys=False), tmp_path)
    assert blind[1].startswith("inconclusive counts of the client: nobody logged the keys")


def test_what_the_server_sends_before_it_knows_the_address_is_compared_with_what_it_got(tmp_path: Path) -> None:
    pair = Pair()
    pair.exchange(1)
    few, short = judged(facts_network.amplified, seen(tmp_path, pair), tmp_path)
    assert few.startswith("pass amplification: the server sent at most 1.0")
    assert short.startswith("inconclusive chain")
    time, _, data, address = pair.sent[-1]
    pair.sent += [(time, False, data, address)] * 4
    (many, _) = judged(facts_network.amplified, seen(tmp_path, pair), tmp_path)
    assert many.startswith("fail amplification: the server sent at most 5.")


def test_files_that_did_not_come_in_their_connection_are_no_pass(tmp_path: Path) -> None:
    parameters = {"alpn": "hq-interop", "version": "v1"}

    def way(traffic: Traffic, *sizes: int, scenario: str = "transfer") -> str:
        wanted = tuple(Document(str(at), size) for at, size in enumerate(sizes))
        return judged(exchanged, traffic, tmp_path, parameters=parameters, scenario=scenario, wanted=wanted)[-1]

    first = done(Pair())
    traffic = seen(tmp_path, first)
    assert way(traffic, 5000) == "pass way: the files came in the capture"
    assert (
        way(traffic, 20000)
        == "fail way: the server sent 5000 bytes for files of 20000 bytes in the capture: they came from elsewhere"
    )
    assert way(traffic, 1 << 20).startswith("fail way: the server sent 5")  # not opened, only measured
    assert way(seen(tmp_path, first, keys=False), 5000).startswith("pass")
    cut = seen(tmp_path, first, longest=128)
    assert "way" not in way(cut, 5000), "packets that were cut off show nothing"
    second = done(Pair(keys=first.keys, now=first.now + 1), b"")
    second.sent = first.sent + second.sent
    idle = way(seen(tmp_path, second), 3000, 900, scenario="resumption")
    assert idle == "fail way: the server sent 0 bytes for files of 900 bytes in connection 2: they came from elsewhere"


def test_another_protocol_version_or_certificate_than_asked_for_is_no_pass(tmp_path: Path) -> None:
    traffic = seen(tmp_path, done(Pair()))
    (tmp_path / "certs").mkdir()
    own = tmp_path / "certs" / "cert.der"

    def agreement(alpn: str, version: str, seed: int = SEED) -> str:
        own.write_bytes(certificates.chain(seed, (_NAME,)).der())
        parameters = {"alpn": alpn, "version": version}
        return judged(exchanged, traffic, tmp_path, parameters=parameters, scenario="handshake")[2]

    assert agreement("hq-interop", "v1") == "pass agreed: hq-interop over QUIC v1"
    assert agreement("h3", "v1") == "fail agreed: the client offers hq-interop, h3 was asked for"
    assert agreement("hq-interop", "v2") == "fail agreed: the connection is v1, v2 was asked for"
    strange = agreement("hq-interop", "v1", SEED + 1)
    assert strange == "fail agreed: the server shows another certificate than the one that it was given"


def test_a_token_that_is_repeated_only_once_is_no_pass(tmp_path: Path) -> None:
    traffic = seen(tmp_path, done(Pair(retries=True)))
    assert judged(facts.retried, traffic, tmp_path)[0].startswith("pass retry")
    connection = only(traffic)
    last = connection.of(Kind.INITIAL, from_client=True)[-1]
    connection.packets = [attrs.evolve(each, token=b"") if each is last else each for each in connection.packets]
    assert judged(facts.retried, traffic, tmp_path)[0].startswith("fail retry: a Retry with a token of 21 bytes")


def reason(folder: Path, pair: Pair, alpn: str = "hq-interop") -> str:
    """Return what the packets tell about a failure."""
    parameters = {"alpn": alpn, "version": "v1"}
    return judged(lambda sight: [facts.failed("why", sight.why())], seen(folder, pair), folder, parameters=parameters)[
        0
    ]


def test_packets_tell_why_files_did_not_arrive(tmp_path: Path) -> None:
    silent = Pair()
    silent.sent = [(1.0, True, data, CLIENT) for data, _ in silent.client.datagrams_to_send(now=silent.now)]
    assert reason(tmp_path, silent) == "fail why: the server answered none of 1 packets"
    waiting = Pair()
    waiting.exchange()
    waiting.ask()
    waiting.exchange(2)
    assert reason(tmp_path, waiting) == "fail why: the server answered none of 1 requests of 1"
    blocked = reason(tmp_path, waiting, "h3")
    assert blocked.endswith("of 1; the client never opened its HTTP/3 control stream or QPACK stream")
    divided = Pair({"original_version": 1, "supported_versions": [V2, 1]})
    divided.exchange(1)
    time, _, data, address = divided.sent[0]
    divided.sent = [*divided.sent[:2], (time + 1, True, data, address)]
    assert reason(tmp_path, divided).endswith("goes on in version 0x1, although the server answers in 0x6b3343cf")


def test_parts_of_a_hello_that_are_sent_together_are_no_repetition(tmp_path: Path) -> None:
    sent = done(Pair()).sent
    time, from_client, data, address = sent[0]
    for before, said in (
        (0.0005, "fail repeated: the client began 1 times"),
        (0.5, "pass repeated: the client began 2"),
    ):
        both = Pair(sent=[(time - before, from_client, data, address), *sent])
        assert judged(facts.client_hellos, seen(tmp_path, both), tmp_path)[0].startswith(said)


def test_a_version_that_the_server_offers_was_not_unknown_to_it(tmp_path: Path) -> None:
    pair = Pair({"original_version": 0x1A2A3A4A, "supported_versions": [0x1A2A3A4A, 1]})
    traffic = seen(tmp_path, done(pair))
    assert judged(facts.negotiated, traffic, tmp_path)[0].startswith("pass negotiation")
    for connection in traffic.connections:
        connection.packets = [
            attrs.evolve(each, versions=(0x1A2A3A4A,)) if each.versions else each for each in connection.packets
        ]
    (known,) = judged(facts.negotiated, traffic, tmp_path)
    assert known.endswith("the server offers 0x1a2a3a4a, which it knows")


@pytest.mark.parametrize(
    "fact",
    [
        facts.client_hellos,
        facts.ciphers,
        facts.streams,
        facts.retried,
        facts.resumed,
        facts.early,
        facts.keys_updated,
        facts.negotiated,
        facts.upgraded,
        facts_network.marked,
        facts_network.amplified,
        facts_network.rebound,
    ],
)
def test_what_nothing_shows_is_inconclusive_and_says_what_would_show_it(
    tmp_path: Path, fact: Callable[[Sight], Iterable[CheckResult]]
) -> None:
    (said,) = judged(fact, None, tmp_path)
    assert said.startswith(Verdict.INCONCLUSIVE.value)
    assert "there is no capture" in said
    assert "netns" in said
