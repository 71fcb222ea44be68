"""Cases run in containers that need nothing but Python, and no container stays."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import Any, ClassVar

import attrs
import pytest
from panther_lib_containers.engine import Engine
from panther_provisioner_container.containers import ContainerOptions, Containers

from panther_core.testing import MakeProject
from panther_core.testing.conformance import ProvisionerConformance
from panther_hookspecs import BaseEvent, ExperimentPhase, RunInfo, TestEvent, hookimpl

BASE = os.environ.get("PANTHER_TEST_BASE", "panther-test-base")

EXPERIMENT = f"""
name: boxes
network_environment: localhost
provisioners: [{{type: container, max_workers: 2, image: {BASE}, network: none}}]
test_cases:
  - name: inside
    labels: [container, root]
    repeat: 4
    services: {{one: {{implementation: command, argv: [hostname]}}}}
"""

DOOMED = f"""
name: doomed
network_environment: localhost
provisioners: [{{type: container, max_workers: 1, image: {BASE}, network: none, lease: 1000}}]
test_cases: [{{name: inside, services: {{one: {{implementation: command, argv: ["true"]}}}}}}]
"""


@attrs.define(eq=False)
class Killer:
    """Removes the container in which the first case has started."""

    run: str = ""
    done: bool = False

    @hookimpl
    def panther_before_phase(self, run: RunInfo, phase: ExperimentPhase) -> None:
        self.run = run.run_id

    @hookimpl
    def panther_on_event(self, event: BaseEvent) -> None:
        if isinstance(event, TestEvent) and event.action == "started" and not self.done:
            self.done = True
            (found,) = Engine().containers(f"panther.run={self.run}")
            Engine().remove_container(found["Id"])


@pytest.fixture(autouse=True)
def _engine() -> None:
    if (
        shutil.which("docker") is None
        or subprocess.run(["docker", "info"], capture_output=True, check=False).returncode
    ):
        pytest.skip("needs docker: an engine that answers (bash .ci/dockerd start FOLDER)")
    if Engine().image(BASE) is None:
        pytest.skip(f"needs docker: the image {BASE} (bash .ci/base-image {BASE})")


class TestContainer(ProvisionerConformance):
    plugin = "panther_provisioner_container.plugin"
    options: ClassVar[dict[str, Any]] = {"image": BASE, "network": "none"}
    systems = 2


def test_cases_run_inside_and_no_container_stays(panther_project: MakeProject) -> None:
    outcome = panther_project({"e.yaml": EXPERIMENT}).run("run e.yaml", subprocess=True)
    outcome.assert_verdicts({"inside": ["pass"] * 4})
    assert all(record["system"].startswith("container-") for record in outcome.attempts())
    run = (outcome.run / ".panther").read_text()
    assert Engine().containers(f"panther.run={run}") == []


def test_a_container_that_is_gone_is_given_up_long_before_its_lease_is_over(panther_project: MakeProject) -> None:
    outcome = panther_project({"e.yaml": DOOMED}, plugins=[Killer()]).run("run e.yaml")
    outcome.assert_exit(0, "container-1 is gone")
    (record,) = outcome.attempts()
    assert (record["verdict"], record["system"], len(record["losses"])) == ("pass", "container-2", 1)


def test_a_container_of_a_killed_run_is_told_as_what_it_is(panther_project: MakeProject) -> None:
    containers = Containers(ContainerOptions(image=BASE, network="none"))
    containers.open("a-dead-run")
    system = containers.reserve()
    try:
        panther_project({"x": ""}).run("clean --dry-run").assert_exit(0, "of the provisioner `container`")
    finally:
        containers.release(system)
