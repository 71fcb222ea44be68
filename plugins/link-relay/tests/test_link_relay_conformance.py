"""The plugin keeps what every plugin must keep."""

from __future__ import annotations

from panther_core.testing.conformance import PluginConformance
from panther_hookspecs import LinkDescriptor


class TestRelay(PluginConformance):
    plugin = "panther_link_relay.plugin"
    name = "relay"
    descriptor_class = LinkDescriptor


class TestProxy(PluginConformance):
    plugin = "panther_link_relay.plugin"
    name = "proxy"
    descriptor_class = LinkDescriptor
