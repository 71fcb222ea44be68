"""A comparison of two runs, for a person."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from panther_core.cli.attempts import mark
from panther_core.cli.blocks import Block, Line, Rows, Styled, link
from panther_core.cli.text import counted, number, plural
from panther_core.compare import Change, Comparison, FindingChange, Outcome, conclusion
from panther_core.statistics import median, repetitions_to_show_anything

_MOST = 20
_MOST_OPEN = 5
_MOST_APART = 12
_MOST_DIFFERENCES = 8
_WHOLE_PERCENT = 10
_HASH = re.compile(r"\b([0-9a-f]{12})[0-9a-f]{20,}\b")
_ABSENT = re.compile(r"\bNone in(?= [AB]\b)")
_NAMED = (Outcome.WORSE, Outcome.BETTER, Outcome.CHANGED, Outcome.SAME, Outcome.INCONCLUSIVE)
_COLOURS = {Outcome.WORSE: "red", Outcome.BETTER: "green", Outcome.CHANGED: "cyan", Outcome.INCONCLUSIVE: "yellow"}


def comparison_blocks(found: Comparison, a: Path, b: Path, parts: Sequence[str] = ("", "")) -> list[Block]:
    """Return what differs, the most important first: machines, verdicts, findings, functions, other metrics.

    ``parts`` names the parts of the runs that are compared, where that is not all of them.
    """
    sides = zip("AB", (a, b), parts, strict=True)
    blocks: list[Block] = [[f"{name}  ", link(run), f" @ {part}" if part else ""] for name, run, part in sides]
    blocks += _differences(found)
    blocks += [f"  {each}" for each in (*found.notes, *found.noise)]
    blocks += _verdicts(found, b)
    blocks += _findings(found, b)
    blocks += _numbers(found)
    return [*blocks, "", conclusion(found)]


def _differences(found: Comparison) -> list[Block]:
    blocks: list[Block] = []
    if found.machine:
        warning = "! A and B ran on different machines; numbers may differ for that reason alone"
        blocks += [Styled(warning, "bold red"), *_capped(found.machine)]
    if found.others:
        blocks += ["  also different:", *_capped(found.others)]
    return blocks


def _capped(texts: Sequence[str]) -> list[Block]:
    more = len(texts) - _MOST_DIFFERENCES
    rows = Rows(
        rows=[(_ABSENT.sub("nothing in", _HASH.sub(r"\1...", each)),) for each in texts[:_MOST_DIFFERENCES]], indent=4
    )
    return [rows, f"    and {more} more: --json lists all"] if more > 0 else [rows]


def _verdicts(found: Comparison, b: Path) -> list[Block]:
    alike = found.pairs - len(found.verdicts)
    title: Line = [Styled("verdicts", "bold"), f": {plural(found.pairs, 'case')} compared, {alike} unchanged"]
    blocks: list[Block] = ["", title]
    for each in found.verdicts[:_MOST]:
        row = (each.change, f"{counted(each.a)} -> {counted(each.b)}", each.case)
        blocks.append(_marked(row, worse=each.worse))
        if each.worse:
            blocks += [Rows(rows=[(each.why,)], indent=6), ["      ", link(b / each.folder)]]
    return blocks + _more(len(found.verdicts))


def _marked(row: Sequence[str], *, worse: bool) -> Rows:
    return Rows(rows=[([mark(expected=not worse), " ", row[0]], *row[1:])])


def _more(count: int, most: int = _MOST) -> list[Block]:
    return [f"  and {count - most} more: --json lists all"] if count > most else []


def _findings(found: Comparison, b: Path) -> list[Block]:
    if not found.findings:
        return []
    blocks: list[Block] = ["", [Styled("findings", "bold"), f": {plural(len(found.findings), 'difference')}"]]
    for each in found.findings[:_MOST]:
        where = each.cases[0] if len(each.cases) == 1 else plural(len(each.cases), "case")
        what = " ".join(filter(None, (each.source, each.service and f"of {each.service}")))
        row = (each.change, _times(each), f"{what}: {each.message}", where)
        blocks.append(_marked(row, worse=each.worse))
        if each.change == "new" and each.path:
            blocks.append(["      ", link(b / each.path)])
    return blocks + _more(len(found.findings))


def _times(change: FindingChange) -> str:
    """Return in how many repetitions, or where that is the same how often in all."""
    (k_a, n_a, c_a), (k_b, n_b, c_b) = change.a, change.b
    if change.change in ("new", "gone"):
        k, n = (k_b, n_b) if change.change == "new" else (k_a, n_a)
        return f"in {k} of {n}"
    return f"{c_a} -> {c_b}"


def _numbers(found: Comparison) -> list[Block]:
    if not found.changes:
        return []
    counts = counted((each.value, len(found.of(each))) for each in _NAMED)
    blocks: list[Block] = ["", [Styled("metrics", "bold"), f": {len(found.changes)} compared: {counts}"]]
    different = [each for each in found.changes if each.outcome in (Outcome.WORSE, Outcome.BETTER, Outcome.CHANGED)]
    different.sort(key=lambda each: _NAMED.index(each.outcome))
    one_case = len({each.case for each in found.changes}) == 1
    for title, rows in (
        ("functions and system calls", [each for each in different if each.metric.symbol]),
        (
            "other metrics" if any(each.metric.symbol for each in different) else "",
            [each for each in different if not each.metric.symbol],
        ),
    ):
        if rows and title:
            blocks.append(f"  {title}")
        blocks += _rows(rows[:_MOST], one_case=one_case) + _more(len(rows))
    return blocks + _undecided(found, one_case=one_case)


def _rows(changes: Sequence[Change], *, one_case: bool) -> list[Block]:
    rows: list[Sequence[Line]] = []
    for each in changes:
        outcome = Styled(each.outcome.value, _COLOURS[each.outcome])
        first = [mark(expected=each.outcome is not Outcome.WORSE), " ", outcome]
        rows.append((first, *_told(each), *(() if one_case else (each.case,))))
    return [Rows(rows=rows)] if rows else []


def _told(change: Change) -> tuple[str, ...]:
    before, after = (median(each) for each in change.fair)  # what the change in percent is of
    sure = change.outcome is not Outcome.INCONCLUSIVE
    return (
        str(change.metric),
        f"{number(before)} -> {number(after)} {change.metric.unit}".rstrip(),
        _percent(change.relative) + (_relative_interval(change) if sure else ""),
        f"p {change.corrected:.2g}",
        f"n {len(change.a)}" if len(change.a) == len(change.b) else f"n {len(change.a)}, {len(change.b)}",
        *(() if change.needed is None else (f"needs {change.needed}",)),
    )


def _percent(share: float | None) -> str:
    if share is None:
        return "from 0"
    percent = share * 100
    return f"{percent:+.0f} %" if abs(percent) >= _WHOLE_PERCENT else f"{percent:+.1f} %"


def _relative_interval(change: Change) -> str:
    before = abs(change.medians[0])
    if change.interval is None or not before:
        return ""
    return f" ({_percent(change.interval.low / before)} to {_percent(change.interval.high / before)})"


def _undecided(found: Comparison, *, one_case: bool) -> list[Block]:
    """Return what large differences are not certain, and what it would take to be."""
    blamed = _blamed([each for each in found.of(Outcome.INCONCLUSIVE) if each.blamed])
    undecided = [each for each in found.of(Outcome.INCONCLUSIVE) if not each.blamed]
    if not undecided:
        return blamed
    needed = [each.needed for each in undecided if each.needed]
    a, b = found.repetitions
    said = f"{plural(len(undecided), 'metric')} cannot be decided with {a} and {b} repetitions"
    more = f"; at least {min(needed)} of each are needed (repeat: {min(needed)})" if needed else ""
    large = sorted((each for each in undecided if _large(each)), key=lambda each: each.p)
    if min(a, b) < repetitions_to_show_anything():
        return [*blamed, f"  {said}{more}", *_farthest([each for each in large if each.metric.symbol])]
    return [*blamed, f"  {said}{more}", *_rows(large[:_MOST_OPEN], one_case=one_case), *_more(len(large), _MOST_OPEN)]


def _blamed(changes: Sequence[Change]) -> list[Block]:
    """Return what looks different, and what about the machine may be the reason."""
    if not changes:
        return []
    rows: list[Sequence[Line]] = []
    for each in sorted(changes, key=lambda change: change.p)[:_MOST_OPEN]:
        before, after = each.medians
        values = f"{number(before)} -> {number(after)} {each.metric.unit}".rstrip()
        first: Line = ["  ", Styled(each.outcome.value, _COLOURS[each.outcome])]
        rows.append((first, str(each.metric), values, each.blamed))
    said = f"  {plural(len(changes), 'metric')} look different, but the machine may be the reason"
    return [f"{said}; sure are two parts of one run", Rows(rows=rows), *_more(len(changes), _MOST_OPEN)]


def _farthest(changes: Sequence[Change]) -> list[Block]:
    """Return what functions and calls are farthest apart where the repetitions are too few to prove anything."""
    found: dict[tuple[str, str, str], Change] = {}
    for each in sorted(changes, key=_apart, reverse=True):
        found.setdefault((each.metric.service, each.metric.name.partition(".")[0], each.metric.symbol), each)
    shown = list(found.values())[:_MOST_APART]
    rows = [(str(each.metric), _percent(each.relative), _told(each)[1]) for each in shown]
    title = "  functions and system calls that are farthest apart, which proves nothing"
    return [title, Rows(rows=rows, indent=4), *_more(len(found), _MOST_APART)] if rows else []


def _apart(change: Change) -> float:
    """Return how far apart both sides are: the difference as a part of the larger one."""
    before, after = change.medians
    return abs(after - before) / max(abs(before), abs(after))


def _large(change: Change) -> bool:
    relative = change.relative
    return relative is None or abs(relative) > change.limit
