"""The implementation as an experiment uses it."""

from __future__ import annotations

import os
import shutil

import pytest

from panther_core.testing import MakeProject
from panther_core.testing.conformance import ServiceConformance

MISSING = [each for each in ("mosquitto", "mosquitto_sub", "ip", "nsenter") if shutil.which(each) is None]
pytestmark = pytest.mark.skipif(bool(MISSING), reason=f"needs {', '.join(MISSING)}")


class TestConformance(ServiceConformance):
    """What every implementation must keep."""

    plugin = "panther_service_mosquitto.plugin"
    protocol_plugin = "panther_protocol_mqtt.plugin"
    name = "mosquitto"


HEAD = "name: mosquitto\nprotocol: mqtt\nimplementation: mosquitto\nnetwork_environment: localhost\n"


def test_broker_and_clients_do_everything_but_wait(panther_project: MakeProject) -> None:
    text = HEAD + (
        "test_cases:\n"
        "  - {name: all, matrix: {scenario: [connect, retained, will, session, wildcards, malformed, large]}}\n"
        "  - {name: exactly once, parameters: {version: '5', qos: 2}}\n"
    )
    outcome = panther_project({"all.yaml": text}).run("run all.yaml")
    outcome.assert_verdicts({"all": ["pass"] * 7, "exactly once": "pass"})
    assert outcome.measurements("exactly once")["subscriber.mqtt.rate"] > 0


def test_it_works_in_private_networks_and_its_packets_are_seen(panther_project: MakeProject) -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root")
    text = HEAD.replace("localhost", "netns") + "capture: true\ntest_cases:\n  - {name: publish}\n"
    outcome = panther_project({"netns.yaml": text}).run("run netns.yaml")
    outcome.assert_verdicts({"publish": "pass"})
    captures = [each["path"] for each in outcome.cases()[0]["artifacts"] if each["kind"] == "capture"]
    assert any(b"panther/line" in (outcome.folder() / each).read_bytes() for each in captures)


def test_a_limit_of_the_broker_loses_messages_and_that_is_seen(panther_project: MakeProject) -> None:
    limited = "services: {broker: {settings: [max_queued_messages 5]}}"
    text = HEAD + f"test_cases:\n  - {{name: waiting, scenario: session, {limited}}}\n"
    outcome = panther_project({"limit.yaml": text}).run("run limit.yaml")
    outcome.assert_verdicts({"waiting": "fail"})
    assert "is missing" in outcome.cases()[0]["why"]
