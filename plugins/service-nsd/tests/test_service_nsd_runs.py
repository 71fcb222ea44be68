"""The implementation as an experiment uses it."""

from __future__ import annotations

import shutil

import pytest

from panther_core.testing import MakeProject
from panther_core.testing.conformance import ServiceConformance

MISSING = [each for each in ("nsd", "openssl") if shutil.which(each) is None]
pytestmark = pytest.mark.skipif(bool(MISSING), reason=f"needs {', '.join(MISSING)}")


class TestConformance(ServiceConformance):
    """What every implementation must keep."""

    plugin = "panther_service_nsd.plugin"
    protocol_plugin = "panther_protocol_dns.plugin"
    name = "nsd"


def test_it_answers_a_client_of_another_implementation(panther_project: MakeProject) -> None:
    text = (
        "name: nsd\nprotocol: dns\nnetwork_environment: localhost\nservices: {server: nsd, client: dnspython}\n"
        "test_cases:\n  - {name: all, matrix: {scenario: [answers, transfer, tls]}}\n"
    )
    panther_project({"nsd.yaml": text}).run("run nsd.yaml").assert_verdicts({"all": ["pass"] * 3})
