"""The keys that a user may write for ``docker_compose``."""

from __future__ import annotations

import ipaddress

import attrs
from panther_lib_containers.options import ContainerOptions

from panther_hookspecs import option


def _network(_instance: object, _attribute: attrs.Attribute[str], value: str) -> None:
    if ipaddress.IPv4Network(value).prefixlen > 24:  # noqa: PLR2004 - one case takes that much
        raise ValueError(f"{value} is too small: a case takes a network of 256 addresses")


@attrs.frozen(kw_only=True)
class DockerComposeOptions(ContainerOptions):
    """Options of the network environment ``docker_compose``."""

    pool: str = option(
        "10.240.0.0/16",
        help="Addresses to take networks from, one of 256 addresses for each case.",
        validator=_network,
    )
    internal: bool = option(True, help="Keep the services from reaching anything but each other.")
    link_mechanism: str = option(
        "", help="Name of the mechanism that impairs links; the best one that works here if left out."
    )
