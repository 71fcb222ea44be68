"""`panther schema`: the JSON schemas of experiment files, for editors, and of a run's files, for programs."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from panther_core.cli.console import Console
from panther_core.cli.failures import cannot_write
from panther_core.results.schemas import RECORDS, record_schema


def configure(parser: argparse.ArgumentParser) -> None:
    """Add of what, and where the schema goes."""
    parser.add_argument(
        "--of",
        choices=("experiment", *RECORDS),
        default="experiment",
        help="an experiment file (default), or a line of results.jsonl, events.jsonl or messages.jsonl",
    )
    parser.add_argument("--output", "-o", metavar="FILE", help="write it to FILE instead of printing it")


def run(args: argparse.Namespace, console: Console) -> int:
    """Write it."""
    from panther_core.config import experiment_schema  # noqa: PLC0415 - needed only here

    experiment = args.of == "experiment"
    text = json.dumps(experiment_schema(console.plugins.registry) if experiment else record_schema(args.of), indent=2)
    if not args.output:
        console.say(text)
        return 0
    try:
        Path(args.output).write_text(text + "\n", encoding="utf-8")
    except OSError as error:
        raise cannot_write(args.output, error) from error
    if not experiment:
        console.say(args.output)
        return 0
    console.say(f"{args.output}\nto use it, begin an experiment with:\n  # yaml-language-server: $schema={args.output}")
    return 0
