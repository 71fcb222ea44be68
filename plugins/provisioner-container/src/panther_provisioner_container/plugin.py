"""What PANTHER loads: the provisioner ``container``."""

from __future__ import annotations

import functools
from collections.abc import Iterable

from panther_lib_containers.leftovers import leftovers

from panther_hookspecs import Need, ProvisionerDescriptor, hookimpl
from panther_provisioner_container.containers import ENVIRONMENT, ContainerOptions, Containers


@hookimpl
def panther_register_provisioners() -> Iterable[ProvisionerDescriptor]:
    """Announce ``container``."""
    yield ProvisionerDescriptor(
        name="container",
        summary="Containers of one image; it needs Python and nothing of PANTHER",
        options=ContainerOptions,
        factory=Containers,
        leftovers=functools.partial(leftovers, ENVIRONMENT, f"the {ENVIRONMENT} `container`"),
        needs=(
            Need("tool", "docker", package="docker.io", why="it makes the containers"),
            Need("answer", "docker info", why="start the Docker engine, or set DOCKER_HOST"),
        ),
    )
