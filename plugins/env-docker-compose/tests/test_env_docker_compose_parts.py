"""What can be known without an engine: addresses, the compose file, mounts, errors, control groups."""

from __future__ import annotations

import io
import ipaddress
from pathlib import Path

import pytest
from panther_env_docker_compose.addresses import Reservation, reserve
from panther_env_docker_compose.cgroup import Cgroup
from panther_env_docker_compose.composefile import Box, compose_file
from panther_env_docker_compose.environment import DockerComposeEnvironment
from panther_env_docker_compose.failures import explained
from panther_env_docker_compose.leftovers import leftovers
from panther_env_docker_compose.mounts import Mount, mounts_of
from panther_env_docker_compose.options import DockerComposeOptions
from ruamel.yaml import YAML

from panther_core.testing import recording_context
from panther_hookspecs import (
    Bytes,
    Endpoint,
    ResourceExhaustionException,
    ResourceLimits,
    ServiceCommand,
    ServiceLaunch,
    ServicePlan,
    ServiceSpec,
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


def _reservation(subnet: str = "10.240.3.0/24") -> Reservation:
    made = reserve("any", subnet, ())
    assert made.subnet == ipaddress.IPv4Network(subnet)
    return made


def test_a_network_that_somebody_has_is_not_taken() -> None:
    made = reserve("case", "10.241.0.0/23", ["10.241.0.0/25"])
    assert str(made.subnet) == "10.241.1.0/24"
    made.release()


def test_two_cases_never_get_the_same_network_and_one_that_ended_gives_its_own_back() -> None:
    first, second = reserve("case", "10.242.0.0/23", ()), reserve("case", "10.242.0.0/23", ())
    assert first.subnet != second.subnet
    with pytest.raises(ResourceExhaustionException, match="no network of"):
        reserve("case", "10.242.0.0/23", ())
    first.release()
    again = reserve("case", "10.242.0.0/23", ())
    assert again.subnet == first.subnet
    again.release()
    second.release()


def test_a_pool_that_is_too_small_is_refused() -> None:
    with pytest.raises(ValueError, match="too small"):
        DockerComposeOptions(pool="10.0.0.0/28")


def test_the_compose_file_says_what_was_planned(tmp_path: Path) -> None:
    limits = ResourceLimits(cpu=0.5, memory=Bytes(1 << 26), processes=8, files=99)
    launch = _launch(tmp_path, "sh", "-c", "echo $HOME", limits=limits, depends_on=("server", "server", "stranger"))
    boxes = [
        Box(launch=launch, image="some", mounts=[Mount("/usr")], environment={"A": "$b"}, read_only=True),
        Box(
            launch=ServiceLaunch(
                name="server",
                command=launch.command,
                folder=tmp_path,
                endpoint=Endpoint(name="server", ip="10.240.3.3"),
            ),
            image="some",
            mounts=[Mount(str(tmp_path), writable=True)],
            environment={},
            read_only=False,
        ),
    ]
    net = _reservation()
    text = compose_file("p", boxes, net, {"panther.run": "r"}, options=DockerComposeOptions(), user="1:2")
    net.release()
    made = YAML(typ="safe").load(io.StringIO(text))
    client, server = made["services"]["client"], made["services"]["server"]
    assert client["entrypoint"] == ["sh", "-c", "echo $$HOME"], "Compose would replace $HOME"
    assert client["environment"] == {"A": "$$b"}
    assert client["depends_on"] == ["server"]
    assert client["networks"]["between"] == {"ipv4_address": "10.240.3.2"}
    assert client["volumes"] == [{"type": "bind", "source": "/usr", "target": "/usr", "read_only": True}]
    assert (client["cpus"], client["mem_limit"], client["memswap_limit"]) == (0.5, 1 << 26, 1 << 26)
    assert (client["pids_limit"], client["ulimits"]) == (9, {"nofile": 99})
    assert (client["init"], client["cap_drop"], client["read_only"]) == (True, ["ALL"], True)
    assert "read_only" not in server
    assert made["networks"]["between"]["internal"] is True
    assert all("panther.run" in each["labels"] for each in (client, server, made["networks"]["between"]))


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


def _problems(folder: Path) -> str:
    spec = ServiceSpec(name="one", role="one", plan=ServicePlan(run=ShellCommand("true")))
    with recording_context(folder, name="network") as context:
        return "\n".join(map(str, DockerComposeEnvironment(context).preflight([spec])))


def test_no_engine_is_a_problem_that_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/nobody")
    text = _problems(tmp_path)
    assert "docker is not installed" in text or "the Docker engine does not answer" in text
    assert list(leftovers()) == []


def test_an_engine_of_another_machine_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "tcp://192.0.2.1:2375")
    assert "on another machine" in _problems(tmp_path)


def test_cost_is_read_from_a_control_group_of_either_version(tmp_path: Path) -> None:
    (tmp_path / "cpu.stat").write_text("usage_usec 3000000\nuser_usec 2000000\nsystem_usec 1000000\n")
    (tmp_path / "memory.peak").write_text("4096\n")
    (tmp_path / "io.stat").write_text("8:0 rbytes=10 wbytes=20 rios=1\n8:16 rbytes=5 wbytes=0 rios=1\n")
    second = Cgroup({"": tmp_path}).usage()
    assert second is not None
    assert (second.cpu_user, second.cpu_system, second.max_rss_bytes) == pytest.approx((2.0, 1.0, 4096))
    assert (second.read_bytes, second.write_bytes) == (15, 20)
    (tmp_path / "cpuacct.usage_user").write_text("2000000000\n")
    (tmp_path / "cpuacct.usage_sys").write_text("1000000000\n")
    (tmp_path / "memory.max_usage_in_bytes").write_text("4096\n")
    (tmp_path / "blkio.throttle.io_service_bytes").write_text("8:0 Read 15\n8:0 Write 20\n8:0 Total 35\nTotal 35\n")
    first = Cgroup(dict.fromkeys(("cpuacct", "memory", "blkio"), tmp_path)).usage()
    assert first == second


def test_a_control_group_that_is_gone_costs_nothing(tmp_path: Path) -> None:
    assert Cgroup({"": tmp_path / "gone"}).usage() is None
    assert Cgroup({"": tmp_path / "gone"}).pids() == ()
