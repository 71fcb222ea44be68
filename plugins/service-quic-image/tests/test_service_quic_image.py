"""Images of the interop runner's interface take part; one that cannot be started is told from one that declines."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import tarfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from panther_protocol_quic.testing import build_cache, run_together
from panther_service_quic_image.plugin import panther_register_services

from panther_core.testing import MakeProject
from panther_hookspecs import ServiceContext, ServicePlan

ENTRY = "#!/bin/sh\nset -e\n/setup.sh\n[ $ROLE = server ] || /wait-for-it.sh sim:57832 -s -t 30\nexec /endpoint\n"
APPLETS = ("sh", "cat", "chmod", "dirname", "id", "ln", "mkdir", "mv", "rmdir")
EXPERIMENT = """
name: images
protocol: quic
network_environment: {type: docker_compose, pull: never}
test_cases:
  - name: both
    services: &both
      server: {implementation: quic-image, image: panther-test-good}
      client: {implementation: quic-image, image: panther-test-good}
  - {name: h3, scenario: http3, parameters: {files: [1KiB, 20KiB]}, services: *both}
  - {name: v2, scenario: v2, services: *both, expect: unsupported}
  - name: image and native
    scenario: transfer
    parameters: {files: [300KiB]}
    services:
      server: {implementation: quic-image, image: panther-test-good}
      client: {implementation: aioquic}
  - name: native and image
    scenario: retry
    services:
      server: {implementation: aioquic}
      client: {implementation: quic-image, image: panther-test-good}
  - name: no entry
    services:
      server: {implementation: aioquic}
      client: {implementation: quic-image, image: panther-test-empty}
    expect: fail
  - name: no interpreter
    services:
      server: {implementation: aioquic}
      client: {implementation: quic-image, image: panther-test-bash}
    expect: fail
"""


def plan(role: str, **options: str) -> ServicePlan:
    (descriptor,) = panther_register_services()
    parameters = {"alpn": "hq-interop", "version": "v1", "files": (10,)}
    context = ServiceContext(
        name=role,
        role=role,
        options=None,
        scenario="handshake",
        parameters=parameters,
        target="" if role == "server" else "server",
    )
    return descriptor.create_service_manager({"image": "x:1", **options}).plan(context)


def test_an_image_listens_on_its_own_port_and_runs_in_itself_alone() -> None:
    server, client = plan("server", params="-v"), plan("client")
    assert server.only_in == client.only_in == "x:1"
    assert (server.ports, client.ports) == ({"port": 443}, {})
    assert server.run.env["SERVER_PARAMS"] == "-v"
    assert b"exec" in server.files["start.sh"]


def test_an_image_is_refused_where_there_are_no_images(panther_project: MakeProject) -> None:
    text = EXPERIMENT.replace("{type: docker_compose, pull: never}", "localhost")
    outcome = panther_project({"e.yaml": text}).run("run e.yaml --select name=both")
    assert "runs in the image panther-test-good alone" in str(outcome)
    assert outcome.exit_code not in (0, 1)


def test_the_start_script_changes_nothing_outside_of_a_container(tmp_path: Path) -> None:
    if Path("/.dockerenv").exists():
        pytest.skip("only where this is no container")
    script = tmp_path / "start.sh"
    script.write_bytes(plan("client").files["start.sh"])
    environment = {**os.environ, "PANTHER_ENTRY": "/run_endpoint.sh"}
    done = subprocess.run(["sh", str(script)], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 126
    assert "this is no container" in done.stderr
    assert not Path("/setup.sh").exists()


def image(folder: Path, name: str, files: Mapping[str, bytes]) -> None:
    """Make an image of busybox and ``files``."""
    busybox = shutil.which("busybox")
    assert busybox
    path = folder / f"{name}.tar"
    with tarfile.open(path, "w") as archive:
        archive.add(os.path.realpath(busybox), "bin/busybox")
        for applet in APPLETS:
            link = tarfile.TarInfo(f"bin/{applet}")
            link.type, link.linkname = tarfile.SYMTYPE, "busybox"
            archive.addfile(link)
        for where, content in files.items():
            entry = tarfile.TarInfo(where)
            entry.size, entry.mode = len(content), 0o755
            archive.addfile(entry, io.BytesIO(content))
    subprocess.run(["docker", "import", str(path), name], check=True, capture_output=True, timeout=120)


@pytest.fixture
def images(tmp_path: Path, panther_project: MakeProject) -> Iterator[None]:
    if not shutil.which("docker") or subprocess.run(["docker", "info"], capture_output=True, check=False).returncode:
        pytest.skip("needs a Docker engine")
    for tool in ("go", "busybox"):
        if not shutil.which(tool):
            pytest.skip(f"needs {tool}")
    built = run_together(panther_project, "quic-go", "quic-go", ["handshake"])
    built.assert_ok()
    endpoint = max(build_cache().glob("panther/builds/quic-go-*/quic-go"), key=lambda path: path.stat().st_mtime)
    made = {
        "panther-test-good": {"endpoint": endpoint.read_bytes(), "run_endpoint.sh": ENTRY.encode()},
        "panther-test-empty": {},
        "panther-test-bash": {"run_endpoint.sh": ENTRY.replace("/bin/sh", "/bin/bash").encode()},
    }
    for name, files in made.items():
        image(tmp_path, name, files)
    yield
    subprocess.run(["docker", "image", "rm", "--force", *made], check=False, capture_output=True, timeout=120)


@pytest.mark.usefixtures("images")
@pytest.mark.timeout(1800)
def test_images_take_part_and_say_what_they_cannot(panther_project: MakeProject) -> None:
    outcome = panther_project({"images.yaml": EXPERIMENT}).run("run images.yaml")
    outcome.assert_ok()
    verdicts = dict.fromkeys(("both", "h3", "image and native", "native and image"), "pass")
    outcome.assert_verdicts({**verdicts, "v2": "unsupported", "no entry": "fail", "no interpreter": "fail"})
    assert "it has no entry script /run_endpoint.sh" in str(outcome)
    assert "it has no /bin/bash, which its entry script" in str(outcome)
