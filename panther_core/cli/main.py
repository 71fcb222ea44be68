"""The entry point: global options, the choice of the command, and the one place where errors become exit codes."""

from __future__ import annotations

import argparse
import io
import os
import signal
import sys
import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING, NoReturn

from panther_core.cli import known
from panther_core.cli.text import clean

if TYPE_CHECKING:  # help must not pay for the contract and the plugins
    from panther_core.cli.console import Console
    from panther_hookspecs import CommandDescriptor

USAGE = 2
INTERRUPTED = 130
PIPE_CLOSED = 141
_EPILOG = """\
panther COMMAND --help explains one command.
Exit codes: 0 all as expected, 1 not, 2 usage or configuration,
3 this machine cannot run it, 130 interrupted."""


def main(argv: Sequence[str] | None = None, *, extra: Sequence[object] = ()) -> int:
    """Run one command of the console and return its exit code; ``extra`` are plugins that are not installed."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    _survive_any_encoding()
    _end_on_sigterm_as_on_ctrl_c()
    try:
        code = _main(arguments, extra)
        sys.stdout.flush()
    except SystemExit as stop:  # argparse has said what is wrong
        return stop.code if isinstance(stop.code, int) else USAGE if stop.code else 0
    except BrokenPipeError:
        # Whoever read our output has enough (`panther show last | head`). Python flushes at exit once more.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return PIPE_CLOSED
    except KeyboardInterrupt:
        sys.stderr.write("panther: interrupted\n")
        return INTERRUPTED
    return code


def _end_on_sigterm_as_on_ctrl_c() -> None:
    """Let SIGTERM cancel a run cleanly too; a second one ends the process as ever."""

    def interrupt(number: int, _frame: object) -> None:
        signal.signal(number, signal.SIG_DFL)
        raise KeyboardInterrupt

    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, interrupt)


def _main(arguments: list[str], extra: Sequence[object]) -> int:
    commands = known.cached(os.environ) if arguments in (["-h"], ["--help"]) and not extra else None
    if commands is not None:
        _print_help(commands)
        return 0
    args = global_parser().parse_args(arguments)
    if args.version:
        from panther_core.cli.version import ask_version  # noqa: PLC0415 - help must not pay for it

        sys.stdout.write(f"panther {ask_version()}\n")
        return 0
    from panther_core.cli.console import Console  # noqa: PLC0415 - help must not pay for it

    console = Console(
        config_file=args.config or "",
        block=_blocked(args.plugins),
        extra=extra,
        color=args.color,
        strict=args.strict,
        verbosity=args.verbose,
    )
    return _guarded(console, args.rest, wants_help=args.help)


def _guarded(console: Console, rest: list[str], *, wants_help: bool) -> int:
    from panther_core.cli.failures import explain  # noqa: PLC0415 - help must not pay for it

    try:
        return _command(console, rest, wants_help=wants_help)
    except (BrokenPipeError, KeyboardInterrupt):
        raise
    except Exception as error:  # noqa: BLE001 - the outermost place: everything is reported, nothing is swallowed
        return explain(error, console)


def _command(console: Console, rest: list[str], *, wants_help: bool) -> int:
    from panther_core.cli.builtin import descriptors  # noqa: PLC0415 - help must not pay for it
    from panther_hookspecs import CommandDescriptor  # noqa: PLC0415 - the same

    helping = wants_help or not rest
    own = {each.name: each for each in descriptors()}
    if not helping and rest[0] in own:  # the plugins are loaded when it asks for them
        return _run(own[rest[0]], rest[1:], console)
    registry = (console.load("commands") if helping else console.plugins).registry
    commands = tuple(_known(each) for each in registry.all(CommandDescriptor))
    if not (console.block or console.extra or console.config_file):
        known.remember(commands, console.environ)
    if helping:
        _print_help(commands)
        return 0 if wants_help else USAGE
    return _run(registry.get(CommandDescriptor, rest[0]), rest[1:], console)


def _known(command: CommandDescriptor) -> known.Known:
    plugin = command.provider.plugin
    return known.Known(command.name, command.summary, "" if plugin == "builtin" else plugin)


def _run(command: CommandDescriptor, arguments: list[str], console: Console) -> int:
    args = command_parser(command).parse_args(arguments)
    console.verbosity += getattr(args, "more_verbose", 0)
    console.strict = console.strict or getattr(args, "also_strict", False)
    console.color = getattr(args, "other_color", None) or console.color
    return command.run(args, console)


def command_parser(command: CommandDescriptor) -> argparse.ArgumentParser:
    """Return the parser of one command: its own options, and the global ones that make sense behind it."""
    parser = argparse.ArgumentParser(
        prog=f"panther {command.name}", description=command.summary, conflict_handler="resolve", allow_abbrev=False
    )
    group = parser.add_argument_group("global options")
    group.add_argument("-v", "--verbose", dest="more_verbose", action="count", default=0, help="say more")
    group.add_argument("--strict", dest="also_strict", action="store_true", help="make warnings errors")
    group.add_argument("--color", dest="other_color", choices=("auto", "always", "never"), help="when to use colours")
    command.configure(parser)
    return parser


class _GlobalParser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """Say what is wrong in one line, as everything else does."""
        self.exit(USAGE, f"panther: {message}\n  try: panther --help\n")


def global_parser() -> argparse.ArgumentParser:
    """Return the parser of what may stand before the command."""
    parser = _GlobalParser(
        prog="panther",
        usage="panther [OPTIONS] COMMAND ...",
        add_help=False,
        allow_abbrev=False,
        description="Run experiments with network protocols, and say what is true.",
    )
    options = parser.add_argument_group("options")
    options.add_argument("-h", "--help", action="store_true", help="show this")
    options.add_argument("--version", action="store_true", help="show the version")
    options.add_argument("--config", metavar="FILE", help="read the global configuration from FILE")
    options.add_argument(
        "-p",
        dest="plugins",
        metavar="no:NAME",
        action="append",
        default=[],
        help="leave out the plugin NAME; may be given more than once",
    )
    options.add_argument(
        "--color",
        choices=("auto", "always", "never"),
        default="auto",
        help="when to use colours (default: on a terminal)",
    )
    options.add_argument("--strict", action="store_true", help="make warnings of plugins and observers errors")
    options.add_argument("-v", "--verbose", action="count", default=0, help="say more; twice: show tracebacks")
    parser.add_argument("rest", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
    return parser


def _blocked(values: Sequence[str]) -> tuple[str, ...]:
    for value in values:
        if not value.startswith("no:") or value == "no:":
            global_parser().error(f"-p {value}: expected no:NAME, the name of a plugin to leave out")
    return tuple(value.removeprefix("no:") for value in values)


def _print_help(commands: Sequence[known.Known]) -> None:
    own = [(each.name, each.summary) for each in commands if not each.plugin]
    added = [(each.name, f"{each.summary} ({each.plugin})") for each in commands if each.plugin]
    text = global_parser().format_help().rstrip()
    for title, rows in (("commands", own), ("commands of plugins", added)):
        if rows:
            widest = max(len(name) for name, _ in rows)
            text += f"\n\n{title}:\n" + "\n".join(f"  {name:<{widest}}  {clean(said)}" for name, said in rows)
    sys.stdout.write(f"{text}\n\n{_EPILOG}\n")


def _survive_any_encoding() -> None:
    """Write what a terminal's encoding lacks as an escape instead of dying of it."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


if __name__ == "__main__":
    raise SystemExit(main())
