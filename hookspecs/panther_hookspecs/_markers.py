"""The two decorators of the contract and its version number."""

from __future__ import annotations

from typing import Final

import pluggy

PROJECT: Final = "panther"
"""Name of the pluggy project and of the entry-point group that plugins announce themselves in."""

API_VERSION: Final = 1
"""Raised when a plugin written for the former contract could no longer work."""

hookspec = pluggy.HookspecMarker(PROJECT)
"""Marks a function of the contract as a hook specification."""

hookimpl = pluggy.HookimplMarker(PROJECT)
"""Marks a function of a plugin as the implementation of a hook."""
