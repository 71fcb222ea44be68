"""The dialect speaks DNS as the library and the servers do."""

from __future__ import annotations

import base64
import json

import dns.message
import pytest
from panther_protocol_dns.dialect import Dialect
from panther_protocol_dns.zone import ORIGIN, seed_of, zone_file
from panther_service_dnspython.answers import Zone

from panther_core.testing import MakeProject

ZONE = Zone.load(zone_file(seed_of("load", 7), 20).decode(), ORIGIN)


def answer(request: bytes) -> bytes:
    return ZONE.reply(dns.message.from_wire(request)).to_wire()


@pytest.mark.parametrize("number", [0, 19, 20, 1_000_000])
def test_an_answer_of_the_zone_is_right_and_no_other(number: int) -> None:
    dialect = Dialect(count="20")
    good = answer(dialect.request(number))
    assert dialect.number(good) == number
    assert dialect.right(number, good)
    assert not dialect.right(number + 1, good)
    assert not dialect.right(number, good[:-1] + bytes([good[-1] ^ 1]))
    assert not dialect.right(number, good[:-1])
    assert not dialect.right(number, dialect.request(number))


def test_what_is_no_answer_belongs_to_no_request() -> None:
    dialect = Dialect()
    assert [dialect.number(each) for each in (b"", b"\0" * 12, b"\0" * 40, dialect.request(3))] == [None] * 4
    assert dialect.readable(b"\0" * 11) == f"no DNS: {'00' * 11}"
    looping = b"\0\1\x84\0\0\1\0\0\0\0\0\0" + b"\xc0\x0c" + b"\0\1\0\1"
    assert dialect.readable(looping).startswith("no DNS: ")


def test_two_right_answers_to_a_question_read_the_same() -> None:
    dialect = Dialect()
    told = [dns.message.make_query(name, "A", id=number) for number, name in enumerate((ORIGIN, "WWW." + ORIGIN))]
    first, *again = (answer(dns.message.make_query(f"www.{ORIGIN}", "A", id=each).to_wire()) for each in (1, 2))
    assert dialect.readable(first) == dialect.readable(again[0])
    assert dialect.adapted(first, b"", told[1].to_wire())[:2] == b"\0\1"
    assert dialect.readable(told[1].to_wire()) == f"question rd | www.{ORIGIN} A"
    soa = dialect.readable(answer(told[0].to_wire()))
    assert (
        soa == f"answer NOERROR aa rd | {ORIGIN} A | {ORIGIN} 300 SOA ns.{ORIGIN} admin.{ORIGIN} 1 3600 600 86400 300"
    )


def test_streams_are_split_behind_each_length() -> None:
    assert Dialect().split(b"\0\2ab\0\1c\0\5d") == ([b"ab", b"c"], b"\0\5d")


def test_a_server_bears_a_load_and_is_asked_what_was_recorded(panther_project: MakeProject) -> None:
    dialect = Dialect()
    said = [dialect.request(0), answer(dialect.request(0)), dialect.request(1), answer(dialect.request(1))]
    said[3] = said[3][:-1] + bytes([said[3][-1] ^ 1])
    sides = ("client", "server") * 2
    lines = [
        {"t": number / 10, "from": side, "data": base64.b64encode(data).decode()}
        for number, (side, data) in enumerate(zip(sides, said, strict=True))
    ]
    recording = [{"v": 1, "protocol": "dns", "transport": "udp"}, *lines, {"end": len(lines)}]
    text = (
        "name: speed\nprotocol: dns\nnetwork_environment: localhost\ntest_cases:\n"
        "  - name: load\n    scenario: load\n    type: {type: performance, repeats: 0}\n    services:\n"
        "      server: dnspython\n      client: {implementation: load, rate: 50, duration: 300ms, warmup: 0s}\n"
        "  - name: replay\n    scenario: replay\n    type: replay\n    services:\n"
        "      server: dnspython\n      client: {implementation: replay, recording: said.jsonl, timing: none}\n"
    )
    files = {"speed.yaml": text, "said.jsonl": "".join(f"{json.dumps(each)}\n" for each in recording)}
    outcome = panther_project(files).run("run speed.yaml")
    outcome.assert_verdicts({"load": "pass", "replay": "fail"})
    told = {each["name"]: str(each["checks"]) for each in outcome.cases()}
    assert "1 differences: 'answer NOERROR aa | host-2.panther.test. A | host-2" in told["replay"]
    assert "15 of 15 requests answered" in told["load"]
