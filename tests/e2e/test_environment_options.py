"""The options that every network environment has: each one is honoured in each of them, or refused with a reason."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from panther_core.testing import MakeProject, Outcome, PantherProject

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
    network_environment: {type: ENVIRONMENT, network_topology: {connections: [one-middle, middle-two], routers: [middle]}}
    services: {one: {implementation: command, argv: ["true"]}, two: {implementation: command, argv: ["true"]}}
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
ENVIRONMENTS = ("localhost", "netns", "docker_compose", "localhost_single_container")
CONTAINERS = ("docker_compose", "localhost_single_container")
Ran = tuple[PantherProject, Outcome]


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Ran]:
    """Give the one run of an environment, with all cases."""
    known: dict[str, Ran] = {}

    def run(environment: str) -> Ran:
        _require(environment)
        if environment not in known:
            project = PantherProject.at(tmp_path_factory.mktemp(environment))
            (project.folder / "options.yaml").write_text(CASES.replace("ENVIRONMENT", environment))
            known[environment] = project, project.run("run options.yaml")
        return known[environment]

    return run
