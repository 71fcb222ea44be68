"""The commands as `panther --help` lists them, kept in the user's cache so that help need not import a plugin.

The list is written by the first call that needs it, and read only while nothing was installed or removed since:
every folder of ``sys.path`` still has the modification time it had.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from panther_core.cache import cache_folder


class Known(NamedTuple):
    """One command of the list."""

    name: str
    summary: str
    plugin: str = ""
    """The plugin that brings it; empty for the engine's own."""


def cached(environ: Mapping[str, str]) -> tuple[Known, ...] | None:
    """Return the commands listed last time, or None if there is no list or something was installed since."""
    if environ.get("PANTHER_PLUGINS"):
        return None
    try:
        content = json.loads(_path(environ).read_text(encoding="utf-8"))
        if content["installed"] != _installed():
            return None
        return tuple(Known(*map(str, each)) for each in content["commands"])
    except (OSError, ValueError, KeyError, TypeError):
        return None  # no list, or one of another version: it is made again


def remember(commands: Sequence[Known], environ: Mapping[str, str]) -> None:
    """Keep the list for the next call; a cache that cannot be written is no reason to fail."""
    if environ.get("PANTHER_PLUGINS") or cached(environ) == tuple(commands):
        return
    path = _path(environ)
    temporary = path.with_name(f"{path.name}.{os.getpid()}")
    with contextlib.suppress(OSError):  # a read-only home, a full disk: help is slower then, nothing else
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_text(json.dumps({"installed": _installed(), "commands": commands}), encoding="utf-8")
        temporary.replace(path)


def _path(environ: Mapping[str, str]) -> Path:
    """Return the list's place: one for each interpreter and search path, so that environments do not share it."""
    return cache_folder(environ) / f"commands-{zlib.crc32(os.pathsep.join(_places()).encode()):08x}.json"


def _places() -> list[str]:
    """Return where distributions may be installed; the first entry of the path is the script's own folder."""
    return [sys.executable, *filter(None, sys.path[1:]), str(Path(__file__).with_name("commands"))]


def _installed() -> list[int]:
    """Return what changes when a distribution is installed, upgraded or removed."""
    return [_modified(place) for place in _places()]


def _modified(place: str) -> int:
    try:
        return Path(place).stat().st_mtime_ns
    except OSError:
        return 0
