"""The environment keeps what every network environment must keep."""

from __future__ import annotations

from panther_core.testing.conformance import NetworkEnvironmentConformance


class TestNetns(NetworkEnvironmentConformance):
    plugin = "panther_env_netns.plugin"
