"""`panther resume`: carry out what an interrupted run has left."""

from __future__ import annotations

import argparse

from panther_core.cli.console import Console
from panther_core.cli.session import add_screen_options, conduct


def configure(parser: argparse.ArgumentParser) -> None:
    """Add which run to continue, and how."""
    parser.add_argument("run", metavar="RUN", help="the run: its folder, its name, or last")
    parser.add_argument("--only-missing", action="store_true", help="leave alone what came out otherwise than expected")
    add_screen_options(parser)


def run(args: argparse.Namespace, console: Console) -> int:
    """Continue it."""
    from panther_core.app import RunOptions  # noqa: PLC0415 - the engine is needed only here

    folder = console.run_folder(args.run)
    options = RunOptions(
        jobs=args.jobs,
        fail_fast=args.fail_fast,
        fast_fail=not args.no_fast_fail,
        strict=console.strict,
        keep_capture=args.keep_capture,
        only_missing=args.only_missing,
    )
    return conduct(args, console, lambda screen: console.panther.resume(folder, options, [screen]))
