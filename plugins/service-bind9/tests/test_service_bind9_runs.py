"""The implementation as an experiment uses it."""

from __future__ import annotations

import shutil

import pytest

from panther_core.testing import MakeProject
from panther_core.testing.conformance import ServiceConformance

MISSING = [each for each in ("dig", "nsd", "openssl") if shutil.which(each) is None]
pytestmark = pytest.mark.skipif(bool(MISSING), reason=f"needs {', '.join(MISSING)}")


class TestConformance(ServiceConformance):
    """What every implementation must keep."""

    plugin = "panther_service_bind9.plugin"
    protocol_plugin = "panther_protocol_dns.plugin"
    name = "bind9"


def test_dig_asks_another_server(panther_project: MakeProject) -> None:
    text = (
        "name: dig\nprotocol: dns\nnetwork_environment: localhost\nservices: {server: nsd, client: bind9}\n"
        "test_cases:\n  - {name: all, matrix: {scenario: [answers, denial, truncation, edns, transfer, tls, quic]}}\n"
    )
    panther_project({"dig.yaml": text}).run("run dig.yaml").assert_verdicts({"all": ["pass"] * 6 + ["unsupported"]})
