"""What can be known without an engine: addresses, and the compose file."""

from __future__ import annotations

import io
import ipaddress
from pathlib import Path

import pytest
from panther_env_docker_compose.addresses import Reservation, reserve
from panther_env_docker_compose.composefile import Box, compose_file
from panther_env_docker_compose.environment import DockerComposeEnvironment
from panther_env_docker_compose.options import DockerComposeOptions
from panther_lib_containers.leftovers import leftovers
from panther_lib_containers.mounts import Mount
from ruamel.yaml import YAML

from panther_core.testing import recording_context
from panther_hookspecs import (
    Bytes,
    Endpoint,
    EnvironmentUnavailableError,
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
    with pytest.raises(EnvironmentUnavailableError, match="no network of"):
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
    launch = _launch(tmp_path, "sh", "-c", "echo $HOME", limits=limits, depends_on=("server", "stranger"))
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


def _problems(folder: Path) -> str:
    spec = ServiceSpec(name="one", role="one", plan=ServicePlan(run=ShellCommand("true")))
    with recording_context(folder, name="network") as context:
        return "\n".join(map(str, DockerComposeEnvironment(context).preflight([spec])))


def test_no_engine_is_a_problem_that_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/nobody")
    text = _problems(tmp_path)
    assert "docker is not installed" in text or "the Docker engine does not answer" in text
    assert list(leftovers("docker_compose")) == []


def test_an_engine_of_another_machine_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "tcp://192.0.2.1:2375")
    assert "on another machine" in _problems(tmp_path)
