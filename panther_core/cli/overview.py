"""A finished run and a single case, as lines for a person."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from panther_core.cli.progress import Finished, case_label, finished_lines, verdict_line
from panther_core.cli.style import Style
from panther_core.cli.text import clean, columns, counted, duration, number, plural, shown_path, squeeze
from panther_core.cli.watched import overhead_lines, watched_lines
from panther_hookspecs import RunView, Verdict

_MOST_EXPLAINED = 20
_MOST_FINDINGS = 10
_MOST_MEASUREMENTS = 40
_LABEL = 14
_BESIDE = 14


def run_lines(view: RunView, cases: Sequence[Mapping[str, Any]], style: Style, *, limit: int = 0) -> list[str]:
    """Return name and counts, one line per cell of the matrix, then everything that was not as expected and why."""
    counts = Counter(str(each["verdict"]) for each in cases)
    unfinished = sum(not each.get("final", True) for each in cases)
    lines = [
        style(clean(shown_path(view.folder)), "bold"),
        f"{plural(len(cases), 'case')}: {_counted(counts) or 'nothing has finished'}"
        + (f"; {unfinished} unfinished: panther resume {shown_path(view.folder)}" if unfinished else ""),
    ]
    lines += ["", *_table(cases, style, limit)] if cases else []
    unexpected = [each for each in cases if not each["as_expected"]]
    if unexpected:
        lines += ["", style("not as expected", "bold")]
        lines += _explained(unexpected, view.folder, style, limit)
    return [*lines, *_findings(cases, view.folder, style, limit), *_watched(cases, view.folder, style, limit)]


def _watched(cases: Sequence[Mapping[str, Any]], folder: Path, style: Style, limit: int) -> list[str]:
    """Return what the instruments saw, and how much slower they made the cases that also ran without them."""
    seen = watched_lines(cases, folder, style, limit=limit)
    cost = overhead_lines(cases, limit=limit)
    return [*(["", *seen] if seen else []), *(["", style("cost of the instruments", "bold"), *cost] if cost else [])]


def _table(cases: Iterable[Mapping[str, Any]], style: Style, limit: int) -> list[str]:
    """Return one line for each name and cell; its repetitions are counted."""
    cells: dict[str, list[Mapping[str, Any]]] = {}
    for each in cases:
        cells.setdefault(case_label({**each, "repetition": 1}), []).append(each)
    verdicts = {label: _verdicts(records) for label, records in cells.items()}
    widest = max(map(len, verdicts.values()))
    room = max(limit - widest - _BESIDE, _LABEL) if limit else 0
    lines = []
    for label, records in sorted(cells.items()):
        good = all(record["as_expected"] for record in records)
        seconds = sorted(float(record.get("seconds") or 0.0) for record in records)
        name = squeeze(label, room) if room else label
        verdict, middle = str(records[-1]["verdict"]), seconds[len(seconds) // 2]
        lines.append(verdict_line(style, verdict, middle, name, expected=good, text=verdicts[label], cells=widest))
    return lines


def _explained(cases: Sequence[Mapping[str, Any]], folder: Path, style: Style, limit: int) -> list[str]:
    """Return why and where for each cell and reason; repetitions that say the same are counted."""
    groups: dict[tuple[str, str, str], list[Mapping[str, Any]]] = {}
    for each in cases:
        label = case_label({**each, "repetition": 1})
        groups.setdefault((label, str(each["verdict"]), str(each.get("why"))), []).append(each)
    lines: list[str] = []
    for records in list(groups.values())[:_MOST_EXPLAINED]:
        note = f" (and {len(records) - 1} more like it)" if len(records) > 1 else ""
        lines += finished_lines(Finished(record=records[0]), style, folder=folder, limit=limit, note=note)
    if len(groups) > _MOST_EXPLAINED:
        lines.append(f"  and {len(groups) - _MOST_EXPLAINED} more: panther show {shown_path(folder)} --json")
    return lines


def _verdicts(records: Sequence[Mapping[str, Any]]) -> str:
    counts = Counter(str(record["verdict"]) for record in records)
    return _counted(counts) if len(records) > 1 else next(iter(counts))


def _findings(cases: Iterable[Mapping[str, Any]], folder: Path, style: Style, limit: int) -> list[str]:
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
    told = columns(((f"{count} x", text) for count, text, _ in shown), limit=limit, indent="  ")
    paths = [[f"      {clean(shown_path(path))}"] if path else [] for _, _, path in shown]
    lines = [line for first, rest in zip(told, paths, strict=True) for line in (first, *rest)]
    more = [f"  and {len(ranked) - _MOST_FINDINGS} more"] if len(ranked) > _MOST_FINDINGS else []
    return ["", style("findings", "bold"), *lines, *more]


def _counted(counts: Mapping[str, int]) -> str:
    return counted((each.value, counts.get(each.value, 0)) for each in Verdict)


def case_lines(case: Mapping[str, Any], folder: Path, style: Style) -> list[str]:
    """Return all that a person wants to know about one case, the files to look at included."""
    lines = [
        *finished_lines(Finished(record=case), style, folder=folder)[:1],
        f"  {clean(case.get('why') or '')}".rstrip(),
    ]
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
        ("evidence", shown_path(folder / str(case.get("folder") or ""))),
    ]
    lines += columns([(name, str(value)) for name, value in facts if value not in ("", None)], indent="  ")
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
        ("problems", [(each,) for each in case.get("problems") or ()]),
        ("files", [(each["path"], each.get("kind", "")) for each in case.get("artifacts") or ()]),
    ):
        if rows:
            lines += [
                f"  {style(title, 'bold')}",
                *columns([[str(cell) for cell in row] for row in rows], indent="    "),
            ]
    return [line for line in (*lines, *watched_lines([case], folder, style, indent="    ")) if line]


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


def _checks(case: Mapping[str, Any]) -> list[tuple[str, ...]]:
    return [(each["verdict"], each["name"], each.get("evidence", "")) for each in case.get("checks") or ()]


def _measurements(case: Mapping[str, Any]) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = [
        (each.get("service") or "-", each["name"], f"{number(each['value'])} {each.get('unit', '')}".strip())
        for each in case.get("measurements") or ()
    ]
    more = len(rows) - _MOST_MEASUREMENTS
    return [*rows[:_MOST_MEASUREMENTS], ("", f"and {more} more")] if more > 0 else rows
