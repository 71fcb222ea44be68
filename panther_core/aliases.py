"""The short names that the core API reference gives to plain data, for those who annotate with them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

MetricValue = int | float | str
"""What a metric can be."""
ConfigDict = dict[str, Any]
"""Configuration as a file gives it, before it is structured."""
ParameterDict = dict[str, str | int | float | bool]
"""Parameters of a scenario, before they are structured."""
PluginName = str
"""Name of a plugin or of what it brings."""
PluginVersion = str
"""Version of a distribution."""
PluginMetadata = Mapping[str, Any]
"""What is known about a plugin, as `panther plugins --json` prints it."""
