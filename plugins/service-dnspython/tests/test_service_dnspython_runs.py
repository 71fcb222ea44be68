"""The implementation as an experiment uses it."""

from __future__ import annotations

import io
import json
import shutil

import dns.message
import dns.opcode
import dns.rcode
import pytest
from panther_protocol_dns.replies import Recorder
from panther_protocol_dns.zone import ORIGIN, zone_file
from panther_service_dnspython.answers import Zone
from panther_service_dnspython.server import Server

from panther_core.testing import MakeProject
from panther_core.testing.conformance import ServiceConformance

MISSING = [each for each in ("kdig", "openssl") if shutil.which(each) is None]
pytestmark = pytest.mark.skipif(bool(MISSING), reason=f"needs {', '.join(MISSING)}")


class TestConformance(ServiceConformance):
    """What every implementation must keep."""

    plugin = "panther_service_dnspython.plugin"
    protocol_plugin = "panther_protocol_dns.plugin"
    name = "dnspython"


def test_it_serves_and_asks_over_everything_with_another_client_beside_its_own(panther_project: MakeProject) -> None:
    text = (
        "name: all\nprotocol: dns\nimplementation: dnspython\nnetwork_environment: localhost\ntest_cases:\n"
        "  - {name: own, matrix: {scenario: [answers, denial, truncation, edns, transfer]}}\n"
        "  - {name: told, scenario: answers}\n"
        "  - {name: secret, matrix: {client: [dnspython, knot], scenario: [tls, quic]}}\n"
    )
    outcome = panther_project({"all.yaml": text}).run("run all.yaml")
    outcome.assert_verdicts({"own": ["pass"] * 5, "told": "pass", "secret": ["pass"] * 4})
    told = list(map(json.loads, outcome.text("messages.jsonl", "told").splitlines()))
    questions, replies = ([each for each in told if each["source"] == side] for side in ("client", "server"))
    assert len(questions) == len(replies) > 5
    assert (questions[0]["label"], questions[0]["detail"]) == ("A?", "www.panther.test. over udp")
    assert (replies[0]["label"], replies[0]["detail"]) == ("NOERROR", "qr, aa, 2 records, over udp")
    assert [each["time"] for each in told] == sorted(each["time"] for each in told)


def test_what_is_no_query_gets_no_answer_and_what_it_cannot_do_is_said() -> None:
    zone = Zone.load(zone_file(1).decode(), ORIGIN)
    elsewhere = zone.reply(dns.message.make_query("www.example.", "A"))
    assert elsewhere.rcode() == dns.rcode.REFUSED
    update = dns.message.make_query("www.panther.test.", "A")
    update.set_opcode(dns.opcode.NOTIFY)
    assert zone.reply(update).rcode() == dns.rcode.NOTIMP
    recorded = io.StringIO()
    assert list(Server(zone, Recorder(recorded)).answer(b"no query", "udp")) == []
    assert '"event": "dropped"' in recorded.getvalue()
