"""Bad luck with a real engine: each case gets a clear error, the others go on, and nothing is left."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from panther_lib_containers.engine import Engine
from panther_lib_containers.where import has_command_plugin

from panther_core.testing.conformance._network_bench import eventually, marker, running
from panther_core.testing.project import MakeProject

SOON = 60.0
MISSING = """
name: missing
test_cases:
  - name: nobody has it
    network_environment: {type: ENVIRONMENT, image: "registry.invalid/nobody/has:it"}
    services: {one: {implementation: command, argv: ["true"]}}
  - name: not in the image
    network_environment: ENVIRONMENT
    services: {one: {implementation: command, argv: [/no/such/program]}}
  - name: others go on
    network_environment: ENVIRONMENT
    services: {one: {implementation: command, argv: ["true"]}}
"""
FULL = """
name: full
test_cases:
  - name: full
    network_environment: {type: docker_compose, pool: 10.251.9.0/24}
    services: {one: {implementation: command, argv: ["true"]}}
  - name: later
    network_environment: localhost
    services: {one: {implementation: command, argv: ["true"]}}
"""
DYING = """
name: dying
test_cases:
  - name: long
    network_environment: docker_compose
    services: {one: {implementation: command, argv: [sh, -c, "echo up; exec sleep MARK"]}}
  - name: elsewhere
    network_environment: localhost
    services: {one: {implementation: command, argv: ["true"]}}
"""
TWICE = """
name: twice
network_environment: docker_compose
test_cases:
  - name: talk
    repeat: 2
    services:
      server: {implementation: command, argv: [sh, -c, "echo up; sleep 3600"], ready: {kind: log, pattern: up}}
      client: {implementation: command, argv: ["true"], depends_on: [server]}
"""


@pytest.fixture(autouse=True)
def _engine() -> None:
    tool = shutil.which("docker")
    if tool is None or subprocess.run([tool, "info"], capture_output=True, check=False).returncode:
        pytest.skip("needs docker: an engine that answers, and Compose 2 (bash .ci/dockerd start FOLDER)")


@pytest.fixture
def second_engine() -> Iterator[tuple[subprocess.Popen[bytes], Engine]]:
    """Give an engine that may be killed."""
    if shutil.which("dockerd") is None or os.geteuid() != 0:
        pytest.skip("needs docker: an engine that the test may kill, and root")
    tmp_path = Path(tempfile.mkdtemp(prefix="engine-"))  # paths of sockets have to be short
    host = f"unix://{tmp_path}/socket"
    (tmp_path / "settings.json").write_text("{}")
    folders = [f"--{each}={tmp_path / each}" for each in ("data-root", "exec-root", "pidfile")]
    words = ["dockerd", *folders, "--host", host, "--group=root", f"--config-file={tmp_path / 'settings.json'}"]
    with (tmp_path / "log").open("wb") as log:
        daemon = subprocess.Popen(
            ["unshare", "--net", "sh", "-c", 'ip link set lo up; exec "$@"', "sh", *words], stdout=log, stderr=log
        )
    engine = Engine(host)
    try:
        eventually(lambda: _answers(engine), "the answer of a second engine", SOON)
        yield daemon, engine
    finally:
        daemon.kill()
        daemon.wait()
        for path in Path("/proc").glob("[0-9]*/cmdline"):  # what the engine has started lives on without it
            with contextlib.suppress(OSError):
                if str(tmp_path).encode() in path.read_bytes():
                    os.kill(int(path.parent.name), signal.SIGKILL)
        for line in reversed(Path("/proc/mounts").read_text().splitlines()):
            if str(tmp_path) in line:
                subprocess.run(["umount", "--lazy", line.split()[1]], check=False, capture_output=True)
        shutil.rmtree(tmp_path)


def _answers(engine: Engine) -> bool:
    try:
        return bool(engine.version())
    except Exception:  # noqa: BLE001 - it is not there yet, whatever it says
        return False


def _printed(folder: Path) -> str:
    return "".join(each.read_text() for each in folder.rglob("services/one/stdout"))


@pytest.mark.parametrize("environment", ["docker_compose", "localhost_single_container"])
def test_an_image_or_a_program_that_is_missing_is_an_error_and_others_go_on(
    panther_project: MakeProject, environment: str
) -> None:
    outcome = panther_project({"missing.yaml": MISSING.replace("ENVIRONMENT", environment)}).run("run missing.yaml")
    outcome.assert_verdicts({"nobody has it": "error", "not in the image": "error", "others go on": "pass"})
    why = {each["name"]: each["why"] for each in outcome.cases()}
    assert "an image is missing" in why["nobody has it"]
    assert "docker pull registry.invalid/nobody/has:it" in why["nobody has it"]
    assert "/no/such/program" in why["not in the image"]
    assert all(len(each.splitlines()) <= 4 for each in why.values())


def test_an_engine_that_dies_in_the_middle_ends_its_case_alone(
    panther_project: MakeProject, second_engine: tuple[subprocess.Popen[bytes], Engine]
) -> None:
    daemon, engine = second_engine
    mark = marker()
    project = panther_project({"dying.yaml": DYING.replace("MARK", mark)})
    run = subprocess.Popen(
        [sys.executable, "-m", "panther_core", "run", "dying.yaml", "--output", "out"],
        cwd=project.folder,
        env={**os.environ, "DOCKER_HOST": engine.host},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    eventually(lambda: "up" in _printed(project.folder), "the start of the service", SOON)
    daemon.kill()
    said = run.communicate(timeout=SOON)[0].decode()
    assert "error" in said.split("long")[0], said
    assert "the Docker engine" in said, said
    assert "1 pass" in said, said
    eventually(lambda: not running(mark), "the end of the service")


def test_compose_that_is_missing_is_named(
    panther_project: MakeProject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    if has_command_plugin("compose"):
        pytest.skip("needs docker: an engine whose Compose is not installed for all users")
    outcome = panther_project({"twice.yaml": TWICE}).run("run twice.yaml")
    assert {each["verdict"] for each in outcome.cases()} == {"error"}
    assert all("Docker has no Compose plugin" in each["why"] for each in outcome.cases())


def test_addresses_that_are_used_up_end_their_case_alone(panther_project: MakeProject) -> None:
    engine = Engine()
    made = engine.run("network", "create", "--subnet", "10.251.9.0/24", f"taken-{marker()}").strip()
    try:
        panther_project({"full.yaml": FULL}).run("run full.yaml").assert_verdicts({"full": "error", "later": "pass"})
    finally:
        engine.run("network", "rm", made)
