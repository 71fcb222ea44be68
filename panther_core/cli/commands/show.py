"""`panther show`: what a run has shown, in a few lines."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from typing import Any

from panther_core.cli.attempts import case_label
from panther_core.cli.blocks import Block
from panther_core.cli.console import Console
from panther_core.cli.overview import case_blocks, run_blocks
from panther_core.cli.packets import packet_blocks
from panther_hookspecs import ConfigurationException, RunView


def configure(parser: argparse.ArgumentParser) -> None:
    """Add which run to show, and how much of it."""
    parser.add_argument(
        "run", metavar="RUN", nargs="?", default="last", help="the run: its folder, its name, or last (default)"
    )
    parser.add_argument(
        "--case", metavar="CASE", help="all about the cases with CASE in their name or at the start of their id"
    )
    parser.add_argument(
        "--packets", action="store_true", help="the recorded packets of the cases, decoded as far as tshark can"
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
    if args.packets:
        console.show(*packet_blocks(cases, view.folder))
        return 0
    console.show(*(_cases(cases, view) if args.case else run_blocks(view, cases)))
    return 0


def _cases(cases: list[Mapping[str, Any]], view: RunView) -> list[Block]:
    return [block for each in cases for block in (*case_blocks(each, view.folder), "")][:-1]


def _matches(case: Mapping[str, Any], wanted: str) -> bool:
    return str(case["case"]).startswith(wanted) or wanted in case_label(case)
