"""The version of the installed engine."""

from __future__ import annotations

from importlib import metadata


def ask_version() -> str:
    """Return the version of the distribution that holds the engine."""
    try:
        return metadata.version("panther-pluggy")
    except metadata.PackageNotFoundError:
        return "(not installed)"
