"""The implementation as an experiment uses it."""

from __future__ import annotations

import json
import shutil

import pytest

from panther_core.testing import MakeProject
from panther_core.testing.conformance import ServiceConformance

MISSING = [each for each in ("mosquitto",) if shutil.which(each) is None]
pytestmark = pytest.mark.skipif(bool(MISSING), reason=f"needs {', '.join(MISSING)}")


class TestConformance(ServiceConformance):
    """What every implementation must keep."""

    plugin = "panther_service_paho_mqtt.plugin"
    protocol_plugin = "panther_protocol_mqtt.plugin"
    name = "paho-mqtt"


def test_it_talks_to_another_broker_in_both_versions(panther_project: MakeProject) -> None:
    text = (
        "name: paho\nprotocol: mqtt\nimplementation: paho-mqtt\nnetwork_environment: localhost\n"
        "services: {broker: mosquitto}\ntest_cases:\n"
        "  - name: all\n    matrix: {parameters.version: ['3.1.1', '5'], scenario: [will, session, wildcards]}\n"
        "  - {name: exactly once, parameters: {qos: 2}}\n"
        "  - {name: no broker, services: {broker: paho-mqtt}, expect: unsupported}\n"
    )
    outcome = panther_project({"paho.yaml": text}).run("run paho.yaml")
    outcome.assert_verdicts({"all": ["pass"] * 6, "exactly once": "pass", "no broker": "unsupported"})
    told = list(map(json.loads, outcome.text("messages.jsonl", "exactly once").splitlines()))
    first = [(each["source"], each["target"], each["label"]) for each in told[:3]]
    assert first[:2] == [("subscriber", "broker", "CONNECT"), ("subscriber", "broker", "SUBSCRIBE")]
    assert first[2][::2] == ("publisher", "CONNECT")
    up, down = (
        ["panther/line" in each["detail"] for each in told if each["source"] == side]
        for side in ("publisher", "broker")
    )
    assert sum(up) == sum(down) > 0
    assert [each["time"] for each in told] == sorted(each["time"] for each in told)
