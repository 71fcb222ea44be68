"""The plugin keeps what every plugin must keep."""

from __future__ import annotations

import pytest
from panther_link_netem.plugin import panther_register_links

from panther_core.testing.conformance import PluginConformance
from panther_hookspecs import LinkDescriptor


class TestHtb(PluginConformance):
    plugin = "panther_link_netem.plugin"
    name = "htb"
    descriptor_class = LinkDescriptor


class TestNetem(PluginConformance):
    plugin = "panther_link_netem.plugin"
    name = "netem"
    descriptor_class = LinkDescriptor


@pytest.mark.parametrize("name", ["htb", "netem"])
def test_what_can_be_missing_is_tried(name: str) -> None:
    (found,) = [each for each in panther_register_links() if each.name == name]
    assert found.trial[-2:] in (("root", "htb"), ("delay", "1ms"))
