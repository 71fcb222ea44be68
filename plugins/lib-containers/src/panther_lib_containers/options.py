"""The keys that every network environment with containers has."""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from panther_hookspecs import NetworkEnvironmentOptions, Seconds, option


@attrs.frozen(kw_only=True)
class BuildOptions:
    """How images are built."""

    ca_bundle: str = option("", help="File of certificates that programs in the images trust, also while building.")
    args: Mapping[str, str] = option(factory=dict, help="Build arguments for every Dockerfile.")
    network: str = option("", help="Network of the build steps: host, none, or what the engine takes if left out.")
    pull: str = option(
        "missing",
        help="Whether a base image that is not there is fetched: missing, or never.",
        validator=attrs.validators.in_(("missing", "never")),
    )
    force: bool = option(False, help="Build in every run, although an image with the same content is there.")
    timeout: Seconds = option(Seconds(900), help="Longest time that building one image may take.")


@attrs.frozen(kw_only=True)
class DockerOptions:
    """Which images are built, and how."""

    base_image: str = option(
        "", help="Image on which those of the services are built; without one nothing is built for services."
    )
    build: BuildOptions = option(BuildOptions(), help="How images are built.")


@attrs.frozen(kw_only=True)
class ContainerOptions(NetworkEnvironmentOptions):
    """What has to do with images, paths and users."""

    image: str = option(
        "host",
        help="Image of services that bring none. host: an empty one that shows this machine's /usr read-only, so that "
        "whatever runs here runs there.",
    )
    docker: DockerOptions = option(DockerOptions(), help="Images that PANTHER builds.")
    pull: str = option(
        "missing",
        help="Whether an image that is not there is fetched: missing, or never.",
        validator=attrs.validators.in_(("missing", "never")),
    )
    mounts: tuple[str, ...] = option((), help="More paths of this machine that all services may read.")
    user: str = option("", help="User (uid or uid:gid) of the programs; the user who runs PANTHER if left out.")
    host: str = option(
        "", help="Address of the engine, unix:///run/podman/podman.sock for example; as for docker if left out."
    )
