"""The plugin keeps what every plugin must keep."""

from __future__ import annotations

from panther_core.testing.conformance import PluginConformance
from panther_hookspecs import LinkDescriptor


class TestRelay(PluginConformance):
    plugin = "panther_link_relay.plugin"
    descriptor_class = LinkDescriptor
