"""What PANTHER loads: the network environment ``docker_compose``."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

from panther_lib_containers.leftovers import leftovers

from panther_env_docker_compose.environment import DockerComposeEnvironment
from panther_env_docker_compose.options import DockerComposeOptions
from panther_hookspecs import Need, NetworkEnvironmentDescriptor, hookimpl


@hookimpl
def panther_register_network_environments() -> Iterable[NetworkEnvironmentDescriptor]:
    """Announce ``docker_compose``."""
    yield NetworkEnvironmentDescriptor(
        name="docker_compose",
        summary="Containers of this machine's Docker engine: images, limits, and a compose file to run by hand.",
        factory=DockerComposeEnvironment,
        options=DockerComposeOptions,
        needs=(
            Need("linux", "linux", why="containers share its kernel, and readiness is read from /proc"),
            Need("tool", "docker", package="docker.io", why="it starts containers"),
            Need("answer", "docker info", why="start the Docker engine, or set DOCKER_HOST"),
            Need("answer", "docker compose version", why="install Compose, version 2: docker-compose of Debian 13"),
            Need("tool", "timeout", package="coreutils", why="it bounds what Compose may take"),
        ),
        capabilities=frozenset({"capture", "images", "ipv6", "limits", "links"}),
        leftovers=partial(leftovers, "docker_compose"),
    )
