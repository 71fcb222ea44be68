"""`panther ci init`: a small workflow that runs an experiment for every change."""

from __future__ import annotations

import argparse
import shlex
import string
from importlib.resources import files
from pathlib import Path

from panther_core.cli.console import Console
from panther_core.cli.failures import cannot_write
from panther_core.cli.text import shown_path
from panther_core.results.directory import slug
from panther_hookspecs import ConfigurationException

_TARGET = Path(".github/workflows/panther.yml")


def configure(parser: argparse.ArgumentParser) -> None:
    """Add what to do, and for which experiment."""
    parser.add_argument("action", choices=("init",), help="init writes a workflow")
    parser.add_argument("experiment", metavar="FILE", type=Path, help="the experiment that it runs")
    parser.add_argument(
        "--output", "-o", metavar="FILE", type=Path, default=_TARGET, help=f"where to write it (default: {_TARGET})"
    )


def run(args: argparse.Namespace, console: Console) -> int:
    """Write the workflow, which never replaces one that is there."""
    if not args.experiment.is_file():
        raise ConfigurationException(f"there is no file {args.experiment}")
    experiment = args.experiment
    target = args.output
    template = files("panther_core.cli").joinpath("workflow.yml.tmpl").read_text(encoding="utf-8")
    content = string.Template(template).substitute(
        experiment=shlex.quote(experiment.as_posix()), run=f"runs/{slug(experiment.stem)}"
    )
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("x", encoding="utf-8") as file:
            file.write(content)
    except FileExistsError as error:
        raise ConfigurationException(f"{target} is there already\n  try: --output with another name") from error
    except OSError as error:
        raise cannot_write(target, error) from error
    console.say(f"{shown_path(target)}: runs {experiment} for every push and pull request")
    return 0
