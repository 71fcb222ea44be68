"""Images built from the recipes of services, in both environments with containers, by a real engine."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from panther_lib_containers.engine import Engine
from panther_lib_containers.images import last_lines

from panther_core.testing import MakeProject, Outcome
from panther_hookspecs import (
    ImageRecipe,
    ServiceContext,
    ServiceDescriptor,
    ServiceManager,
    ServicePlan,
    ShellCommand,
    hookimpl,
)

PATIENCE = 240
PINGS = """
name: built
protocol: minip
network_environment: {type: ENVIRONMENT, docker: {base_image: "BASE", build: {pull: never}}}
execution_environments: [{type: strace, services: [server]}]
test_cases:
  - name: two languages
    scenario: ping
    services:
      server: {implementation: ping-pong-c}
      client: {implementation: ping-pong-py}
    checks: [{that: "server.strace.net.datagrams_received >= 5"}]
"""
QUIC = """
name: quic
protocol: quic
network_environment: {type: localhost_single_container, docker: {base_image: "BASE", build: {pull: never}}}
test_cases:
  - {name: transfer, scenario: transfer, parameters: {files: [64KiB]}, implementation: ngtcp2}
"""
TWICE = """
name: twice
network_environment: {type: ENVIRONMENT, image: panther-test-passing}
test_cases:
  - {name: once more, services: {one: {implementation: command, argv: ["true"]}}, repeat: 2}
"""
BROKEN = """
name: broken
network_environment:
  type: docker_compose
  docker: {base_image: "BASE", build: {ca_bundle: FOLDER/ours.pem, pull: never}}
test_cases:
  - {name: bad, services: {one: {implementation: broken}}}
  - {name: bad too, services: {one: {implementation: broken}}}
  - name: good
    services: {one: {implementation: command, argv: [sh, -c, "cat $SSL_CERT_FILE"]}}
    checks: [{log: {service: one, matches: ours}}]
"""


@pytest.fixture(scope="module")
def base() -> str:
    """Return the image that CI makes beside the first tests."""
    name = os.environ.get("PANTHER_TEST_BASE", "panther-test-base")
    if (
        shutil.which("docker") is None
        or subprocess.run(["docker", "info"], capture_output=True, check=False).returncode
    ):
        pytest.skip("needs docker: an engine that answers (bash .ci/dockerd start FOLDER)")
    end = time.monotonic() + (PATIENCE if "PANTHER_TEST_BASE" in os.environ else 0)
    while Engine().image(name) is None:
        if time.monotonic() > end:
            pytest.skip(f"needs docker: the image {name} (bash .ci/base-image {name})")
        time.sleep(0.2)
    return name


@pytest.fixture
def forget() -> Iterator[list[str]]:
    """Remove images afterwards."""
    tags: list[str] = []
    yield tags
    for tag in reversed(tags):
        Engine().remove_image(tag)


def _images(outcome: Outcome) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(outcome.text("network/images.json"))
    return found


@pytest.mark.parametrize("environment", ["docker_compose", "localhost_single_container"])
def test_services_and_tools_are_built_once_and_removed_when_that_is_asked_for(
    panther_project: MakeProject, base: str, environment: str
) -> None:
    if not shutil.which("strace"):
        pytest.skip("needs strace")
    text = PINGS.replace("ENVIRONMENT", environment).replace("BASE", base)
    project = panther_project({"built.yaml": text})
    assert project.run("clean --caches").exit_code == 0
    first = project.run("run built.yaml")
    first.assert_ok()
    made = _images(first)
    assert [each["title"] for each in made].count("tools") == 1
    assert {"ping-pong-c", "ping-pong-py"} < {each["title"] for each in made}
    assert all(each["log"] for each in made), "a build that is not logged"
    assert "Successfully built" in first.text("network/build/ping-pong-c.stdout") or first.text(
        "network/build/ping-pong-c.stderr"
    )
    labels = [(Engine().image(each["tag"]) or {})["Config"]["Labels"] for each in made]
    assert {each["panther.environment"] for each in labels} == {environment}
    assert all(each["panther.run"] for each in labels)
    second = project.run("run built.yaml")
    second.assert_ok()
    assert [(each["tag"], each["log"]) for each in _images(second)] == [(each["tag"], "") for each in made]
    project.run("clean").assert_ok()
    assert Engine().image(made[0]["tag"]) is not None
    project.run("clean --caches").assert_ok()
    assert [each["tag"] for each in made if Engine().image(each["tag"])] == []
    assert Engine().image(base) is not None


def test_programs_of_quic_run_in_the_image_of_their_recipe(
    panther_project: MakeProject, base: str, forget: list[str]
) -> None:
    if shutil.which("gtlsserver") is None:
        pytest.skip("needs ngtcp2-server and ngtcp2-client")
    outcome = panther_project({"quic.yaml": QUIC.replace("BASE", base)}).run("run quic.yaml")
    forget += [each["tag"] for each in _images(outcome)]
    outcome.assert_verdicts({"transfer": "pass"})
    assert [each["title"] for each in _images(outcome)] == ["ngtcp2"]


@pytest.mark.parametrize("environment", ["docker_compose", "localhost_single_container"])
def test_an_image_that_somebody_removes_while_the_run_goes_on_is_an_error(
    panther_project: MakeProject, base: str, environment: str
) -> None:
    subprocess.run(["docker", "tag", base, "panther-test-passing"], check=True)

    class Remover:
        @hookimpl
        def panther_after_test_case(self) -> None:
            Engine().remove_image("panther-test-passing")

    text = TWICE.replace("ENVIRONMENT", environment)
    outcome = panther_project({"twice.yaml": text}, plugins=[Remover()]).run("run twice.yaml --jobs 1")
    first, second = outcome.cases()
    assert "not there any more" not in first["why"]
    assert second["verdict"] == "error"
    assert "the image panther-test-passing is not there any more" in second["why"]
    assert "docker pull" in second["why"]
    assert len(second["why"].splitlines()) <= 4  # as every message


class Broken(ServiceManager):
    """Plans a service whose image cannot be built."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def plan(self, context: ServiceContext) -> ServicePlan:
        recipe = ImageRecipe(name="broken", dockerfile=self.folder / "Dockerfile", run=ShellCommand("true"))
        return ServicePlan(run=ShellCommand("true"), image=recipe)


