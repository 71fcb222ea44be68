"""The implementation as an experiment uses it."""

from __future__ import annotations

import shutil

import pytest

from panther_core.testing import MakeProject
from panther_core.testing.conformance import ServiceConformance

MISSING = [each for each in ("mosquitto_sub",) if shutil.which(each) is None]
pytestmark = pytest.mark.skipif(bool(MISSING), reason=f"needs {', '.join(MISSING)}")


class TestConformance(ServiceConformance):
    """What every implementation must keep."""

    plugin = "panther_service_amqtt.plugin"
    protocol_plugin = "panther_protocol_mqtt.plugin"
    name = "amqtt"


def test_it_serves_clients_of_another_implementation_in_the_version_that_it_claims(
    panther_project: MakeProject,
) -> None:
    text = (
        "name: amqtt\nprotocol: mqtt\nimplementation: mosquitto\nnetwork_environment: localhost\n"
        "services: {broker: amqtt}\ntest_cases:\n"
        "  - {name: publish, matrix: {parameters.version: ['3.1.1', '5']}}\n"
        "  - {name: retained, scenario: retained}\n"
    )
    outcome = panther_project({"amqtt.yaml": text}).run("run amqtt.yaml")
    outcome.assert_verdicts({"publish": ["pass", "unsupported"], "retained": "pass"})
