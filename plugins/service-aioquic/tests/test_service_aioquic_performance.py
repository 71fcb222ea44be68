"""A warmed-up measurement: the connections of the warm-up are not taken for those that are judged."""

from __future__ import annotations

from panther_core.testing import MakeProject

WARM = """
name: warm
protocol: quic
network_environment: localhost
test_cases:
  - name: transfer
    scenario: transfer
    parameters: {files: [1KiB]}
    type: {type: performance, warmup: 1, repeats: 0}
    implementation: aioquic
"""


def test_a_run_after_a_warm_up_is_judged_by_its_own_packets_and_files(panther_project: MakeProject) -> None:
    outcome = panther_project({"x.yaml": WARM}).run("run x.yaml")
    outcome.assert_verdicts({"transfer": "pass"})
    assert outcome.measurements()["client.quic.handshakes"] == 1
    client = outcome.folder() / "services" / "client"
    assert [len(list((client / each).iterdir())) for each in ("downloads", "run-1/downloads")] == [1, 1]
