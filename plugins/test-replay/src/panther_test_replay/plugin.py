"""What PANTHER loads: the test type ``replay``, the implementation ``replay`` and the command ``recording``."""

from __future__ import annotations

from collections.abc import Iterable

from panther_hookspecs import CommandDescriptor, ServiceDescriptor, Stage, TestTypeDescriptor, hookimpl
from panther_test_replay import command
from panther_test_replay.manager import PlayerManager
from panther_test_replay.options import PlayerOptions, ReplayOptions
from panther_test_replay.stages import compare, exchange, refuse


@hookimpl
def panther_register_test_types() -> Iterable[TestTypeDescriptor]:
    """Announce the test type."""
    yield TestTypeDescriptor(
        name="replay",
        summary="Plays recorded traffic against a service and tells what is answered otherwise",
        options=ReplayOptions,
        stages=(Stage("exchange", exchange), Stage("compare", compare, moment="after")),
        refuse=refuse,
    )


@hookimpl
def panther_register_services() -> Iterable[ServiceDescriptor]:
    """Announce the player, which fits any protocol and any role."""
    yield ServiceDescriptor(
        name="replay",
        summary="Plays the client's or the server's side of recorded traffic",
        factory=PlayerManager,
        options=PlayerOptions,
    )


@hookimpl
def panther_register_commands() -> Iterable[CommandDescriptor]:
    """Announce the command that makes recordings."""
    yield CommandDescriptor(
        name="recording",
        summary="Make a recording of the packets of a case",
        configure=command.configure,
        run=command.run,
    )
