"""The keys that a user may write for ``localhost``."""

from __future__ import annotations

import attrs

from panther_hookspecs import NetworkEnvironmentOptions, option


@attrs.frozen(kw_only=True)
class LocalhostOptions(NetworkEnvironmentOptions):
    """Options of the network environment ``localhost``."""

    addresses: str = option(
        "loopback",
        help="loopback: every service has an address of its own and the protocol's port. "
        "ports: all services share 127.0.0.1 and ::1 and have distinct ports.",
        validator=attrs.validators.in_(("loopback", "ports")),
    )
    link_mechanism: str = option(
        "", help="Name of the mechanism that impairs links; the best one that works here if left out."
    )
    first_port: int = option(
        0,
        help="First port that addresses: ports may choose; 0 means the run's own range.",
        validator=[attrs.validators.ge(0), attrs.validators.le(65535)],
    )
    last_port: int = option(
        0,
        help="Last port that addresses: ports may choose; 0 means the run's own range.",
        validator=[attrs.validators.ge(0), attrs.validators.le(65535)],
    )
