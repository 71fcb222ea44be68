"""Placeholders such as ``{server.ip:decimal}`` in commands, environment and files."""

from __future__ import annotations

import difflib
import ipaddress
import re
from collections.abc import Mapping

import attrs

from panther_hookspecs import Endpoint, PluginValidationError, ShellCommand

_PLACEHOLDER = re.compile(r"\{\{|\}\}|\{([A-Za-z_][\w.:-]*)\}")
"""Braces around anything but a name are left alone: they belong to JSON or to a script."""


def placeholders_of(service: str, endpoints: Mapping[str, Endpoint], extra: Mapping[str, str]) -> dict[str, str]:
    """Return what every placeholder means for ``service``."""
    known = dict(extra)
    for endpoint in endpoints.values():
        known |= _named(endpoint.name, endpoint)
    known |= _named("self", endpoints[service])
    known["name"] = service
    return known


def _named(prefix: str, endpoint: Endpoint) -> dict[str, str]:
    found = {
        f"{prefix}.name": endpoint.name,
        f"{prefix}.ip": endpoint.ip,
        f"{prefix}.ip:decimal": str(int(ipaddress.ip_address(endpoint.ip))),
        f"{prefix}.hostname": endpoint.hostname or endpoint.ip,
        f"{prefix}.dir": endpoint.folder,
    }
    if endpoint.ip6:
        found[f"{prefix}.ip6"] = endpoint.ip6
    return found | {f"{prefix}.{name}": str(port) for name, port in endpoint.ports.items()}


def fill(text: str, known: Mapping[str, str], where: str) -> str:
    """Return ``text`` with every placeholder replaced; an unknown one is an error that names what exists."""

    def replace(match: re.Match[str]) -> str:
        if match[1] is None:
            return match[0][0]
        if match[1] in known:
            return known[match[1]]
        near = difflib.get_close_matches(match[1], known, n=1)
        hint = f" - did you mean {{{near[0]}}}?" if near else ""
        raise PluginValidationError(
            f"unknown placeholder {{{match[1]}}} in {where}{hint}\n"
            f"  known: {', '.join(sorted(known))}; {{{{ and }}}} are literal braces"
        )

    return _PLACEHOLDER.sub(replace, text)


def fill_command(command: ShellCommand, known: Mapping[str, str], where: str) -> ShellCommand:
    """Return the command with the placeholders in program, arguments, environment and folder replaced."""
    return attrs.evolve(
        command,
        command=fill(command.command, known, where),
        args=tuple(fill(each, known, where) for each in command.args),
        env={key: fill(value, known, where) for key, value in command.env.items()},
        working_dir=None if command.working_dir is None else fill(command.working_dir, known, where),
    )
