"""`panther validate`: find every error of experiment files without running anything."""

from __future__ import annotations

import argparse
from pathlib import Path

from panther_core.cli.console import Console
from panther_core.cli.failures import explain
from panther_core.cli.text import plural
from panther_hookspecs import PantherExperimentError


def configure(parser: argparse.ArgumentParser) -> None:
    """Add which experiments to look at."""
    parser.add_argument("files", metavar="FILE", nargs="+", help="an experiment")
    parser.add_argument(
        "--set",
        dest="sets",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="change one key of the experiment first; may be repeated",
    )


def run(args: argparse.Namespace, console: Console) -> int:
    """Say for each what is wrong, or how many cases it has."""
    worst = 0
    for name in args.files:
        try:
            count = _count(Path(name), args.sets, console)
        except PantherExperimentError as error:
            worst = max(worst, explain(error, console))
        else:
            console.say(f"{name}: {plural(count, 'case')}")
    return worst


def _count(path: Path, sets: list[str], console: Console) -> int:
    """Understand the experiment completely and return the number of its cases."""
    from panther_core.config import load_experiment  # noqa: PLC0415 - reading YAML costs more than most commands
    from panther_core.plan import count_cases  # noqa: PLC0415 - the same
    from panther_core.run.foresight import refuse_mistakes  # noqa: PLC0415 - the same

    registry = console.plugins.registry
    experiment = load_experiment(path, registry, sets=sets, environ=console.environ)
    refuse_mistakes(experiment, registry)
    return count_cases(experiment)
