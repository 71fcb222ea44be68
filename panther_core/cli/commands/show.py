"""`panther show`: what a run has shown, in a few lines."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from typing import Any

from panther_core.cli.console import Console
from panther_core.cli.overview import case_lines, run_lines
from panther_core.cli.progress import case_label
from panther_hookspecs import ConfigurationException, RunView


def configure(parser: argparse.ArgumentParser) -> None:
    """Add which run to show, and how much of it."""
    parser.add_argument(
        "run", metavar="RUN", nargs="?", default="last", help="the run: its folder, its name, or last (default)"
    )
    parser.add_argument(
        "--case", metavar="CASE", help="all about the cases with CASE in their name or at the start of their id"
    )
    parser.add_argument("--json", action="store_true", help="print one object with the records of the cases")


def run(args: argparse.Namespace, console: Console) -> int:
    """Show it."""
    view = console.open_run(args.run)
    cases = [each for each in view.cases() if not args.case or _matches(each, args.case)]
    if args.case and not cases:
        raise ConfigurationException(
            f"no case of {view.folder} has {args.case!r} in its name or at the start of its id\n"
            f"  try: panther show {args.run}"
        )
    if args.json:
        console.say(json.dumps({"run": str(view.folder), "cases": cases}, indent=2, default=str))
        return 0
    for line in _lines(view, cases, console, detailed=bool(args.case)):
        console.say(line)
    return 0


def _lines(view: RunView, cases: list[Mapping[str, Any]], console: Console, *, detailed: bool) -> list[str]:
    if detailed:
        return [line for each in cases for line in (*case_lines(each, view.folder, console.style), "")][:-1]
    return run_lines(view, cases, console.style, limit=console.columns)


def _matches(case: Mapping[str, Any], wanted: str) -> bool:
    return str(case["case"]).startswith(wanted) or wanted in case_label(case)
