"""`panther plan`: show the cases of an experiment without running them."""

from __future__ import annotations

import argparse

from panther_core.cli.console import Console
from panther_core.cli.planned import add_plan_options, show_plan
from panther_hookspecs import CommandDescriptor


def _configure(parser: argparse.ArgumentParser) -> None:
    add_plan_options(parser)
    parser.add_argument("--commands", action="store_true", help="also show what each service would run")
    parser.add_argument("--json", action="store_true", help="print a list of objects")


def _run(args: argparse.Namespace, console: Console) -> int:
    return show_plan(args, console, commands=args.commands, as_json=args.json)


COMMAND = CommandDescriptor(
    name="plan", summary="Show the cases of an experiment without running them", configure=_configure, run=_run
)
