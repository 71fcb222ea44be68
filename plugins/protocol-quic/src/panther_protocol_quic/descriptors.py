"""From the data of an implementation to what a plugin announces."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from panther_hookspecs import Need, ServiceDescriptor, ServiceManager
from panther_protocol_quic import programs
from panther_protocol_quic.implementation import Implementation, Part, load
from panther_protocol_quic.parameters import PROTOCOL
from panther_protocol_quic.speaking import SCENARIOS


def describe(path: Path) -> ServiceDescriptor:
    """Return the descriptor of the implementation that a file describes; a plugin yields it."""
    return described(load(path))


def described(implementation: Implementation) -> ServiceDescriptor:
    """Return the descriptor of an implementation."""
    from panther_protocol_quic.manager import QuicManager, QuicOptions  # noqa: PLC0415 - not for who lists names

    def make(options: Any) -> ServiceManager:
        return QuicManager(implementation, options)

    parts = implementation.parts
    return ServiceDescriptor(
        name=implementation.name,
        summary=f"{implementation.summary}{f' (version {implementation.version})' if implementation.version else ''}",
        factory=make,
        options=QuicOptions,
        protocol=PROTOCOL,
        roles=tuple(parts),
        scenarios={role: (*part.scenarios, *(SCENARIOS if role == "server" else ())) for role, part in parts.items()},
        claims={role: {"alpn": part.alpn, "version": part.quic} for role, part in parts.items()},
        needs=tuple(dict.fromkeys(need for part in parts.values() for need in _needs(implementation, part))),
        image=implementation.image,
        unfit=implementation.unfit,
    )


def _needs(implementation: Implementation, part: Part) -> Iterator[Need]:
    if part.python:
        yield Need("python", part.python, package=part.python)
    if "{build}" in part.program and implementation.build:
        for tool, package in implementation.build.tools.items():
            yield Need("tool", tool, package=package, why=f"it builds {implementation.name}")
    program = part.program
    if "{build}" in program:
        program = implementation.probe.program if implementation.release and implementation.probe else ""
    if program in ("", "{python}"):
        return
    if not implementation.release:
        yield Need("tool", program, package=part.package)
        return
    where = programs.roots() / implementation.release
    found = programs.find(program, where) or str(where / "usr/bin" / program)
    brings = programs.bringing(part.package, implementation.release, where)
    yield Need("tool", found, why=f"to have it: {brings}")
