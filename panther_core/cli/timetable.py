"""`panther plan --simulate`: when each case would run, and where, by what earlier runs have taken."""

from __future__ import annotations

import argparse
import itertools
import json
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import attrs

from panther_core.cli.blocks import Rows
from panther_core.cli.console import Console
from panther_core.cli.planned import earlier_runs, load_planned
from panther_core.cli.text import duration, plural

if TYPE_CHECKING:  # names in signatures; planning is imported when there is something to plan
    from panther_core.config import ExperimentConfig
    from panther_core.plan import PlannedCase
    from panther_core.pool.timetable import Slot, Summary
    from panther_core.results.durations import Durations
    from panther_hookspecs import System

_AT_ONCE = 200
_NOTHING_KNOWN = 1.0
"""Seconds that a case counts as where no run has shown anything."""


def show_timetable(args: argparse.Namespace, console: Console) -> int:
    """Print which case would start when and on which system; nothing is started."""
    from panther_core.plan import plan_cases  # noqa: PLC0415 - planning costs more than most commands
    from panther_core.pool.timetable import Summary, predict  # noqa: PLC0415 - the same
    from panther_core.results.durations import Durations  # noqa: PLC0415 - the same

    registry = console.plugins.registry
    experiment = load_planned(args, console)
    durations = Durations.load(earlier_runs(args) or console.runs)
    systems = _systems(experiment, console, args)
    guessed = _Guesses(durations)
    summary = Summary()
    cases = plan_cases(experiment, registry, select=args.select)
    slots = predict(cases, guessed.seconds, systems, known=durations.expected, summary=summary)
    if args.json:
        _print_json(slots, console, guessed)
    else:
        while some := list(itertools.islice(slots, _AT_ONCE)):
            rows = [_row(each, sure=guessed.knows(each.case)) for each in some]
            console.show(Rows(rows=rows, titles=("start", "end", "system", "case"), right=(0, 1)))
    if not summary.cases and not summary.unplaced:
        console.complain(f"no case matches --select {args.select!r}")
        return 2
    if not args.json:
        _sum_up(summary, systems, guessed, console, "there" if args.runs else "here")
    for case in summary.unplaced:
        console.complain(f"no system can run {case.described()}")
    return 1 if summary.unplaced else 0


@attrs.define
class _Guesses:
    """How long cases take: what was seen, or the median of what was seen for a case that nothing is known about."""

    durations: Durations
    typical: float | None = attrs.field(default=attrs.Factory(lambda self: self.durations.typical(), takes_self=True))
    guessed: int = 0

    def seconds(self, case: PlannedCase) -> float:
        known = self.durations.expected(case)
        if known is not None:
            return known
        self.guessed += 1
        return _NOTHING_KNOWN if self.typical is None else self.typical

    def knows(self, case: PlannedCase) -> bool:
        return self.durations.expected(case) is not None


def _systems(experiment: ExperimentConfig, console: Console, args: argparse.Namespace) -> Sequence[System]:
    """Return the systems that a run would have; those that are not reserved yet are taken to have all that is asked."""
    from panther_core.plan import plan_cases  # noqa: PLC0415 - the same
    from panther_core.pool.slots import LocalSlots  # noqa: PLC0415 - the same
    from panther_core.session import supply  # noqa: PLC0415 - the engine is imported by whoever needs it
    from panther_hookspecs import System  # noqa: PLC0415 - the same

    registry = console.plugins.registry
    if not experiment.provisioners:
        slots = LocalSlots()
        return [slots.reserve() for _ in range(args.jobs)]
    labels: set[str] = set()
    uses: set[str] = set()
    for case in plan_cases(experiment, registry, select=args.select):
        labels.update(case.labels)
        uses.update(case.uses)
    return [
        made.reserve()
        if isinstance(made, LocalSlots)
        else System(
            name=f"{descriptor.name}-{number}",
            host=f"{descriptor.name}-{number}",
            labels=frozenset(labels),
            capacity=dict.fromkeys(uses & {"cpus", "memory"}, float("inf")),
        )
        for descriptor, made, workers in supply(experiment, registry, args.jobs)
        for number in range(1, workers + 1)
    ]


def _row(slot: Slot, *, sure: bool) -> tuple[str, ...]:
    number = f" #{slot.case.repetition}" if slot.case.repetition > 1 else ""
    late = f"  after its deadline, {duration(slot.case.deadline or 0.0)}: would not be started" if slot.late else ""
    end = duration(slot.end) if sure else f"~{duration(slot.end)}"
    return (duration(slot.start), end, slot.system.name, f"{slot.case.described()}{number}{late}")


def _sum_up(summary: Summary, systems: Sequence[System], guesses: _Guesses, console: Console, where: str) -> None:
    console.say(
        f"{plural(summary.cases, 'case')} on {plural(len(systems), 'system')}: over after {duration(summary.end)}, "
        f"no order could be faster than {duration(summary.bound(len(systems)))}; nothing was started"
    )
    if guesses.guessed:
        known = guesses.typical
        counts = duration(_NOTHING_KNOWN) if known is None else f"the median of others, {duration(known)}"
        console.say(f"~ {plural(guesses.guessed, 'case')} never ran {where}: counted as {counts}")


def _print_json(slots: Iterator[Slot], console: Console, guesses: _Guesses) -> None:
    """Print a JSON list, one case on a line."""
    console.stdout.write("[")
    for number, slot in enumerate(slots):
        console.stdout.write((",\n" if number else "\n") + json.dumps(_as_json(slot, known=guesses.knows(slot.case))))
    console.stdout.write("\n]\n")


def _as_json(slot: Slot, *, known: bool) -> dict[str, object]:
    return {
        "case": slot.case.case_id,
        "name": slot.case.described(),
        "repetition": slot.case.repetition,
        "system": slot.system.name,
        "start": round(slot.start, 3),
        "end": round(slot.end, 3),
        "known": known,
        "late": slot.late,
    }
