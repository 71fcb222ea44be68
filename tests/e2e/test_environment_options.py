"""The options that every network environment has: each one is honoured in each of them, or refused with a reason."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from panther_core.testing import Outcome, PantherProject

CASES = """
name: options
test_cases:
  - name: environment_name
    network_environment: {type: ENVIRONMENT, environment_name: mine}
    services: {one: {implementation: command, argv: ["true"]}}
  - name: cleanup_on_exit
    network_environment: {type: ENVIRONMENT, cleanup_on_exit: false}
    services: {one: {implementation: command, argv: ["true"]}}
  - name: timeout
    network_environment: {type: ENVIRONMENT, timeout: 1ms}
    capture: true
    services: {one: {implementation: ping-pong-py, role: server}, two: {implementation: ping-pong-py, role: client}}
    protocol: minip
    scenario: ping
  - name: logging_level
    network_environment: {type: ENVIRONMENT, logging_level: debug}
    services: {one: {implementation: command, argv: ["true"]}}
  - name: logging_level error
    network_environment: {type: ENVIRONMENT, logging_level: error}
    services: {one: {implementation: command, argv: ["true"]}}
  - name: network_topology
    network_environment: {type: ENVIRONMENT, network_topology: {connections: [one-r, r-two], routers: [r]}}
    services: {one: {implementation: command, argv: ["true"]}, two: {implementation: command, argv: ["true"]}}
  - name: star
    network_environment: {type: ENVIRONMENT, network_topology: {shape: star}}
    services: {one: {implementation: command, argv: ["true"]}}
  - name: deployment_target
    network_environment: {type: ENVIRONMENT, deployment_target: cloud}
    services: {one: {implementation: command, argv: ["true"]}}
  - name: resource_limits
    network_environment: {type: ENVIRONMENT, resource_limits: {"*": {files: 77}}}
    services: {one: {implementation: command, argv: [sh, -c, "ulimit -n"]}}
  - name: service_dependencies
    network_environment: {type: ENVIRONMENT, service_dependencies: {one: [two]}}
    services: {one: {implementation: command, argv: ["true"]}, two: {implementation: command, argv: ["true"]}}
