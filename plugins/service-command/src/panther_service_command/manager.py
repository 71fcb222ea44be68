"""From what the experiment says about a program to a plan."""

from __future__ import annotations

import signal
from collections.abc import Mapping

import attrs

from panther_hookspecs import (
    Output,
    Readiness,
    Seconds,
    ServiceContext,
    ServiceManager,
    ServicePlan,
    ShellCommand,
    option,
)

RUNTIMES = ("native", "static", "go", "python", "node", "script")
Argv = tuple[str, ...]


def _signal(_instance: object, _attribute: attrs.Attribute[str], name: str) -> None:
    """Accept the names of signals as ``kill -l`` writes them, with or without SIG."""
    if f"SIG{name.removeprefix('SIG')}" not in signal.Signals.__members__:
        raise ValueError(f"expected the name of a signal, for example SIGINT, got {name!r}")


def _commands(_instance: object, attribute: attrs.Attribute[tuple[Argv, ...]], commands: tuple[Argv, ...]) -> None:
    if not all(commands):
        raise ValueError(f"every command of {attribute.name} needs at least a program")


@attrs.frozen(kw_only=True)
class CommandOptions:
    """What the experiment says about the program. No shell is involved: every argument is an element of a list."""

    argv: Argv = option(
        validator=attrs.validators.min_len(1),
        help="The program and its arguments; may hold placeholders such as {server.ip}.",
    )
    ends_by_itself: bool | None = option(
        None,
        help="Whether the case waits for its end instead of stopping it; if left out, whether its role is not server.",
    )
    stop_signal: str = option("SIGTERM", validator=_signal, help="Signal that asks the program to end.")
    stop_grace: Seconds = option(Seconds(3), help="How long it may take to end before it is killed.")
    files: Mapping[str, str] = option(factory=dict, help="Texts to place in the service's folder, by file name.")
    outputs: Mapping[str, str] = option(
        factory=dict, help="Files that it must write: kind of content (log, qlog, download, ...) by glob pattern."
    )
    pre_run: tuple[Argv, ...] = option((), validator=_commands, help="Commands to run to their end before it starts.")
    post_run: tuple[Argv, ...] = option(
        (), validator=_commands, help="Commands to run to their end after it has ended."
    )
    runtime: str = option(
        "native",
        validator=attrs.validators.in_(RUNTIMES),
        help="What it is, for instruments that cannot watch everything.",
    )


@attrs.frozen
class CommandManager(ServiceManager):
    """Plans a program as the options say."""

    options: CommandOptions

    def plan(self, context: ServiceContext) -> ServicePlan:
        """Return the plan; how to know that it is ready is the experiment's key ``ready``."""
        told = self.options
        ends = context.role != "server" if told.ends_by_itself is None else told.ends_by_itself
        return ServicePlan(
            run=_command(told.argv),
            pre_run=tuple(map(_command, told.pre_run)),
            post_run=tuple(map(_command, told.post_run)),
            files={name: text.encode() for name, text in told.files.items()},
            ready=Readiness(),
            ends_by_itself=ends,
            stop_signal=signal.Signals[f"SIG{told.stop_signal.removeprefix('SIG')}"],
            stop_grace=told.stop_grace,
            outputs=tuple(Output(pattern=pattern, kind=kind) for pattern, kind in told.outputs.items()),
            runtime=told.runtime,
        )


def _command(argv: Argv) -> ShellCommand:
    return ShellCommand(argv[0], argv[1:])
