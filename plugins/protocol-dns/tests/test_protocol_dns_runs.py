"""Servers that lie on purpose, asked by a real client: none of them passes, and the lie is named."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from panther_core.testing import MakeProject

SERVER = Path(__file__).with_name("lying_server.py")
LIES = {
    "nothing": ("pass", "8 right answers over udp"),
    "wrong_address": ("fail", "answered 'www.panther.test. 300 IN A 192.0.2.1', right is 'www.panther.test. 300"),
    "forget": ("fail", "www.panther.test. A: 1 of 2 records are missing: 'www.panther.test. 300 IN A 10."),
    "deny": ("fail", "www.panther.test. A: the reply says NXDOMAIN, right is NOERROR"),
    "no_authority": ("fail", "www.panther.test. A: the reply is not authoritative"),
}  # fmt: skip


def test_a_server_that_lies_is_never_passed(panther_project: MakeProject) -> None:
    text = "name: lies\nprotocol: dns\nimplementation: dnspython\nnetwork_environment: localhost\ntest_cases:\n"
    for how in LIES:
        argv = json.dumps([sys.executable, str(SERVER), "{self.ip}", "{self.port}", "{seed}", how])
        ready = "ready: {kind: log, pattern: serving}"
        text += f"  - name: {how}\n    services:\n      server: {{implementation: command, argv: {argv}, {ready}}}\n"
    outcome = panther_project({"lies.yaml": text}).run("run lies.yaml")
    outcome.assert_verdicts({how: verdict for how, (verdict, _) in LIES.items()})
    said = {each["name"]: " ".join(check["evidence"] for check in each["checks"]) for each in outcome.cases()}
    assert {how: reason in said[how] for how, (_, reason) in LIES.items()} == dict.fromkeys(LIES, True), said


def test_programs_that_do_nothing_are_never_passed(panther_project: MakeProject) -> None:
    text = (
        "name: idle\nprotocol: dns\nnetwork_environment: localhost\ntest_cases:\n  - name: idle\n    services:\n"
        '      server: {implementation: command, argv: [sleep, "100"]}\n'
        '      client: {implementation: command, role: client, argv: ["true"]}\n'
    )
    panther_project({"idle.yaml": text}).run("run idle.yaml").assert_verdicts({"idle": "fail"})
