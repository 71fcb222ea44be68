"""`panther run`: carry out an experiment."""

from __future__ import annotations

import argparse
from pathlib import Path

from panther_core.cli.console import Console
from panther_core.cli.planned import add_plan_options, earlier_runs, show_plan
from panther_core.cli.session import add_screen_options, conduct


def configure(parser: argparse.ArgumentParser) -> None:
    """Add which experiment to run, and how."""
    add_plan_options(parser)
    parser.add_argument("--output", "-o", metavar="DIR", help="the run's folder, which must not exist yet")
    parser.add_argument("--dry-run", action="store_true", help="only show the cases and the commands that would run")
    parser.add_argument(
        "--locked", metavar="RUN", help="refuse to run where anything differs from that run or lock file"
    )
    add_screen_options(parser)


def run(args: argparse.Namespace, console: Console) -> int:
    """Run it, or only show what would be run."""
    if args.dry_run:
        return show_plan(args, console, commands=True)
    from panther_core.app import RunOptions  # noqa: PLC0415 - the engine is needed only here

    options = RunOptions(
        jobs=args.jobs,
        select=args.select,
        sets=args.sets,
        provisioners=args.provisioners,
        runs=earlier_runs(args),
        output=Path(args.output) if args.output else None,
        locked=Path(args.locked) if args.locked else None,
        fail_fast=args.fail_fast,
        fast_fail=not args.no_fast_fail,
        strict=console.strict,
        keep_capture=args.keep_capture,
    )
    return conduct(args, console, lambda screen: console.panther.run(Path(args.file), options, [screen]))
