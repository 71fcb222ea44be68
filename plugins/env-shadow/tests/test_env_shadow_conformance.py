"""The plugin keeps what every plugin must keep, whether the simulator is there or not."""

from __future__ import annotations

from panther_core.testing.conformance.base import PluginConformance
from panther_hookspecs import ExecutionEnvironmentDescriptor, NetworkEnvironmentDescriptor


class TestShadowNs(PluginConformance):
    plugin = "panther_env_shadow.plugin"
    descriptor_class = NetworkEnvironmentDescriptor


class TestShadowSyscalls(PluginConformance):
    plugin = "panther_env_shadow.plugin"
    descriptor_class = ExecutionEnvironmentDescriptor
