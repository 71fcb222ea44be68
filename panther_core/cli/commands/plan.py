"""`panther plan`: show the cases of an experiment without running them."""

from __future__ import annotations

import argparse

from panther_core.cli.console import Console
from panther_core.cli.planned import add_plan_options, show_plan
from panther_core.cli.session import add_jobs_option
from panther_core.cli.timetable import show_timetable


def configure(parser: argparse.ArgumentParser) -> None:
    """Add which cases to show, and how much of them."""
    add_plan_options(parser)
    parser.add_argument("--commands", action="store_true", help="also show what each service would run")
    parser.add_argument(
        "--simulate", action="store_true", help="show when each case would run, by what earlier runs have taken"
    )
    add_jobs_option(parser)
    parser.add_argument("--json", action="store_true", help="print a list of objects")


def run(args: argparse.Namespace, console: Console) -> int:
    """Show the cases, or their timetable."""
    if args.simulate:
        return show_timetable(args, console)
    return show_plan(args, console, commands=args.commands, as_json=args.json)
