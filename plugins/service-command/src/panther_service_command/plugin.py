"""Announces the implementation ``command``."""

from __future__ import annotations

from collections.abc import Iterator

from panther_hookspecs import ServiceDescriptor, hookimpl
from panther_service_command.manager import CommandManager, CommandOptions


@hookimpl
def panther_register_services() -> Iterator[ServiceDescriptor]:
    """Yield the implementation, which fits any protocol and any role."""
    yield ServiceDescriptor(
        name="command",
        summary="Any program, called as the experiment says",
        factory=CommandManager,
        options=CommandOptions,
    )
