"""How replies become verdicts, and how what ``dig`` and ``kdig`` print becomes a reply."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs
import pytest
from panther_protocol_dns.digging import messages, reply_of, transferred
from panther_protocol_dns.driving import grouped
from panther_protocol_dns.judging import wrong_with
from panther_protocol_dns.questions import Question, Right, questions_of, right_of, zone_of
from panther_protocol_dns.replies import NAME, Recorder, Reply
from panther_protocol_dns.scenarios import SCENARIOS
from panther_protocol_dns.zone import ORIGIN, records, seed_of

from panther_core.testing.conformance import ProtocolConformance
from panther_hookspecs import LOAD_REPORT, LoadReport, TestScenario

ZONE = records(1, 3)


def right(question: Question, scenario: str) -> Reply:
    """Return the reply that a right server gives."""
    wanted = right_of(question, ZONE if scenario != "many" else zone_of(1, {"count": 200}), scenario)
    return Reply(
        rcode=wanted.rcode,
        flags=("qr", "aa"),
        answers=wanted.answers,
        authority=(ZONE[0].text,) if wanted.soa else (),
        edns=wanted.edns,
        transport=wanted.transport,
        truncated=wanted.truncated,
    )


class TestConformance(ProtocolConformance):
    """What every protocol must keep."""

    plugin = "panther_protocol_dns.plugin"
    name = "dns"

    def plant_success(self, scenario: TestScenario, folders: Mapping[str, Path]) -> None:
        """Write what a good exchange leaves behind."""
        if scenario.name == "load":
            report = {each.name: 0 for each in attrs.fields(LoadReport)}
            told = {"mode": "open", "start_error": {}, "latency": {}, "service_time": {}, "answered": 5}
            (folders["client"] / LOAD_REPORT).write_text(json.dumps({**report, **told}))
            return
        parameters = attrs.asdict(scenario.parameters())
        zone = zone_of(seed_of(scenario.name, 1), parameters)
        with (folders["client"] / NAME).open("w") as file:
            for each in questions_of(scenario.name, parameters):
                wanted = right_of(each, zone, scenario.name)
                reply = attrs.evolve(right(each, scenario.name), answers=wanted.answers)
                Recorder(file).note("answered", question=attrs.asdict(each), reply=attrs.asdict(reply))


WWW = Question(name=f"www.{ORIGIN}", type="A")
NOBODY = Question(name=f"nobody.{ORIGIN}", type="A")


@pytest.mark.parametrize(
    ("question", "change", "said"),
    [
        (WWW, {}, ""),
        (WWW, {"rcode": "SERVFAIL"}, "the reply says SERVFAIL, right is NOERROR"),
        (WWW, {"answers": ("www.panther.test. 300 IN A 1.1.1.1",)}, "answered 'www.panther.test. 300 IN A 1.1.1.1'"),
        (WWW, {"answers": ()}, "2 of 2 records are missing"),
        (WWW, {"flags": ("qr",)}, "the reply is not authoritative"),
        (WWW, {"edns": False}, "the reply has no EDNS, the question had it"),
        (WWW, {"transport": "tcp"}, "the reply came over tcp, not udp"),
        (attrs.evolve(WWW, size=0), {"edns": True}, "the reply has EDNS, the question had none"),
        (NOBODY, {}, ""),
        (NOBODY, {"rcode": "NOERROR"}, "the reply says NOERROR, right is NXDOMAIN"),
        (NOBODY, {"authority": ()}, "nothing says how long the denial holds"),
    ],
)
def test_what_is_wrong_with_a_reply_is_said(question: Question, change: dict[str, Any], said: str) -> None:
    wanted = right_of(question, ZONE, "answers")
    found = wrong_with(attrs.asdict(attrs.evolve(right(question, "answers"), **change)), wanted)
    assert found.startswith(said)
    assert bool(found) is bool(said)


def test_a_record_that_comes_twice_and_a_missing_truncation_are_faults() -> None:
    wanted = right_of(WWW, ZONE, "truncation")
    reply = attrs.asdict(right(WWW, "truncation"))
    assert wrong_with({**reply, "answers": [*wanted.answers, wanted.answers[0]]}, wanted) == "a record came twice"
    assert wrong_with({**reply, "truncated": False}, wanted) == "no truncated reply came before the answer"


def test_an_alias_a_wildcard_and_an_unknown_version_have_their_right_answers() -> None:
    alias = right_of(Question(name=f"alias.{ORIGIN}", type="A"), ZONE, "answers")
    assert [each.split()[3] for each in alias.answers] == ["CNAME", "A", "A"]
    (wild,) = right_of(Question(name=f"deep.wild.{ORIGIN}", type="A"), ZONE, "answers").answers
    assert wild.startswith("deep.wild.panther.test. 300 IN A 10.")
    assert right_of(attrs.evolve(WWW, edns=1), ZONE, "edns") == Right(
        rcode="BADVERS", authoritative=False, transport="udp"
    )


def test_another_seed_gives_other_answers_to_the_same_questions() -> None:
    assert questions_of("many", {"count": 3, "transport": "udp"}) == questions_of(
        "many", {"count": 3, "transport": "udp"}
    )
    assert not {each.text for each in records(1) if each.type == "A"} & {each.text for each in records(2)}


DIG = """\
;; Truncated, retrying in TCP mode.

