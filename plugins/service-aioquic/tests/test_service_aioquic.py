"""aioquic does what its data claims, with itself, over both application protocols."""

from __future__ import annotations

from panther_core.testing import MakeProject

EXPERIMENT = """
name: e
protocol: quic
network_environment: localhost
implementation: aioquic
test_cases:
  - {name: hq, parameters: {alpn: hq-interop}}
  - {name: h3, scenario: http3, parameters: {files: [1KiB, 20KiB]}}
  - {name: v6, scenario: ipv6}
"""


def test_files_arrive_over_both_application_protocols_and_both_families(panther_project: MakeProject) -> None:
    outcome = panther_project({"e.yaml": EXPERIMENT}).run("run e.yaml")
    outcome.assert_ok()
    outcome.assert_verdicts({"hq": "pass", "h3": "pass", "v6": "pass"})
    kinds = {each["kind"] for case in outcome.cases() for each in case["artifacts"]}
    assert {"qlog", "keys", "download"} <= kinds
