"""`panther export`: `panther report` under the word of those who want data for another program."""

from __future__ import annotations

import argparse

from panther_core.cli.commands.report import configure, make_report, show_reports
from panther_core.cli.console import Console
from panther_hookspecs import ReportDescriptor

__all__ = ["configure", "run"]


def run(args: argparse.Namespace, console: Console) -> int:
    """Make the report, or list those that are data."""
    if args.format:
        return make_report(args, console)
    show_reports((each for each in console.plugins.registry.all(ReportDescriptor) if each.exports), console)
    return 0
