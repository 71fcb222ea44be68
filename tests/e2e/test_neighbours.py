"""Two PANTHERs with the same experiment side by side, next to strangers whose names provoke: nobody touches another."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from panther_core.testing import MakeProject

TWICE = """
name: twice
protocol: minip
network_environment: ENVIRONMENT
test_cases:
  - name: talk
    repeat: 2
    scenario: ping
    implementation: ping-pong-py
    links: {client-server: {delay: 2ms}}
    capture: true
"""
SOON = 280


@contextlib.contextmanager
def _stranger_in_namespaces(name: str) -> Iterator[None]:
    """Have a named namespace, a process in it that calls itself part of a run, and a control group of such a name."""
    subprocess.run(["ip", "netns", "add", name], check=True)
    subprocess.run(["ip", "-n", name, "link", "add", "client", "type", "veth", "peer", "name", "server"], check=True)
    variables = {**os.environ, "PANTHER_RUN": "twice", "PANTHER_SERVICE": "server"}
    with subprocess.Popen(["ip", "netns", "exec", name, "sleep", str(SOON)], env=variables) as process:
        try:
            yield
            assert process.poll() is None, "the stranger's process was ended"
            links = subprocess.run(["ip", "-n", name, "link"], check=True, capture_output=True, text=True).stdout
            assert "client@server" in links, links
        finally:
            process.kill()
            subprocess.run(["ip", "netns", "del", name], check=True)


@contextlib.contextmanager
def _stranger_in_containers(name: str) -> Iterator[None]:
    """Have a container and a network that look like those of a run."""
    from panther_lib_containers.engine import Engine  # noqa: PLC0415 - only for containers
    from panther_lib_containers.hostroot import host_image  # noqa: PLC0415 - the same

    engine = Engine()
    labels = ("--label", "panther.run=twice", "--label", f"com.docker.compose.project={name}")
    image = host_image(engine, Path.cwd())
    container = engine.run("create", "--name", f"{name}-server-1", *labels, image, "true").strip()
    network = engine.run("network", "create", *labels, f"{name}_between").strip()
    try:
        yield
        assert engine.inspect(container)["State"]["Status"] == "created"
        assert any(each["Id"] == network for each in engine.networks())
    finally:
        engine.run("rm", container)
        engine.run("network", "rm", network)


STRANGERS = {
    "netns": _stranger_in_namespaces,
    "docker_compose": _stranger_in_containers,
    "localhost_single_container": _stranger_in_containers,
}


@pytest.mark.timeout(400)
@pytest.mark.parametrize("environment", sorted(STRANGERS))
def test_two_panthers_and_strangers_with_provoking_names_do_not_touch_each_other(
    panther_project: MakeProject, environment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root")
    tool = shutil.which("ip" if environment == "netns" else "docker")
    if tool is None:
        pytest.skip("needs ip and docker")
    if environment != "netns" and subprocess.run([tool, "info"], capture_output=True, check=False).returncode:
        pytest.skip("needs docker: an engine that answers (bash .ci/dockerd start FOLDER)")
    project = panther_project({"twice.yaml": TWICE.replace("ENVIRONMENT", environment)})
    monkeypatch.chdir(project.folder)
    command = [sys.executable, "-m", "panther_core", "run", "twice.yaml"]
    with STRANGERS[environment](f"panther-{uuid.uuid4().hex[:12]}"):
        runs = [subprocess.Popen(command, cwd=project.folder, stdout=subprocess.PIPE) for _ in range(2)]
        said = [each.communicate(timeout=SOON)[0].decode() for each in runs]
        assert [each.returncode for each in runs] == [0, 0], said
        assert all("2 pass" in each for each in said), said
        project.run("clean").assert_ok()