;; Got answer:
;; ->>HEADER<<- opcode: QUERY, status: NOERROR, id: 62430
;; flags: qr aa; QUERY: 1, ANSWER: 1, AUTHORITY: 0, ADDITIONAL: 1

;; OPT PSEUDOSECTION:
; EDNS: version: 0, flags:; udp: 1232
;; QUESTION SECTION:
;Text.panther.test.\t\tIN\tTXT

;; ANSWER SECTION:
Text.panther.test.\t300\tIN\tTXT\t"Two  spaces" "x"

;; Query time: 0 msec
;; SERVER: 127.0.0.1#5399(127.0.0.1) (TCP)
;; WHEN: Thu Nov 26 18:29:40 UTC 2026
;; MSG SIZE  rcvd: 3081
"""
KDIG = """\
;; TLS session (TLS1.3)-(ECDHE-SECP256R1)-(ECDSA-SECP256R1-SHA256)-(AES-256-GCM)
;; ->>HEADER<<- opcode: QUERY; status: NXDOMAIN; id: 53337
;; Flags: qr aa rd; QUERY: 1; ANSWER: 0; AUTHORITY: 1; ADDITIONAL: 0

;; QUESTION SECTION:
;; nobody.panther.test.   \t\tIN\tA

;; AUTHORITY SECTION:
panther.test.       \t300\tIN\tSOA\tNS.panther.test. admin.panther.test. 1 3600 600 86400 300

;; Received 468 B
;; Time 2026-11-26 18:41:05 UTC
;; From 127.0.0.1@8531(TCP) in 58.8 ms
"""


def test_what_dig_and_kdig_print_is_read() -> None:
    first, second = map(reply_of, messages(DIG + "\n" + KDIG))
    assert first == Reply(
        rcode="NOERROR",
        flags=("qr", "aa"),
        answers=('text.panther.test. 300 IN TXT "Two  spaces" "x"',),
        edns=True,
        transport="tcp",
        truncated=True,
    )
    soa = "panther.test. 300 IN SOA ns.panther.test. admin.panther.test. 1 3600 600 86400 300"
    assert second == Reply(rcode="NXDOMAIN", flags=("qr", "aa", "rd"), authority=(soa,), transport="tls")


def test_a_transfer_that_does_not_end_with_the_record_it_began_with_has_failed() -> None:
    lines = [each.text for each in ZONE]
    assert transferred("\n".join([*lines, lines[0]])).answers == tuple(sorted(lines))
    assert transferred("\n".join(lines)).rcode == "FAILED"


def test_questions_share_a_call_as_long_as_they_are_alike() -> None:
    many = questions_of("many", {"count": 120, "transport": "udp"})
    assert [len(each) for each in grouped(many)] == [50, 50, 20]
    assert [len(each) for each in grouped(questions_of("edns", {}))] == [1, 1, 1]


def test_every_scenario_but_the_one_of_the_load_generator_has_questions() -> None:
    for each in (one for one in SCENARIOS if one.name != "load"):
        assert questions_of(each.name, attrs.asdict(each.parameters()))
