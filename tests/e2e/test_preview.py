"""A dry run shows what a run would do, and starts nothing of it."""

from __future__ import annotations

import json

from panther_core.testing import MakeProject
from panther_core.testing.dummy import DummyPlugin

EXPERIMENT = """
name: preview
protocol: dummy
network_environment: dummy
execution_environments: [{type: dummy, services: [server]}]
test_cases:
  - name: talk
    services:
      server: {implementation: dummy, argv: [sleep, "{self.port}"]}
      client: {implementation: dummy}
"""


def test_a_dry_run_prints_every_command_with_its_wrappers_and_addresses_and_starts_none(
    panther_project: MakeProject,
) -> None:
    dummy = DummyPlugin()
    outcome = panther_project({"e.yaml": EXPERIMENT}, plugins=[dummy]).run("run e.yaml --dry-run")
    outcome.assert_exit(0, "env PANTHER_DUMMY=1 sleep 7", "echo talked", "nothing was started")
    assert outcome.runs == ()
    assert "setup_environment" not in dummy.calls.methods()
    assert "start_service" not in dummy.calls.methods()
    assert "teardown_environment" in dummy.calls.methods()


def test_a_plan_says_what_would_keep_a_case_from_running(panther_project: MakeProject) -> None:
    text = EXPERIMENT.replace("services: [server]}", "services: [server], refuse: the program is static}")
    outcome = panther_project({"e.yaml": text}, plugins=[DummyPlugin()]).run("plan e.yaml --commands")
    outcome.assert_exit(0, "would fail", "the program is static")


def test_a_plan_as_json_has_the_commands_of_each_service(panther_project: MakeProject) -> None:
    outcome = panther_project({"e.yaml": EXPERIMENT}, plugins=[DummyPlugin()]).run("plan e.yaml --commands --json")
    (case,) = json.loads(outcome.stdout)
    assert {each["service"]: each["command"] for each in case["commands"]}["client"] == "echo talked"
