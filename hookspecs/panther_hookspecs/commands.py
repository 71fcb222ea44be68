"""Commands as data: argv lists in layers, and what runs them.

A program is never started through a shell. What watches it, moves it into a namespace or sets its environment
is a *layer* around it; the layers have roles, so several plugins can wrap one program in a defined order.
"""

from __future__ import annotations

import abc
import enum
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path

import attrs

from panther_hookspecs.values import ExitStatus, Usage


def _texts(values: Sequence[object]) -> tuple[str, ...]:
    return tuple(str(value) for value in values)


@attrs.frozen
class ShellCommand:
    """One program with its arguments. The name is historic: no shell ever sees it.

    Arguments and environment may hold placeholders such as ``{server.ip}``, ``{self.port}``, ``{dir}`` or
    ``{build}``; the engine replaces them once the network environment has planned the addresses.
    """

    command: str
    args: tuple[str, ...] = attrs.field(default=(), converter=_texts)
    working_dir: str | None = attrs.field(default=None, converter=attrs.converters.optional(str))
    timeout: float | None = None
    env: Mapping[str, str] = attrs.field(factory=dict, kw_only=True)

    @property
    def argv(self) -> tuple[str, ...]:
        """The program and its arguments, ready for exec."""
        return (self.command, *self.args)

    def to_string(self) -> str:
        """Return the command quoted so that a person can paste it into a shell."""
        prefix = f"cd {shlex.quote(self.working_dir)} && " if self.working_dir else ""
        env = "".join(f"{key}={shlex.quote(value)} " for key, value in self.env.items())
        return prefix + env + shlex.join(self.argv)


@attrs.frozen(kw_only=True)
class CommandResult:
    """How a command that was run to its end went."""

    command: ShellCommand
    exit: ExitStatus
    duration: float
    usage: Usage = Usage()
    stdout: str = ""
    """The first part of standard output (the whole is in ``stdout_path`` if a log folder was given)."""
    stderr: str = ""
    stdout_path: Path | None = None
    stderr_path: Path | None = None

    @property
    def exit_code(self) -> int:
        """The exit code as a shell would report it: 128 + n for a signal n, 127 if it could not start."""
        if self.exit.signal is not None:
            return 128 + self.exit.signal
        return 127 if self.exit.code is None else self.exit.code


class CommandProcessor(abc.ABC):
    """Runs a command to its end. The engine hands one to whoever needs to call a tool."""

    @abc.abstractmethod
    def execute(
        self, command: ShellCommand, *, log_dir: Path | None = None, name: str = "", stdin: bytes = b""
    ) -> CommandResult:
        """Run ``command``, output into ``log_dir``, and end its whole tree at its timeout; its failure never raises."""


class LayerRole(enum.IntEnum):
    """Where a layer stands around the program; a smaller number is further out."""

    NETWORK = 1
    USER = 2
    INSTRUMENT = 3
    ENVIRONMENT = 4


@attrs.frozen(kw_only=True)
class Layer:
    """A command prefix (``strace -f -o F --``) or environment variables for exactly the program inside."""

    role: LayerRole
    by: str
    argv: tuple[str, ...] = attrs.field(default=(), converter=_texts)
    env: Mapping[str, str] = attrs.field(factory=dict)
    forks: bool = False
    """Whether the wrapper stays as the parent of the program. Signals then go to its child, not to it."""


@attrs.frozen(kw_only=True)
class ServiceCommand:
    """A service's program with every layer around it; what a network environment starts."""

    program: ShellCommand
    layers: tuple[Layer, ...] = ()

    def wrapped(self, layer: Layer) -> ServiceCommand:
        """Return the command with ``layer`` added: outside earlier layers of its role, inside those of outer roles."""
        return attrs.evolve(self, layers=tuple(sorted((layer, *self.layers), key=lambda each: each.role)))

    @property
    def argv(self) -> tuple[str, ...]:
        """The whole command line. Layer variables are set by ``env`` innermost, so that no wrapper sees them."""
        prefix = [text for layer in self.layers for text in layer.argv]
        env = {key: value for layer in self.layers for key, value in layer.env.items()}
        setting = ("env", *(f"{key}={value}" for key, value in env.items())) if env else ()
        return (*prefix, *setting, *self.program.argv)

    @property
    def forks(self) -> int:
        """How many parents stand between the started process and the program."""
        return sum(layer.forks for layer in self.layers)


class Process(abc.ABC):
    """A started service command. All methods may be called from any thread."""

    name: str
    pid: int

    @property
    @abc.abstractmethod
    def program_pid(self) -> int:
        """The process id of the program itself, below any wrapper that forks."""

    @property
    @abc.abstractmethod
    def exit(self) -> ExitStatus | None:
        """How it ended, or None while it runs."""

    @property
    @abc.abstractmethod
    def usage(self) -> Usage:
        """What the process and its waited-for children cost; final once it has ended."""

    @abc.abstractmethod
    def pids(self) -> tuple[int, ...]:
        """Return every live process of the tree, daemons that left it included."""

    @abc.abstractmethod
    def signal(self, number: int) -> None:
        """Send a signal to the program, never to a wrapper; nothing happens if it has ended."""

    @abc.abstractmethod
    def wait(self, timeout: float | None = None) -> ExitStatus | None:
        """Wait for the end; None if it still runs after ``timeout`` seconds."""

    @abc.abstractmethod
    def stop(self, *, signal: int, grace: float) -> ExitStatus:
        """Ask the program to end with ``signal``; after ``grace`` seconds kill the whole tree. Return how it ended."""

    @abc.abstractmethod
    def kill(self) -> ExitStatus:
        """End the whole tree at once, daemons included."""


class Launcher(abc.ABC):
    """Starts processes that cannot outlive PANTHER, with output in files that cannot fill the disk."""

    @abc.abstractmethod
    def start(
        self,
        command: ServiceCommand,
        *,
        name: str,
        folder: Path,
        env: Mapping[str, str] | None = None,
        output_limit: int | None = None,
    ) -> Process:
        """Start ``command`` with ``folder/stdout`` and ``folder/stderr`` as its output.

        ``env`` replaces the inherited environment. A command that cannot start gives a Process that has
        already ended with reason ``start_failed``.
        """
