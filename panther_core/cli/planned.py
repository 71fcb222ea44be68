"""What an experiment would do, shown without doing it: its cases, and the commands of their services."""

from __future__ import annotations

import argparse
import contextlib
import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs

from panther_core.cli.blocks import Rows
from panther_core.cli.console import Console
from panther_core.cli.session import not_ready
from panther_core.cli.text import plural
from panther_hookspecs import ConfigurationException, PantherExperimentError

if TYPE_CHECKING:  # names in signatures; planning is imported when there is something to plan
    from panther_core.config import ExperimentConfig
    from panther_core.plan import PlannedCase
    from panther_core.run.engine import Engine


_AT_ONCE = 200
"""Cases that are aligned with each other; no more of a plan is ever held."""


def add_plan_options(parser: argparse.ArgumentParser) -> None:
    """Add what `plan` and `run` share: the file, and which part of it."""
    parser.add_argument("file", metavar="FILE", help="the experiment")
    parser.add_argument("--select", "-k", default="", metavar="EXPR", help="only the cases that match the expression")
    parser.add_argument(
        "--set",
        dest="sets",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="change one key of the experiment, e.g. repeat=10; may be repeated",
    )
    parser.add_argument(
        "--provisioner",
        dest="provisioners",
        action="append",
        default=[],
        metavar="SPEC",
        help="where to run, instead of what the experiment says, e.g. 'ssh hosts=[a,b] workers=2'; may be repeated",
    )
    parser.add_argument(
        "--runs",
        metavar="DIR",
        help="the folder with earlier runs, which tell how long cases take (default: where the run is made)",
    )


def load_planned(args: argparse.Namespace, console: Console) -> ExperimentConfig:
    """Load the experiment that these options name, with what they change in it; refuse what a run would."""
    from panther_core.config import load_experiment  # noqa: PLC0415 - reading YAML costs more than most commands
    from panther_core.run.foresight import refuse_mistakes  # noqa: PLC0415 - the same

    experiment = load_experiment(
        args.file,
        console.plugins.registry,
        sets=args.sets,
        provisioners=args.provisioners,
        environ=console.environ,
    )
    refuse_mistakes(experiment, console.plugins.registry)
    return experiment


def earlier_runs(args: argparse.Namespace) -> Path | None:
    """Return the folder of --runs, which has to be one in which runs were made."""
    if args.runs is None:
        return None
    from panther_core.results.durations import DURATIONS  # noqa: PLC0415 - planning costs more than most commands

    if not (Path(args.runs) / DURATIONS).is_file():
        raise ConfigurationException(
            f"--runs {args.runs}: no run there has told how long cases take\n"
            f"  try: the folder that runs were made in, which has a file {DURATIONS}"
        )
    return Path(args.runs)


def show_plan(args: argparse.Namespace, console: Console, *, commands: bool, as_json: bool = False) -> int:
    """Print the cases that would run; with ``commands`` also what they would start."""
    from panther_core.plan import left_out, plan_cases  # noqa: PLC0415 - planning costs more than most commands

    registry = console.plugins.registry
    experiment = load_planned(args, console)
    cases = plan_cases(experiment, registry, select=args.select)
    with contextlib.ExitStack() as stack:
        engine = stack.enter_context(_engine(console, experiment)) if commands else None
        if as_json:
            _print_json(cases, console, engine)
            return 0
        count = 0
        while some := list(itertools.islice(cases, 1 if engine else _AT_ONCE)):
            count += len(some)
            console.show(Rows(rows=[_row(case) for case in some]))
            if engine is not None:
                console.show(Rows(rows=[each for case in some for each in _commands(case, engine)], indent=4))
    if not count:
        console.complain(f"no case matches --select {args.select!r}")
        return 2
    console.say(f"{plural(count, 'case')}, nothing was started")
    if unready := left_out(experiment, registry):
        console.say(not_ready(unready))
    return 0


def _row(case: PlannedCase) -> tuple[str, ...]:
    number = f" #{case.repetition}" if case.repetition > 1 else ""
    watched = " + ".join(each.descriptor.name for each in case.instruments)
    note = (
        f"unsupported: {case.unsupported}"
        if case.unsupported
        else " + ".join(filter(None, (case.network.name, watched)))
    )
    return (case.case_id, f"{case.described()}{number}", note)


def _commands(case: PlannedCase, engine: Engine) -> Iterator[tuple[str, str, str]]:
    """Yield service, phase and command line, or what would keep the case from running."""
    from panther_core.run.preview import preview  # noqa: PLC0415 - belongs to the running of cases

    if case.unsupported:
        return
    try:
        yield from preview(case, engine)
    except PantherExperimentError as error:
        yield "", "would fail", str(error)


def _engine(console: Console, experiment: ExperimentConfig) -> contextlib.AbstractContextManager[Engine]:
    from panther_core.app import Panther  # noqa: PLC0415 - only commands need an engine

    return Panther(console.settings, console.plugins).previewing(experiment)


def _print_json(cases: Iterator[PlannedCase], console: Console, engine: Engine | None) -> None:
    """Print a JSON list, one case on a line as it is planned: a million cases need no memory."""
    console.stdout.write("[")
    for number, case in enumerate(cases):
        console.stdout.write((",\n" if number else "\n") + json.dumps(_as_json(case, engine), default=str))
    console.stdout.write("\n]\n")


def _as_json(case: PlannedCase, engine: Engine | None) -> dict[str, Any]:
    found: dict[str, Any] = {
        "case": case.case_id,
        "name": case.name,
        "cell": dict(case.cell),
        "repetition": case.repetition,
        "seed": case.seed,
        "protocol": case.protocol.name if case.protocol else "",
        "scenario": case.scenario.name if case.scenario else "",
        "parameters": attrs.asdict(case.parameters) if attrs.has(type(case.parameters)) else case.parameters,
        "services": {
            each.name: {
                "implementation": each.descriptor.name,
                "role": each.role,
                "version": each.version,
                "target": each.target,
            }
            for each in case.services
        },
        "network_environment": case.network.name,
        "instruments": [each.descriptor.name for each in case.instruments],
        "type": case.test_type.name,
        "expected": sorted(each.value for each in case.expect),
        "timeout": case.timeout,
        "retry_count": case.retry_count,
        "exclusive": case.exclusive,
        "unsupported": case.unsupported,
    }
    if engine is not None:
        found["commands"] = [
            {"service": service, "phase": phase, "command": command}
            for service, phase, command in _commands(case, engine)
        ]
    return found
