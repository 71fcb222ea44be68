"""A finished run and a single case, for a person."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from panther_core.cli.attempts import Finished, case_label, counted, finished_blocks, mark, verdict_style, why_blocks
from panther_core.cli.blocks import Block, Line, Part, Rows, Styled, aligned, link
from panther_core.cli.text import amount, duration, plural, shown_path
from panther_core.cli.watched import overhead, watched_blocks
from panther_hookspecs import RunView

_MOST_EXPLAINED = 20
_MOST_FINDINGS = 10
_MOST_MEASUREMENTS = 40


def run_blocks(view: RunView, cases: Sequence[Mapping[str, Any]]) -> list[Block]:
    """Return name and counts, one line per cell of the matrix, then everything that was not as expected and why."""
    counts = Counter(str(each["verdict"]) for each in cases)
    planned = max(view.planned or 0, len(cases))
    unfinished = planned - len(cases) + sum(not each.get("final", True) for each in cases)
    more = f"; {unfinished} unfinished: panther resume {shown_path(view.folder)}" if unfinished else ""
    of = plural(len(cases), "case") if planned == len(cases) else f"{len(cases)} of {plural(planned, 'case')}"
    total = [f"{of}: ", *(counted(counts) or ["nothing has finished"]), more]
    blocks: list[Block] = [link(view.folder), total]
    blocks += ["", _table(cases)] if cases else []
    unexpected = [each for each in cases if not each["as_expected"]]
    if unexpected:
        blocks += ["", Styled("not as expected", "bold"), *_explained(unexpected, view.folder)]
    return [*blocks, *_findings(cases, view.folder), *_watched(cases, view.folder)]


def _watched(cases: Sequence[Mapping[str, Any]], folder: Path) -> list[Block]:
    """Return what the instruments saw, and how much slower they made the cases that also ran without them."""
    seen, cost = watched_blocks(cases, folder), overhead(cases)
    costs: list[Block] = ["", Styled("cost of the instruments", "bold"), cost] if cost.rows else []
    return [*(["", *seen] if seen else []), *costs]


def _table(cases: Iterable[Mapping[str, Any]]) -> Rows:
    """Return one row for each name and cell; its repetitions are counted."""
    cells: dict[str, list[Mapping[str, Any]]] = {}
    for each in cases:
        cells.setdefault(case_label({**each, "repetition": 1}), []).append(each)
    rows: list[Sequence[Line]] = []
    for label, records in sorted(cells.items()):
        good = all(record["as_expected"] for record in records)
        seconds = sorted(float(record.get("seconds") or 0.0) for record in records)
        rows.append(([mark(expected=good), " ", *_verdicts(records)], duration(seconds[len(seconds) // 2]), label))
    return Rows(rows=rows, titles=("  verdict", "time", "case"), right=(1,))


def _explained(cases: Sequence[Mapping[str, Any]], folder: Path) -> list[Block]:
    """Return why and where for each cell and reason; repetitions that say the same are counted."""
    groups: dict[tuple[str, str, str], list[Mapping[str, Any]]] = {}
    for each in cases:
        label = case_label({**each, "repetition": 1})
        groups.setdefault((label, str(each["verdict"]), str(each.get("why"))), []).append(each)
    blocks: list[Block] = []
    for records in list(groups.values())[:_MOST_EXPLAINED]:
        note = f" (and {len(records) - 1} more like it)" if len(records) > 1 else ""
        blocks += finished_blocks(Finished(record=records[0]), folder=folder, note=note)
    if len(groups) > _MOST_EXPLAINED:
        blocks.append(f"  and {len(groups) - _MOST_EXPLAINED} more: panther show {shown_path(folder)} --json")
    return blocks


def _verdicts(records: Sequence[Mapping[str, Any]]) -> list[Part]:
    if len(records) > 1:
        return counted(Counter(str(record["verdict"]) for record in records))
    verdict = str(records[0]["verdict"])
    return [Styled(verdict, verdict_style(verdict, expected=bool(records[0]["as_expected"])))]


def _findings(cases: Iterable[Mapping[str, Any]], folder: Path) -> list[Block]:
    """Return the distinct findings of all cases, the most frequent first, each with a file of evidence."""
    seen: dict[str, tuple[int, str, str]] = {}
    for case in cases:
        for each in case.get("findings") or ():
            text = f"{each.get('source', '')} {each.get('kind', '')}: {each.get('message', '')}"
            key = str(each.get("fingerprint") or text)
            path = str(folder / str(case.get("folder") or "") / each["artifact"]) if each.get("artifact") else ""
            seen[key] = (seen.get(key, (0, "", ""))[0] + int(each.get("count") or 1), text, path)
    if not seen:
        return []
    ranked = sorted(seen.values(), key=lambda each: -each[0])
    shown = ranked[:_MOST_FINDINGS]
    blocks: list[Block] = ["", Styled("findings", "bold")]
    for row, (_, _, path) in zip(aligned([(f"{count} x", text) for count, text, _ in shown]), shown, strict=True):
        blocks.append(Rows(rows=[row], indent=2))
        blocks += [["      ", link(path)]] if path else []
    more = [f"  and {len(ranked) - _MOST_FINDINGS} more"] if len(ranked) > _MOST_FINDINGS else []
    return [*blocks, *more]


def case_blocks(case: Mapping[str, Any], folder: Path) -> list[Block]:
    """Return all that a person wants to know about one case, the files to look at included."""
    attempt = folder / str(case.get("folder") or "")
    blocks = finished_blocks(Finished(record=case), folder=folder)[:1]
    blocks += why_blocks(str(case.get("why") or ""), 2)
    verdicts = case.get("verdicts") or ()
    facts = [
        ("id", case["case"]),
        ("expected", ", ".join(case.get("expected") or ())),
        ("attempts", ", ".join(verdicts) if len(verdicts) > 1 else ""),
        ("protocol", " ".join(filter(None, (case.get("protocol"), case.get("scenario"))))),
        ("network", case.get("network_environment")),
        ("instruments", ", ".join(case.get("instruments") or ())),
        ("seed", case.get("seed")),
        ("time", ", ".join(f"{name} {duration(spent)}" for name, spent in (case.get("timings") or {}).items())),
        ("evidence", link(attempt)),
    ]
    blocks.append(Rows(rows=[(name, _cell(value)) for name, value in facts if value not in ("", None)], indent=2))
    for title, rows in (
        ("services", _services(case)),
        ("checks", _checks(case)),
        ("measurements", _measurements(case)),
        (
            "findings",
            [
                (each.get("source", ""), each.get("message", ""), each.get("artifact", ""))
                for each in case.get("findings") or ()
            ],
        ),
        ("problems", [(line,) for each in case.get("problems") or () for line in str(each).splitlines()]),
        ("notes", [(str(line),) for line in (*(case.get("notes") or ()), *(case.get("losses") or ()))]),
        ("files", [(link(attempt / each["path"], each["path"]), each.get("kind", "")) for each in _files(case)]),
    ):
        if rows:
            blocks.append(["  ", Styled(title, "bold")])
            blocks.append(Rows(rows=[[_cell(cell) for cell in row] for row in rows], indent=4))
    return [*blocks, *watched_blocks([case], folder, indent=4)]


def _cell(value: object) -> Part:
    return value if isinstance(value, Styled) else str(value)


def _files(case: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    return case.get("artifacts") or ()


def _services(case: Mapping[str, Any]) -> list[tuple[str, ...]]:
    return [
        (
            name,
            each.get("role", ""),
            " ".join(filter(None, (each.get("implementation"), each.get("version")))),
            each.get("exit", ""),
        )
        for name, each in (case.get("services") or {}).items()
    ]


def _checks(case: Mapping[str, Any]) -> list[tuple[Part, ...]]:
    return [
        (Styled(each["verdict"], verdict_style(each["verdict"])), each["name"], each.get("evidence", ""))
        for each in case.get("checks") or ()
    ]


def _labels(measurement: Mapping[str, Any]) -> str:
    """Return what a number is about, such as the fault after which a recovery took so long."""
    return ", ".join(str(value) for name, value in (measurement.get("labels") or {}).items() if name != "better")


def _measurements(case: Mapping[str, Any]) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = [
        (each.get("service") or "-", each["name"], amount(each["value"], str(each.get("unit") or "")), _labels(each))
        for each in case.get("measurements") or ()
    ]
    more = len(rows) - _MOST_MEASUREMENTS
    return [*rows[:_MOST_MEASUREMENTS], ("", f"and {more} more")] if more > 0 else rows
