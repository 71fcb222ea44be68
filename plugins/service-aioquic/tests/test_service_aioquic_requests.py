"""Single requests of QUIC: at a rate, from a recording of another case, and through faults of server and link."""

from __future__ import annotations

import json
import os
import shutil

import pytest

from panther_core.testing import MakeProject

LOAD = """
name: asked
protocol: quic
network_environment: {network}
test_cases:
  - name: load
    scenario: load
    parameters: {{alpn: h3}}
    {more}
    services:
      server: aioquic
      client: {{implementation: load, rate: 40, duration: {seconds}, warmup: 0s}}
"""
REPLAY = """
name: again
protocol: quic
network_environment: localhost
test_cases:
  - name: same
    scenario: replay
    parameters: {alpn: hq-interop}
    type: replay
    services: {server: aioquic, client: &player {implementation: replay, recording: said.jsonl, timing: none}}
  - name: other
    scenario: replay
    parameters: {files: [2KiB]}
    type: replay
    services: {server: aioquic, client: *player}
"""
NETNS = pytest.mark.skipif(
    os.geteuid() != 0 and not os.environ.get("PANTHER_CI"), reason="needs the rights to make network namespaces"
)


def test_what_was_asked_of_one_server_is_asked_of_another_and_differences_are_told(
    panther_project: MakeProject,
) -> None:
    project = panther_project({"x.yaml": LOAD.format(network="localhost", more="", seconds="500ms"), "r.yaml": REPLAY})
    asked = project.run("run x.yaml")
    asked.assert_verdicts({"load": "pass"})
    said = asked.folder() / "services" / "client" / "messages.jsonl"
    assert json.loads(said.read_text().splitlines()[0])["transport"] == "requests"
    shutil.copy(said, project.folder / "said.jsonl")
    again = project.run("run r.yaml")
    again.assert_verdicts({"same": "pass", "other": "fail"})
    told = {case["name"]: [each["message"] for each in case["findings"]] for case in again.cases()}
    assert not told["same"]
    assert "1024 bytes" in told["other"][0]
    assert "2048 bytes" in told["other"][0]


@NETNS
def test_a_crash_of_the_server_and_a_dead_link_are_survived_and_measured(panther_project: MakeProject) -> None:
    faults = (
        "{at: 500ms, do: blackhole, link: client-server, lasts: 300ms}, "
        "{at: 2s, do: kill, service: server, lasts: 100ms}"
    )
    text = LOAD.format(network="netns", more=f"type: {{type: recovery, faults: [{faults}]}}", seconds="10s")
    outcome = panther_project({"x.yaml": text}).run("run x.yaml")
    outcome.assert_verdicts({"load": "pass"})
    seen = [each["value"] for each in outcome.cases()[0]["measurements"] if each["name"] == "recovery.outage"]
    assert len(seen) == 2
    assert min(seen) > 0.09
