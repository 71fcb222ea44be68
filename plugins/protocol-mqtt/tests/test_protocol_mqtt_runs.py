"""Brokers that go wrong on purpose, between real clients: none of them passes, and the reason is named."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import pytest

from panther_core.testing import MakeProject

MISSING = [each for each in ("mosquitto", "mosquitto_sub") if shutil.which(each) is None]
pytestmark = pytest.mark.skipif(bool(MISSING), reason=f"needs {', '.join(MISSING)}")

BROKER = Path(__file__).with_name("tampering_broker.py")
HOW = {
    "nothing": (2, "pass", "10 messages arrived unchanged, in order, with QoS 2"),
    "lose": (1, "fail", "message 3 on panther/line is missing (1 of 10 are)"),
    "change": (1, "fail", "a message on panther/line arrived with another payload than was published"),
    "swap": (0, "fail", "message 4 arrived where message 3 belongs"),
    "repeat": (0, "fail", "message 3 on panther/line arrived 2 times"),
}


def case(how: str, qos: int) -> str:
    """Return a test case with a broker that tampers."""
    argv = json.dumps([sys.executable, str(BROKER), "{dir}", "{self.ip}", "{self.port}", how])
    return (
        f"  - name: {how}\n    parameters: {{qos: {qos}, count: 10}}\n    services:\n"
        f"      broker: {{implementation: command, role: broker, argv: {argv}, ends_by_itself: false, "
        "ready: {kind: tcp}}\n"
    )


def test_a_broker_that_loses_changes_swaps_or_repeats_messages_is_never_passed(panther_project: MakeProject) -> None:
    head = "name: wrong\nprotocol: mqtt\nimplementation: mosquitto\nnetwork_environment: localhost\ntest_cases:\n"
    text = head + "".join(case(how, qos) for how, (qos, _, _) in HOW.items())
    outcome = panther_project({"wrong.yaml": text}).run("run wrong.yaml")
    outcome.assert_verdicts({how: verdict for how, (_, verdict, _) in HOW.items()})
    why = {each["name"]: " ".join(check["evidence"] for check in each["checks"]) for each in outcome.cases()}
    assert {how: reason in why[how] for how, (_, _, reason) in HOW.items()} == dict.fromkeys(HOW, True), why


def test_programs_that_do_nothing_are_never_passed(panther_project: MakeProject) -> None:
    idle = 'argv: [sleep, "100"], ends_by_itself: false'
    text = (
        "name: idle\nprotocol: mqtt\nnetwork_environment: localhost\ntest_cases:\n  - name: idle\n    services:\n"
        f"      broker: {{implementation: command, role: broker, {idle}}}\n"
        '      subscriber: {implementation: command, role: subscriber, argv: ["true"]}\n'
        '      publisher: {implementation: command, role: publisher, argv: ["true"]}\n'
    )
    outcome = panther_project({"idle.yaml": text}).run("run idle.yaml")
    outcome.assert_verdicts({"idle": "fail"})
