"""The environment keeps what every network environment must keep, with either kind of addresses."""

from __future__ import annotations

from panther_core.testing.conformance import NetworkEnvironmentConformance


class TestOwnAddresses(NetworkEnvironmentConformance):
    plugin = "panther_env_localhost.plugin"


class TestSharedAddress(NetworkEnvironmentConformance):
    plugin = "panther_env_localhost.plugin"
    options = {"addresses": "ports"}
