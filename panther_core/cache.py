"""Where things are kept that may be deleted at any time. Imports nothing that `panther --help` would pay for."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path


def cache_folder(environ: Mapping[str, str]) -> Path:
    """Return the folder of the user for what only saves time."""
    home = environ.get("HOME") or os.path.expanduser("~")  # noqa: PTH111 - Path.home() raises where nobody knows it
    return Path("/", home, environ.get("XDG_CACHE_HOME") or ".cache", "panther")
