"""`panther report`: make a file for a person or a program from a finished run."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

from panther_core.cli.blocks import Rows
from panther_core.cli.console import Console
from panther_core.cli.session import write_report
from panther_core.cli.text import shown_path
from panther_hookspecs import ConfigurationException, ReportDescriptor


def configure(parser: argparse.ArgumentParser) -> None:
    """Add which report to make of which run."""
    parser.add_argument(
        "run", metavar="RUN", nargs="?", default="last", help="the run: its folder, its name, or last (default)"
    )
    parser.add_argument(
        "--format", "-f", metavar="NAME", help="which report; without it, those that are installed are listed"
    )
    parser.add_argument(
        "--output", "-o", metavar="FILE", help="where to write it (default: in the run's folder); - prints it"
    )
    parser.add_argument(
        "--against", metavar="OLD", default="", help="an earlier run to compare with, in reports that show that (html)"
    )


def run(args: argparse.Namespace, console: Console) -> int:
    """Make the report, or list the ones there are."""
    if not args.format:
        show_reports(console.plugins.registry.all(ReportDescriptor), console)
        return 0
    return make_report(args, console)


def show_reports(reports: Iterable[ReportDescriptor], console: Console) -> None:
    """List what there is to choose from."""
    rows = [(each.name, each.filename, each.summary) for each in reports]
    console.show(Rows(rows=rows, titles=("report", "file", "what it shows")))


def make_report(args: argparse.Namespace, console: Console) -> int:
    """Make the report that is asked for."""
    descriptor = console.plugins.registry.get(ReportDescriptor, args.format)
    if args.against and not descriptor.compares:
        able = ", ".join(each.name for each in console.plugins.registry.all(ReportDescriptor) if each.compares)
        raise ConfigurationException(
            f"the report {descriptor.name} does not show what has changed since another run (--against); "
            f"these do: {able or 'none'}\n  try: panther compare {args.against} {args.run} --json"
        )
    run = console.run_folder(args.run)
    if args.output == "-":
        with tempfile.TemporaryDirectory(prefix="panther-report-") as folder:
            target = str(Path(folder) / descriptor.filename)
            content = write_report(descriptor, run, target, console, args.against).read_bytes()
        _print(content, console)
        return 0
    console.say(shown_path(write_report(descriptor, run, args.output or "", console, args.against)))
    return 0


def _print(content: bytes, console: Console) -> None:
    """Print the report as it is, byte for byte where standard output takes bytes."""
    raw = getattr(console.stdout, "buffer", None) if console.stdout is sys.stdout else None
    if raw is None:
        console.stdout.write(content.decode("utf-8", "replace"))
        return
    console.stdout.flush()
    raw.write(content)
