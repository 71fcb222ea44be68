"""Tools of instruments in an image that has none: apt fetches them while it is built, through the host's network."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from panther_lib_containers.engine import Engine

from panther_core.testing import MakeProject
from panther_core.testing.conformance._network_bench import eventually
from panther_hookspecs import DockerComposeException

SOON = 60.0
BARE = "ARG BASE\nFROM ${BASE}\nRUN dpkg --purge strace\n"
TRACED = """
name: traced
protocol: minip
network_environment:
  type: localhost_single_container
  docker: {base_image: without-strace, build: {network: host, pull: never}}
execution_environments: [{type: strace, services: [server]}]
test_cases:
  - name: traced
    scenario: ping
    implementation: ping-pong-py
    checks: [{that: "server.strace.net.datagrams_received >= 5"}]
"""


@pytest.fixture
def base() -> str:
    """Return the image that is brought to an engine with a network; it is made beside the first tests in CI."""
    name = os.environ.get("PANTHER_TEST_BASE", "panther-test-base")
    if "PANTHER_TEST_APT" not in os.environ:
        pytest.skip("only where PANTHER_TEST_APT=1 asks for it: it copies an image of 200 MB and fetches a package")
    tools = [each for each in ("docker", "dockerd", "apt-get", "strace") if shutil.which(each) is None]
    if tools or os.geteuid() != 0:
        pytest.skip(f"needs {', '.join(tools) or 'root'}")
    try:
        eventually(
            lambda: Engine().image(name) is not None,
            f"image {name}",
            4 * SOON if "PANTHER_TEST_BASE" in os.environ else 0,
        )
    except (AssertionError, DockerComposeException):
        pytest.skip(f"needs docker: the image {name} (bash .ci/base-image {name})")
    return name


@pytest.fixture
def networked() -> Iterator[Engine]:
    """Give an engine in the network of this machine, of which it changes nothing: no bridge, no rules."""
    folder = Path(tempfile.mkdtemp(prefix="engine-"))  # paths of sockets have to be short
    (folder / "settings.json").write_text("{}")
    own = [f"--{each}={folder / each}" for each in ("data-root", "exec-root", "pidfile")]
    quiet = ("--bridge=none", "--iptables=false", "--ip6tables=false", "--ip-forward=false", "--ip-masq=false")
    host = f"unix://{folder}/socket"
    words = ["dockerd", *own, *quiet, "--host", host, "--group=root", f"--config-file={folder / 'settings.json'}"]
    with (folder / "log").open("wb") as log:
        daemon = subprocess.Popen(words, stdout=log, stderr=log)
    engine = Engine(host)

    def answers() -> bool:
        with contextlib.suppress(DockerComposeException, OSError):
            return bool(engine.version())
        return False

    try:
        eventually(answers, "the answer of a second engine", SOON)
        yield engine
    finally:
        daemon.terminate()
        daemon.wait()
        for line in reversed(Path("/proc/mounts").read_text().splitlines()):
            if str(folder) in line:
                subprocess.run(["umount", "--lazy", line.split()[1]], check=True)
        shutil.rmtree(folder)


@pytest.mark.timeout(400)
def test_an_instrument_is_installed_into_an_image_that_does_not_have_it(
    panther_project: MakeProject, base: str, networked: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    saved = tmp_path / "base.tar"
    Engine().run("save", "--output", str(saved), base)
    networked.run("load", "--input", str(saved))
    saved.unlink()
    (tmp_path / "Dockerfile").write_text(BARE)
    arguments = ("--network", "none", "--build-arg", f"BASE={base}", "--tag", "without-strace", str(tmp_path))
    networked.run("build", *arguments)
    monkeypatch.setenv("DOCKER_HOST", networked.host)
    outcome = panther_project({"traced.yaml": TRACED}).run("run traced.yaml")
    outcome.assert_verdicts({"traced": "pass"})
    assert "Setting up strace" in outcome.text("network/build/tools.stdout") + outcome.text(
        "network/build/tools.stderr"
    )
