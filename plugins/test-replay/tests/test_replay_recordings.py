"""Recordings and captures: what was said comes out, and what is broken is named."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from panther_test_replay.capture import CaptureError, read_capture
from panther_test_replay.recording import Recording, Said, load_recording, parse
from panther_test_replay.replay.compare import differences

from panther_hookspecs import ConfigurationException

A, B = "10.0.0.1", "10.0.0.2"


def ip(source: str, target: str, kind: int, inside: bytes) -> bytes:
    addresses = bytes(int(each) for text in (source, target) for each in text.split("."))
    return struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(inside), 0, 0, 64, kind, 0) + addresses + inside


def udp(source: str, sport: int, target: str, port: int, payload: bytes) -> bytes:
    return ip(source, target, 17, struct.pack(">HHHH", sport, port, 8 + len(payload), 0) + payload)


def tcp(source: str, sport: int, target: str, port: int, sequence: int, payload: bytes, flags: int = 0x18) -> bytes:
    return ip(source, target, 6, struct.pack(">HHIIBBHHH", sport, port, sequence, 0, 0x50, flags, 0, 0, 0) + payload)


def pcap(packets: list[bytes], link: int = 101) -> bytes:
    made = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, link)
    for number, each in enumerate(packets):
        made += struct.pack("<IIII", 1000 + number, 500_000, len(each), len(each)) + each
    return made


def pcapng(packets: list[bytes]) -> bytes:
    def block(kind: int, body: bytes) -> bytes:
        body += bytes(-len(body) % 4)
        return struct.pack("<II", kind, len(body) + 12) + body + struct.pack("<I", len(body) + 12)

    made = block(0x0A0D0D0A, struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1))
    made += block(1, struct.pack("<HHI", 1, 0, 0) + struct.pack("<HHB3x", 9, 1, 9) + struct.pack("<HH", 0, 0))
    for number, each in enumerate(packets):
        moment = 1_000_000_000 * (5 + number)
        frame = bytes(12) + b"\x08\x00" + each
        made += block(6, struct.pack("<IIIII", 0, moment >> 32, moment & 0xFFFFFFFF, len(frame), len(frame)) + frame)
    return made


def load(path: Path, content: bytes, transport: str = "udp") -> Recording:
    path.write_bytes(content)
    return load_recording(path, protocol="minip", transport=transport, port=7)


TALK = [udp(A, 5, B, 7, b"one"), udp(B, 7, A, 5, b"two"), udp(B, 9, A, 9, b"other"), udp(A, 5, B, 7, b"three")]
SAID = [("client", b"one"), ("server", b"two"), ("client", b"three")]


@pytest.mark.parametrize("content", [pcap(TALK), pcapng(TALK)], ids=["pcap", "pcapng"])
def test_a_capture_gives_the_conversation_with_the_port(tmp_path: Path, content: bytes) -> None:
    found = load(tmp_path / "x.pcap", content)
    assert [(each.side, each.data) for each in found.messages] == SAID
    assert [each.time for each in found.messages] == [0, 1, 3]


def test_all_conversations_with_a_server_make_one_recording_where_that_is_wanted(tmp_path: Path) -> None:
    again = [udp(A, 6, B, 7, b"four"), udp(B, 7, A, 6, b"five"), udp(A, 6, B, 8, b"elsewhere")]
    (tmp_path / "x").write_bytes(pcap(TALK + again))
    found = load_recording(tmp_path / "x", protocol="minip", transport="udp", port=7, every=True)
    assert [(each.side, each.data) for each in found.messages] == [*SAID, ("client", b"four"), ("server", b"five")]


def test_an_answer_is_set_against_the_one_that_begins_like_it() -> None:
    before, now = ["b 1", "a 1", "a same", "c"], ["a same", "b 2", "a 2"]
    for many in (now, now[::-1]):
        assert differences(before, many, once=True) == [
            {"expected": "a 1", "got": "a 2"},
            {"expected": "b 1", "got": "b 2"},
            {"expected": "c", "got": ""},
        ]


def test_a_stream_comes_out_in_order_and_once(tmp_path: Path) -> None:
    packets = [
        tcp(A, 5, B, 7, 0xFFFFFFFE, b"", flags=2),
        tcp(B, 7, A, 5, 100, b"", flags=0x12),
        tcp(A, 5, B, 7, 2, b"lo "),
        tcp(A, 5, B, 7, 0xFFFFFFFF, b"hel"),
        tcp(B, 7, A, 5, 101, b"yes"),
        tcp(A, 5, B, 7, 2, b"lo you"),
    ]
    found = load(tmp_path / "x.pcap", pcap(packets), "tcp")
    assert [(each.side, each.data) for each in found.messages] == [
        ("client", b"hel"),
        ("client", b"lo "),
        ("server", b"yes"),
        ("client", b"you"),
    ]


def test_a_recording_survives_writing_and_reading(tmp_path: Path) -> None:
    messages = tuple(Said(time=float(number), side=side, data=data) for number, (side, data) in enumerate(SAID))
    made = Recording(protocol="minip", transport="udp", messages=messages)
    assert load(tmp_path / "x.jsonl", made.content()) == made


GOOD = Recording(protocol="minip", transport="udp", messages=(Said(time=0, side="client", data=b"x"),)).content()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (pcap(TALK)[:-3], "the capture is cut off in packet 4"),
        (pcapng(TALK)[:-3], "the capture is cut off in block 6"),
        (pcap(TALK)[:10], "the capture ends in its header"),
        (b"\x7fELF", "neither pcap nor pcapng"),
        (pcap([udp(A, 5, B, 8, b"one")]), r"holds no message of a client to port 7 \(udp\)"),
        (GOOD[:-3], "line 3 is cut off"),
        (GOOD.replace(b'{"end": 1}\n', b""), "the recording is cut off: it has 1 messages and no line that ends it"),
        (GOOD.replace(b"minip", b"chat"), "is a recording of chat, this case speaks minip"),
        (GOOD.replace(b'"client"', b'"nobody"'), "from is 'nobody'"),
        (GOOD.replace(b'"v": 1', b'"v": 9'), "does not begin as a recording of version 1"),
    ],
)
def test_what_is_wrong_with_a_file_is_named(tmp_path: Path, content: bytes, message: str) -> None:
    with pytest.raises(ConfigurationException, match=message):
        load(tmp_path / "x", content)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationException, match="there is no recording"):
        load_recording(tmp_path / "x", protocol="", transport="udp", port=7)


def test_every_cut_of_a_capture_is_told_or_lies_between_packets(tmp_path: Path) -> None:
    whole = pcap(TALK)
    for size in range(24, len(whole)):
        (tmp_path / "x").write_bytes(whole[:size])
        try:
            read = list(read_capture(tmp_path / "x"))
        except CaptureError:
            continue
        assert len(read) < len(TALK)


def test_lines_that_are_no_objects_are_named() -> None:
    with pytest.raises(CaptureError, match="line 1 is cut off or no object"):
        parse(["[]\n"])
