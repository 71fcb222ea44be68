"""The keys that a user may write for ``docker_compose``."""

from __future__ import annotations

import ipaddress

import attrs

from panther_hookspecs import NetworkEnvironmentOptions, option


def _network(_instance: object, _attribute: attrs.Attribute[str], value: str) -> None:
    if ipaddress.IPv4Network(value).prefixlen > 24:  # noqa: PLR2004 - one case takes that much
        raise ValueError(f"{value} is too small: a case takes a network of 256 addresses")


@attrs.frozen(kw_only=True)
class DockerComposeOptions(NetworkEnvironmentOptions):
    """Options of the network environment ``docker_compose``."""

    image: str = option(
        "host",
        help="Image of services that bring none. host: an empty one that shows this machine's /usr read-only, so that "
        "whatever runs here runs there.",
    )
    pull: str = option(
        "missing",
        help="Whether an image that is not there is fetched: missing, or never.",
        validator=attrs.validators.in_(("missing", "never")),
    )
    pool: str = option(
        "10.240.0.0/16",
        help="Addresses to take networks from, one of 256 addresses for each case.",
        validator=_network,
    )
    internal: bool = option(True, help="Keep the services from reaching anything but each other.")
    mounts: tuple[str, ...] = option((), help="More paths of this machine that all services may read.")
    user: str = option("", help="User (uid or uid:gid) of the programs; the user who runs PANTHER if left out.")
