"""`panther expect`: write down what runs have shown, so that the next one reports changes only."""

from __future__ import annotations

import argparse
from pathlib import Path

from panther_core.cli.console import Console
from panther_core.cli.failures import cannot_write
from panther_core.cli.text import plural, shown_path
from panther_hookspecs import PantherExperimentError


def configure(parser: argparse.ArgumentParser) -> None:
    """Add from which runs to make it, and where to."""
    parser.add_argument(
        "--from",
        dest="runs",
        metavar="RUN",
        action="append",
        required=True,
        help="the run: its folder, its name, or last; may be repeated: verdicts that differ are then all expected",
    )
    parser.add_argument(
        "--output",
        "-o",
        metavar="FILE",
        help="where to write it (default: standard output); of a file that is there, rules that still hold are kept",
    )


def run(args: argparse.Namespace, console: Console) -> int:
    """Make the file."""
    from panther_core.expectations import expectations  # noqa: PLC0415 - needed only here

    cases = [case for run in args.runs for case in console.open_run(run).cases()]
    if not cases:
        raise PantherExperimentError(f"nothing has finished in {', '.join(args.runs)}, so nothing can be expected")
    path = Path(args.output) if args.output and args.output != "-" else None
    try:
        made = expectations(cases, path.read_text(encoding="utf-8") if path and path.is_file() else "")
        if path:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(made.text, encoding="utf-8")
        else:
            console.stdout.write(made.text)
    except (OSError, UnicodeDecodeError) as error:
        raise cannot_write(path or args.output, error) from error
    if path:
        console.say(f"{plural(made.rules, 'rule')} in {shown_path(path)}")
    if made.left_out:
        console.warn(f"{plural(made.left_out, 'case')} left out: cancelled or unfinished")
    if made.errors:
        console.warn(f"{plural(made.errors, 'cell')} with the verdict error: look at them before you expect that")
    return 0
