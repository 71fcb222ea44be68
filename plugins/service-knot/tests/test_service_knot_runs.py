"""The implementation as an experiment uses it."""

from __future__ import annotations

import os
import shutil

import pytest

from panther_core.testing import MakeProject
from panther_core.testing.conformance import ServiceConformance

MISSING = [each for each in ("knotd", "kdig", "ip", "nsenter") if shutil.which(each) is None]
pytestmark = pytest.mark.skipif(bool(MISSING), reason=f"needs {', '.join(MISSING)}")


class TestConformance(ServiceConformance):
    """What every implementation must keep."""

    plugin = "panther_service_knot.plugin"
    protocol_plugin = "panther_protocol_dns.plugin"
    name = "knot"


HEAD = "name: knot\nprotocol: dns\nimplementation: knot\nnetwork_environment: localhost\n"


def test_server_and_client_do_all_that_they_claim(panther_project: MakeProject) -> None:
    scenarios = "[answers, denial, truncation, edns, transfer, many, tls]"
    text = HEAD + f"test_cases:\n  - {{name: all, matrix: {{scenario: {scenarios}}}}}\n"
    outcome = panther_project({"all.yaml": text}).run("run all.yaml")
    outcome.assert_verdicts({"all": ["pass"] * 6 + ["unsupported"]})
    assert [each["cell"]["scenario"] for each in outcome.cases() if each["verdict"] == "unsupported"] == ["tls"]


def test_it_works_in_private_networks(panther_project: MakeProject) -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root")
    text = HEAD.replace("localhost", "netns") + "capture: true\ntest_cases:\n  - {name: cut, scenario: truncation}\n"
    panther_project({"netns.yaml": text}).run("run netns.yaml").assert_verdicts({"cut": "pass"})
