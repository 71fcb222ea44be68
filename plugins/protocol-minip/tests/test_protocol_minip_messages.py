"""A case tells every message that was sent, in order, with the moment of its arrival if it had one."""

from __future__ import annotations

import json
from typing import Any

from panther_core.testing import MakeProject, Outcome

PING = """
name: told
protocol: minip
network_environment: localhost
test_cases:
  - name: ping
    scenario: ping
    parameters: {count: 2}
    services:
      server: {implementation: ping-pong-py}
      client: {implementation: ping-pong-py}
"""


def _messages(outcome: Outcome) -> list[dict[str, Any]]:
    return [json.loads(line) for line in outcome.text("messages.jsonl").splitlines()]


def test_a_case_tells_every_message_with_both_its_moments(panther_project: MakeProject) -> None:
    outcome = panther_project({"told.yaml": PING}).run("run told.yaml")
    outcome.assert_verdicts({"ping": "pass"})
    told = _messages(outcome)
    assert [(each["source"], each["label"]) for each in told] == [
        ("client", "HELLO"),
        ("server", "WELCOME"),
        ("client", "PING 1"),
        ("server", "PONG 1"),
        ("client", "PING 2"),
        ("server", "PONG 2"),
        ("client", "BYE"),
        ("server", "BYE"),
    ]
    assert all(each["arrived"] >= each["time"] for each in told)
    assert [each["kind"] for each in outcome.cases()[0]["artifacts"]].count("messages") == 1


def test_a_message_that_never_arrived_has_no_arrival(panther_project: MakeProject) -> None:
    silent = PING.replace(
        "server: {implementation: ping-pong-py}",
        "server: {implementation: command, argv: [sleep, '60'], ready: {kind: none}}",
    )
    outcome = panther_project({"told.yaml": silent}).run("run told.yaml")
    outcome.assert_verdicts({"ping": "fail"})
    told = _messages(outcome)
    assert told
    assert {(each["source"], each["label"], each["arrived"]) for each in told} == {("client", "HELLO", None)}
