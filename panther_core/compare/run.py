"""The comparison of two runs, step by step."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping

from panther_core.compare.cells import CellView
from panther_core.compare.directions import NEITHER, direction_of
from panther_core.compare.findings import finding_changes
from panther_core.compare.noise import surroundings_of
from panther_core.compare.numbers import Sample, impact, judged, samples_of
from panther_core.compare.pairs import Pairs, pairs_of
from panther_core.compare.values import Comparison, Rules
from panther_core.compare.verdicts import verdict_changes
from panther_core.results.provenance import differences
from panther_hookspecs import ConfigurationException, RunView

_MOST_NAMED = 3
_FORM = "{}: {!r} in A, {!r} in B"


def compare(a: RunView, b: RunView, rules: Rules = Rules()) -> Comparison:  # noqa: B008 - a frozen value
    """Compare run ``b`` with run ``a``, which came before; raise where they have no case in common."""
    if a.folder.resolve() == b.folder.resolve() and _cell(a) == _cell(b):
        raise ConfigurationException(
            f"{b.folder} is compared with itself\n  try: panther runs, which lists the runs there are"
        )
    pairs = pairs_of(a, b)
    if not pairs.together:
        raise ConfigurationException(
            f"{a.folder} and {b.folder} have no finished case in common\n"
            "  because cases belong together that have the same name and the same values of the matrix"
        )
    machine, others = _locks(a, b)
    numbered = [each for each in pairs.together if each.watched_alike and each.one_clock and each.comparable]
    around = surroundings_of(numbered)
    samples = [sample for pair in numbered for sample in samples_of(pair)]
    _check(rules, samples)
    changes, tested = judged([each for each in samples if _is_wanted(each, rules)], rules)
    return Comparison(
        pairs=len(pairs.together),
        numbered=len(numbered),
        repetitions=(
            min((len(each.a) for each in changes), default=0),
            min((len(each.b) for each in changes), default=0),
        ),
        machine=machine,
        others=others,
        notes=tuple(_notes(pairs)),
        noise=tuple(around.told()),
        disturbed=(around.a.disturbed, around.b.disturbed),
        verdicts=verdict_changes(pairs.together),
        findings=finding_changes(pairs.together),
        changes=tuple(sorted(changes, key=impact)),
        tested=tested,
    )


def _cell(run: RunView) -> Mapping[str, str]:
    return run.cell if isinstance(run, CellView) else {}


def _is_wanted(sample: Sample, rules: Rules) -> bool:
    """Return whether a metric is to be judged; one of which neither more nor less is better only if it is named."""
    named = bool(rules.metrics) or direction_of(sample.metric, rules) != NEITHER
    return named and rules.wants(sample.metric)


def _check(rules: Rules, samples: list[Sample]) -> None:
    """Refuse a pattern that means no metric: a limit that nothing keeps to would be no limit."""
    metrics = dict.fromkeys(each.metric for each in samples)
    for pattern in (*rules.metrics, *rules.higher, *(pattern for pattern, _ in rules.limits)):
        if not any(metric.matches(pattern) for metric in metrics):
            names = sorted({name for metric in metrics for name in (metric.name, str(metric))})
            near = difflib.get_close_matches(pattern, names, _MOST_NAMED)
            raise ConfigurationException(
                f"no metric that both runs have matches {pattern!r}\n"
                + (
                    f"  did you mean {' or '.join(near)}?"
                    if near
                    else "  try: panther compare A B --json, which lists all"
                )
            )


def _locks(a: RunView, b: RunView) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return how the machines differ, and how everything else does that a run depends on."""
    before, after = a.lock, b.lock
    if not before or not after:
        missing = a.folder if not before else b.folder
        return (f"unknown: {missing} has no panther.lock.json",), ()
    machine = differences(before.get("machine") or {}, after.get("machine") or {}, "machine", form=_FORM)
    first, second = ({key: lock[key] for key in lock if key != "machine"} for lock in (before, after))
    others = differences(first, second, form=_FORM)
    others += differences(before.get("programs") or {}, after.get("programs") or {}, "programs", form=_FORM)
    return tuple(machine), tuple(others)


def _notes(pairs: Pairs) -> Iterator[str]:
    for name, count in zip("AB", pairs.unfinished, strict=True):
        if count:
            yield f"{count} of the cases of {name} did not finish; they are left out"
    for name, labels in (("A", pairs.only_a), ("B", pairs.only_b)):
        if labels:
            yield f"only in {name}: {_some(labels)}"
    for pair in pairs.together:
        if not pair.watched_alike:
            watched = [" and ".join(sorted(side.instruments)) or "nothing" for side in (pair.a, pair.b)]
            yield f"numbers not compared: {pair.label} was watched by {watched[0]} in A, by {watched[1]} in B"
        if not pair.one_clock:
            clocks = [" and ".join(sorted(side.clocks)) for side in (pair.a, pair.b)]
            yield f"numbers not compared: {pair.label} lived by a {clocks[0]} clock in A, by a {clocks[1]} one in B"
    other = [each.label for each in pairs.together if not each.same_content]
    if other:
        yield f"defined differently in A and B: {_some(other)}"
    silent = [each.label for each in pairs.together if each.watched_alike and each.one_clock and not each.comparable]
    if silent:
        yield f"numbers not compared, no repetition ended alike in both: {_some(silent)}"


def _some(labels: tuple[str, ...] | list[str]) -> str:
    more = len(labels) - _MOST_NAMED
    return "; ".join(labels[:_MOST_NAMED]) + (f"; and {more} more" if more > 0 else "")
