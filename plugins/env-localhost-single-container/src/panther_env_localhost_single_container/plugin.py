"""What PANTHER loads: the network environment ``localhost_single_container``."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

from panther_lib_containers.leftovers import leftovers

from panther_env_localhost_single_container.environment import SingleContainerEnvironment
from panther_env_localhost_single_container.options import SingleContainerOptions
from panther_hookspecs import Need, NetworkEnvironmentDescriptor, hookimpl

NAME = "localhost_single_container"


@hookimpl
def panther_register_network_environments() -> Iterable[NetworkEnvironmentDescriptor]:
    """Announce ``localhost_single_container``."""
    yield NetworkEnvironmentDescriptor(
        name=NAME,
        summary="One container of this machine's Docker engine for all services: images, and a loopback of their own.",
        factory=SingleContainerEnvironment,
        options=SingleContainerOptions,
        needs=(
            Need("linux", "linux", why="containers share its kernel, and readiness is read from /proc"),
            Need("tool", "docker", package="docker.io", why="it runs commands in containers and builds images"),
            Need("answer", "docker info", why="start the Docker engine, or set DOCKER_HOST"),
        ),
        capabilities=frozenset({"capture", "images", "ipv6", "limits", "proxied_links"}),
        leftovers=partial(leftovers, NAME),
    )
