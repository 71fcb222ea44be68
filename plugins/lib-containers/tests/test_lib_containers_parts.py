"""What can be known without an engine: what a container sees, what refusals mean, what it costs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from panther_lib_containers.claims import claim
from panther_lib_containers.failures import explained
from panther_lib_containers.mounts import Mount, mounts_of
from panther_lib_containers.shims import behind_shim

from panther_hookspecs import (
    ControlGroup,
    Endpoint,
    EnvironmentUnavailableError,
    ServiceCommand,
    ServiceLaunch,
    ShellCommand,
)


def _launch(folder: Path, *argv: str, **more: object) -> ServiceLaunch:
    return ServiceLaunch(
        name="client",
        command=ServiceCommand(program=ShellCommand(argv[0], argv[1:])),
        folder=folder,
        endpoint=Endpoint(name="client", ip="10.240.3.2"),
        **more,  # type: ignore[arg-type]
    )


def test_a_container_sees_what_its_command_mentions_and_may_write_its_own_folder_only(tmp_path: Path) -> None:
    own, data, other = tmp_path / "own", tmp_path / "data.bin", tmp_path / "other"
    own.mkdir()
    data.touch()
    other.mkdir()
    launch = _launch(own, "/usr/bin/env", f"--file={data}", "/etc/passwd", str(own / "x"), "/", str(tmp_path))
    seen = mounts_of(launch, [other], tmp_path / "profiles", host=False)
    assert seen == sorted([Mount(str(own), writable=True), Mount(str(data)), Mount(str(other))])


def test_an_interpreter_is_seen_with_its_libraries_wherever_its_links_lead(tmp_path: Path) -> None:
    for name in ("venv", "real"):
        (tmp_path / name / "bin").mkdir(parents=True)
        (tmp_path / name / "lib").mkdir()
    (tmp_path / "own").mkdir()
    (tmp_path / "real" / "bin" / "python3").touch()
    python = tmp_path / "venv" / "bin" / "python"
    python.symlink_to(tmp_path / "real" / "bin" / "python3")
    seen = {each.path for each in mounts_of(_launch(tmp_path / "own", str(python)), [], tmp_path / "no", host=False)}
    assert {str(tmp_path / "venv"), str(tmp_path / "real")} <= seen


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("Cannot connect to the Docker daemon at unix:///x. Is the docker daemon running?", "start it"),
        ("docker: unknown command: docker compose", "install Compose"),
        ("Error response from daemon: Pool overlaps with other one on this address space", "another pool"),
        ("Error response from daemon: No such image: a:b", "docker pull"),
        ("something that nobody foresaw", "something that nobody foresaw"),
    ],
)
def test_a_refusal_is_explained_in_at_most_four_lines(said: str, told: str) -> None:
    text = str(explained("a call", 1, f"noise\n{said}\n"))
    assert told in text
    assert len(text.splitlines()) <= 4


def test_a_call_that_was_ended_at_its_limit_is_told_as_such() -> None:
    assert "took too long" in str(explained("a call", 124, ""))


def test_cost_is_read_from_a_control_group_of_either_version(tmp_path: Path) -> None:
    (tmp_path / "cpu.stat").write_text("usage_usec 3000000\nuser_usec 2000000\nsystem_usec 1000000\n")
    (tmp_path / "memory.peak").write_text("4096\n")
    (tmp_path / "io.stat").write_text("8:0 rbytes=10 wbytes=20 rios=1\n8:16 rbytes=5 wbytes=0 rios=1\n")
    second = ControlGroup({"": tmp_path}).usage()
    assert second is not None
    assert (second.cpu_user, second.cpu_system, second.max_rss_bytes) == pytest.approx((2.0, 1.0, 4096))
    assert (second.read_bytes, second.write_bytes) == (15, 20)
    (tmp_path / "cpuacct.usage_user").write_text("2000000000\n")
    (tmp_path / "cpuacct.usage_sys").write_text("1000000000\n")
    (tmp_path / "memory.max_usage_in_bytes").write_text("4096\n")
    (tmp_path / "blkio.throttle.io_service_bytes").write_text("8:0 Read 15\n8:0 Write 20\n8:0 Total 35\nTotal 35\n")
    first = ControlGroup(dict.fromkeys(("cpuacct", "memory", "blkio"), tmp_path)).usage()
    assert first == second


def test_a_control_group_that_is_gone_costs_nothing(tmp_path: Path) -> None:
    assert ControlGroup({"": tmp_path / "gone"}).usage() is None
    assert ControlGroup({"": tmp_path / "gone"}).pids() == ()


def test_what_is_installed_editable_is_seen_beside_its_environment_even_around_the_runs_folder(tmp_path: Path) -> None:
    project, note = (
        tmp_path / "my project",
        tmp_path / "venv/lib/python3.11/site-packages/x-1.dist-info/direct_url.json",
    )
    own = project / "runs" / "own"
    for each in (own, note.parent, tmp_path / "venv" / "bin"):
        each.mkdir(parents=True)
    (tmp_path / "venv" / "bin" / "python").touch()
    note.write_text(json.dumps({"url": project.as_uri(), "dir_info": {"editable": True}}))
    seen = mounts_of(_launch(own, str(tmp_path / "venv" / "bin" / "python")), [], tmp_path / "no", host=False)
    assert seen == sorted([Mount(str(project)), Mount(str(tmp_path / "venv")), Mount(str(own), writable=True)])


def test_a_shim_is_resolved_and_one_that_stands_for_nothing_is_refused(tmp_path: Path) -> None:
    shim, manager = tmp_path / "shims" / "python9", tmp_path / "manager"
    shim.parent.mkdir()
    shim.write_text(f'#!/bin/sh\nexec "{manager}" exec "$program" "$@"\n')
    manager.write_text('#!/bin/sh\n[ "$1 $2" = "which python9" ] && echo /opt/python9/bin/python9\n')
    for each in (shim, manager):
        each.chmod(0o755)
    asked = ShellCommand("python9", ("-V",), env={"PATH": str(shim.parent)})
    assert behind_shim(asked).argv == ("/opt/python9/bin/python9", "-V")
    assert behind_shim(ShellCommand("sh")).argv == ("sh",)
    manager.write_text("#!/bin/sh\necho 'python9 is not installed' >&2; exit 127\n")
    with pytest.raises(EnvironmentUnavailableError, match=r"(?s)is a shim.*python9 is not installed.*the full path"):
        behind_shim(asked)


def test_a_name_of_any_length_is_held_by_one_and_given_back(tmp_path: Path) -> None:
    name = f"{tmp_path}@sha256:{'0' * 200}"
    held = claim(name)
    assert held is not None
    with held:
        assert claim(name) is None
    again = claim(name)
    assert again is not None
    again.close()
