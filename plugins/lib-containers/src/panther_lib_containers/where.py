"""Which Docker engine is meant: what the command ``docker`` would talk to, or what an option says."""

from __future__ import annotations

import hashlib
import json
import os
import socket
from pathlib import Path

_USUAL = "unix:///var/run/docker.sock"
_UNIX = "unix://"


def _settings() -> Path:
    return Path(os.environ.get("DOCKER_CONFIG") or Path.home() / ".docker")


def engine_host(given: str = "") -> str:
    """Return the address of the engine: as ``given``, from DOCKER_HOST, from the chosen context, or the usual one."""
    return given or os.environ.get("DOCKER_HOST", "") or _of_context() or _USUAL


def is_local(host: str) -> bool:
    """Return whether the engine is on this machine."""
    return host.startswith(_UNIX)


def socket_of(host: str) -> str:
    """Return the path of the socket of a local engine."""
    return host.removeprefix(_UNIX)


def _of_context() -> str:
    """Return the address of the context that `docker context use` has chosen; nothing if it is the default one."""
    folder = _settings()
    try:
        name = os.environ.get("DOCKER_CONTEXT") or json.loads((folder / "config.json").read_text()).get(
            "currentContext", ""
        )
        if name in ("", "default"):
            return ""
        place = folder / "contexts" / "meta" / hashlib.sha256(name.encode()).hexdigest() / "meta.json"
        return str(json.loads(place.read_text())["Endpoints"]["docker"]["Host"])
    except (OSError, ValueError, KeyError):
        return ""


_PLUGINS = (
    "/usr/local/lib/docker/cli-plugins",
    "/usr/local/libexec/docker/cli-plugins",
    "/usr/lib/docker/cli-plugins",
    "/usr/libexec/docker/cli-plugins",
)


def has_command_plugin(name: str) -> bool:
    """Return whether the command ``docker`` has a plugin such as ``compose``, without starting it."""
    return any((Path(folder) / f"docker-{name}").exists() for folder in (_settings() / "cli-plugins", *_PLUGINS))


def connected(path: str, limit: float | None) -> socket.socket:
    """Return a connection to a socket in the file system."""
    made = socket.socket(socket.AF_UNIX)
    made.settimeout(limit)
    try:
        made.connect(path)
    except OSError:
        made.close()
        raise
    return made
