"""`panther schema`: the JSON schema of experiment files, for editors."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from panther_core.cli.console import Console
from panther_hookspecs import PantherExperimentError


def configure(parser: argparse.ArgumentParser) -> None:
    """Add where the schema goes."""
    parser.add_argument("--output", "-o", metavar="FILE", help="write it to FILE instead of printing it")


def run(args: argparse.Namespace, console: Console) -> int:
    """Write it."""
    from panther_core.config import experiment_schema  # noqa: PLC0415 - needed only here

    text = json.dumps(experiment_schema(console.plugins.registry), indent=2)
    if not args.output:
        console.say(text)
        return 0
    try:
        Path(args.output).write_text(text + "\n", encoding="utf-8")
    except OSError as error:
        raise PantherExperimentError(f"cannot write {args.output}: {error.strerror}") from error
    console.say(f"{args.output}\nto use it, begin an experiment with:\n  # yaml-language-server: $schema={args.output}")
    return 0