def test_a_build_that_fails_shows_what_its_program_said_and_others_go_on(
    panther_project: MakeProject, base: str, tmp_path: Path, forget: list[str]
) -> None:
    (tmp_path / "Dockerfile").write_text(
        'ARG BASE\nFROM ${BASE}\nRUN echo compiling; echo "main.c:1: no such header" >&2; exit 3\n'
    )
    (tmp_path / "ours.pem").write_text("ours\n")

    class Plugin:
        @hookimpl
        def panther_register_services(self) -> Iterator[ServiceDescriptor]:
            yield ServiceDescriptor(name="broken", summary="Cannot be built", factory=lambda _options: Broken(tmp_path))

    text = BROKEN.replace("BASE", base).replace("FOLDER", str(tmp_path))
    outcome = panther_project({"broken.yaml": text}, plugins=[Plugin()]).run("run broken.yaml")
    outcome.assert_verdicts({"bad": "error", "bad too": "error", "good": "pass"})
    why, again = (each["why"] for each in outcome.cases() if each["name"] != "good")
    assert why == again, "it was built once, and both cases name the log of that"
    assert "main.c:1: no such header" in why
    assert len(why.splitlines()) <= 4
    log = Path(why.splitlines()[-1].partition("log: ")[2])
    assert "compiling" in "".join(each.read_text() for each in log.glob("broken.std*"))
    forget += [each["tag"] for each in json.loads(outcome.text("network/images.json", "good"))]


def test_what_the_builder_says_about_itself_is_no_reason() -> None:
    said = (
        "gcc: no input files\nThe command '/bin/sh -c gcc' returned a non-zero code: 1\n\nERROR: failed to build: x\n"
    )
    assert last_lines(said) == ["gcc: no input files"]
    assert last_lines("unable to find user root\nStep 1/2 : USER root\n ---> Running in 1\n") == [
        "unable to find user root"
    ]
    said = "#5 [2/2] RUN make\n#5 0.2 compiling\n#5 0.345 main.c:1: no\n#5 ERROR: process make\nDockerfile:3\n"
    assert last_lines(said) == ["compiling", "main.c:1: no"]
