"""Links between containers, and recordings of them: everything is done from outside, so the image needs no tool."""

from __future__ import annotations

import json
import os
import shutil
import subprocess

import pytest

from panther_core.testing import MakeProject

LINKED = """
name: linked
protocol: minip
seed: 42
network_environment: docker_compose
test_cases:
  - name: far away, over IPv6
    scenario: ping
    parameters: {count: 5}
    capture: true
    services:
      server: {implementation: ping-pong-py, ipv6: true}
      client: {implementation: ping-pong-py, ipv6: true}
    links: {client-server: {delay: 20ms, drop: [3]}}
    checks: [{that: "client.minip.rtt.median >= 0.04"}]
  - name: outage
    scenario: ping
    parameters: {count: 300}
    implementation: ping-pong-py
    links:
      client->server: {steps: [{at: 0s, do: partition}, {at: 1ms, do: heal}, {at: 2ms, do: lose, packets: 3}]}
"""


@pytest.fixture(autouse=True)
def _engine() -> None:
    tool = shutil.which("docker")
    if tool is None or subprocess.run([tool, "info"], capture_output=True, check=False).returncode:
        pytest.skip("needs docker: an engine that answers, and Compose 2 (bash .ci/dockerd start FOLDER)")
    if os.geteuid() != 0:
        pytest.skip("needs root")


def test_links_are_impaired_changed_and_recorded(panther_project: MakeProject) -> None:
    outcome = panther_project({"linked.yaml": LINKED}).run("run linked.yaml")
    outcome.assert_ok()
    told = json.loads(outcome.text("network/links.json", "far away, over IPv6"))
    assert {each["direction"]: each["asked"] for each in told["flows"]} == {
        name: {"delay": 0.02, "drop": [[3, 3]]} for name in ("client->server", "server->client")
    }
    assert all(each["seen"]["held_p50"] >= 0.02 for each in told["flows"])
    assert all(each["seen"]["swallowed"] == 1 for each in told["flows"])
    for name in ("client", "server"):
        recorded = outcome.folder("far away, over IPv6") / "network" / "capture" / f"{name}.pcapng"
        assert recorded.read_bytes().count(b"\x86\xdd`") > 10, "IPv6 packets"
    changes = [each["content"]["change"] for each in outcome.events() if each["name"] == "link.changed"]
    assert changes == ["partition", "heal", "lose 3 packets"]
    flows = json.loads(outcome.text("network/links.json", "outage"))["flows"]
    swallowed = {each["direction"]: each["seen"]["swallowed"] for each in flows}
    assert swallowed["client->server"] >= 3, "whoever sends next is hit, however late it begins"
    assert swallowed["server->client"] == 0


def test_a_case_with_links_leaves_the_bridge_and_the_holders_to_nobody(panther_project: MakeProject) -> None:
    text = LINKED.replace("docker_compose\n", "{type: docker_compose, link_mechanism: none-such}\n")
    outcome = panther_project({"linked.yaml": text}).run("run linked.yaml")
    outcome.assert_verdicts({"far away, over IPv6": "error", "outage": "error"})
    for case in outcome.cases():
        assert "there is no mechanism 'none-such'" in case["why"]
        assert not case.get("problems"), case