"""
_CASE = "  - name: "
ENVIRONMENTS = ("localhost", "netns", "docker_compose", "localhost_single_container")
CONTAINERS = ("docker_compose", "localhost_single_container")
HONOURED = {
    "network_topology": ("netns",),
    "cleanup_on_exit": CONTAINERS,
}
"""Options that only some can honour."""
REFUSED = {
    "cleanup_on_exit": "cannot keep what it has made",
    "network_topology": "has no topology",
    "deployment_target": "cannot deploy to 'cloud'",
}


def _name(_project: PantherProject, outcome: Outcome, case: Mapping[str, Any]) -> None:
    assert case["verdict"] == "pass", case["why"]
    named = {each["content"].get("environment_name") for each in outcome.events() if each["entity_id"] == case["case"]}
    assert "mine" in named


def _kept(_project: PantherProject, _outcome: Outcome, case: Mapping[str, Any]) -> None:
    from panther_lib_containers.engine import Engine, names_of  # noqa: PLC0415 - only for containers

    (note,) = [each for each in case["notes"] if "kept for a look" in each]
    label, engine = note.rpartition("label=")[2], Engine()
    kept = names_of(engine.containers(label))
    assert kept
    engine.run("rm", "--force", *kept)
    for each in names_of(engine.networks(label)):
        engine.run("network", "rm", each)


def _late(_project: PantherProject, _outcome: Outcome, case: Mapping[str, Any]) -> None:
    assert case["verdict"] == "error", case
    assert "a longer timeout" in case["why"], case["why"]


def _talkative(_project: PantherProject, outcome: Outcome, case: Mapping[str, Any]) -> None:
    quiet = next(each for each in outcome.cases() if each["name"] == "logging_level error")
    assert len(case["notes"]) > len(quiet["notes"]) == 0


def _routed(_project: PantherProject, outcome: Outcome, case: Mapping[str, Any]) -> None:
    assert case["verdict"] == "pass", case["why"]
    assert '"r"' in outcome.text("network/plan.json", case["name"])


def _elsewhere(_project: PantherProject, _outcome: Outcome, case: Mapping[str, Any]) -> None:
    raise AssertionError(f"nobody can deploy anything elsewhere: {case}")


def _limited(_project: PantherProject, outcome: Outcome, case: Mapping[str, Any]) -> None:
    assert case["verdict"] == "pass", case["why"]
    assert outcome.text("services/one/stdout", case["name"]) == "77\n"


def _ordered(_project: PantherProject, outcome: Outcome, case: Mapping[str, Any]) -> None:
    assert case["verdict"] == "pass", case["why"]
    told = [
        each["content"]["service_name"]
        for each in outcome.events()
        if each["name"] == "service.ready" and each["entity_id"] == case["case"]
    ]
    assert told == ["two", "one"], "as written, one would be the first"


def _passed(_project: PantherProject, _outcome: Outcome, case: Mapping[str, Any]) -> None:
    assert case["verdict"] == "pass", case["why"]


OPTIONS: Mapping[str, Callable[[PantherProject, Outcome, Mapping[str, Any]], None]] = {
    "environment_name": _name,
    "cleanup_on_exit": _kept,
    "timeout": _late,
    "logging_level": _talkative,
    "network_topology": _routed,
    "star": _passed,
    "deployment_target": _elsewhere,
    "resource_limits": _limited,
    "service_dependencies": _ordered,
}


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], tuple[PantherProject, Outcome]]:
    """Give the one run of an environment, with all cases that it does not refuse."""
    known: dict[str, tuple[PantherProject, Outcome]] = {}

    def run(environment: str) -> tuple[PantherProject, Outcome]:
        if environment not in known:
            files = {
                "options.yaml": _cases(environment, refused=False),
                "refused.yaml": _cases(environment, refused=True),
            }
            project = PantherProject.create(tmp_path_factory.mktemp("options") / environment, files)
            known[environment] = project, project.run("run options.yaml", timeout=280)
        return known[environment]

    return run


def _is_refused(option: str, environment: str) -> bool:
    return option in REFUSED and environment not in HONOURED.get(option, ())


def _cases(environment: str, *, refused: bool) -> str:
    """Return an experiment with the cases that an environment refuses, or with the others."""
    head, *cases = CASES.replace("ENVIRONMENT", environment).split(_CASE)
    return _CASE.join([head, *(each for each in cases if _is_refused(each.split("\n")[0], environment) is refused)])


def _require(environment: str) -> None:
    tools = ("ip", "unshare") if environment == "netns" else ("docker",) if environment in CONTAINERS else ()
    if any(shutil.which(each) is None for each in tools):
        pytest.skip(f"needs {', '.join(tools)}")
    if environment != "netns" and os.geteuid() != 0:
        pytest.skip("needs root")
    if environment in CONTAINERS and subprocess.run(["docker", "info"], capture_output=True, check=False).returncode:
        pytest.skip("needs docker: an engine that answers (bash .ci/dockerd start FOLDER)")


@pytest.mark.timeout(300)
@pytest.mark.parametrize("environment", ENVIRONMENTS)
@pytest.mark.parametrize("option", OPTIONS)
def test_an_option_is_honoured_or_refused_with_a_reason(
    ran: Callable[[str], tuple[PantherProject, Outcome]], environment: str, option: str
) -> None:
    _require(environment)
    project, outcome = ran(environment)
    if _is_refused(option, environment):
        refusal = project.run("run refused.yaml")
        refusal.assert_exit(2, f"network_environment.{option}: ", REFUSED[option])
        return
    case = next(each for each in outcome.cases() if each["name"] == option)
    OPTIONS[option](project, outcome, case)
