"""The pages themselves: all runs, one run, measurements over time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from xml.etree.ElementTree import Element

from panther_core.cli.text import plural, size
from panther_core.results.shelf import PACKED, Shelved
from panther_core.results.view import DirectoryView
from panther_core.serve.history import SECONDS, Numbers, Point, chart
from panther_core.serve.markup import Inside, el, link, page, table
from panther_hookspecs import Verdict

_MOST_CASES = 200
_MOST_CHARTS = 60
_CALM = ("unsupported", "cancelled")
_RUNS = (("ended", ""), ("run", ""), ("experiment", ""), ("verdicts", ""), ("reports", ""), ("size", "number"))

Row = list[Inside | list[Inside]]


def overview(
    base: str, runs: Sequence[Shelved], broken: Sequence[tuple[str, str]], experiment: str, reports: Sequence[str]
) -> bytes:
    """Return the page with all runs, or with those of one experiment."""
    shown = [each for each in runs if not experiment or each.name == experiment]
    title = experiment or f"Runs in {base}"
    back = el("p", None, _history_link(experiment), " · ", link(("",), "All runs")) if experiment else None
    return page(
        title,
        el("h1", None, title),
        el("p", {"class": "faint"}, f"{plural(len(shown), 'run')}, {size(sum(each.size for each in shown))}"),
        back or _experiments(runs),
        el("h2", None, "Runs"),
        table(_RUNS, (_row(each, reports) for each in shown)),
        *([el("h2", None, "Cannot be read"), table((("folder", ""), ("why", "")), broken)] if broken else []),
    )


def _experiments(runs: Sequence[Shelved]) -> Element:
    groups: dict[str, list[Shelved]] = {}
    for each in runs:
        groups.setdefault(each.name, []).append(each)
    rows: list[Row] = [
        [
            link(("",), name, urlencode({"experiment": name})),
            str(len(own)),
            [*_verdicts(own[0])],
            _history_link(name) if len(own) > 1 else "",
        ]
        for name, own in sorted(groups.items())
    ]
    titles = (("experiment", ""), ("runs", "number"), ("the newest has shown", ""), ("", ""))
    return el("section", None, el("h2", None, "Experiments"), table(titles, rows))


def _row(run: Shelved, reports: Iterable[str]) -> Row:
    name = run.folder.name
    state = " goes on" if run.busy else " unfinished" if run.unfinished else ""
    place: list[Inside] = [link(("runs", name, ""), name), el("span", {"class": "faint"}, state)]
    return [_moment(run.ended), place, run.name, [*_verdicts(run)], [*_reports(name, reports)], size(run.size)]


def _reports(run: str, reports: Iterable[str]) -> Iterator[Inside]:
    for name in reports:
        yield link(("runs", run, name), name.removesuffix(".html"))
        yield " "


def run_page(run: Shelved, reports: Sequence[str]) -> bytes:
    """Return the page of one run: what was not as expected, and what there is to read."""
    name = run.folder.name
    odd = [each for each in DirectoryView(run.folder).cases() if not each["as_expected"]]
    told = f"{len(odd)} not as expected" + (f", the first {_MOST_CASES}" if len(odd) > _MOST_CASES else "")
    titles = (("verdict", ""), ("case", ""), ("why", ""))
    packed = f"The evidence is packed in {PACKED}; panther gc --unpack {name} puts it back."
    return page(
        name,
        el("nav", None, link(("",), "All runs"), " / ", link(("",), run.name, urlencode({"experiment": run.name}))),
        el("h1", None, name),
        el("p", None, *_verdicts(run)),
        el("p", {"class": "faint"}, f"ended {_moment(run.ended)}, {size(run.size)}"),
        el("p", None, "Reports: ", *_reports(name, reports)) if reports else None,
        el("p", None, _history_link(run.name)),
        el("p", None, packed) if run.packed else None,
        el("h2", None, told) if odd else None,
        table(titles, (_case(name, each) for each in odd[:_MOST_CASES])) if odd else None,
        el("h2", None, "Files"),
        el("p", None, link(("runs", name, "cases", ""), "evidence of every case"), " · ", *_files(run.folder)),
    )


def _case(run: str, record: Mapping[str, Any]) -> Row:
    cell = ", ".join(f"{axis}={value}" for axis, value in (record.get("cell") or {}).items())
    number = f" #{record['repetition']}" if record.get("repetition", 1) != 1 else ""
    label = (f"{record['name']}[{cell}]" if cell else str(record["name"])) + number
    place = ("runs", run, *str(record.get("folder") or "").split("/"), "")
    return [_chip(str(record["verdict"])), link(place, label), str(record.get("why") or "")[:400]]


def history_page(experiment: str, metric: str, runs: Sequence[tuple[Shelved, Numbers]]) -> bytes:
    """Return the page with a measurement over the runs of an experiment, the oldest first."""
    metrics = {name for _, cases in runs for case in cases.values() for name in case}
    drawn = ((label, chart(points)) for label, points in _points(metric, runs))
    charts = [el("figure", None, el("figcaption", None, label), picture) for label, picture in drawn]
    more = f" The first {_MOST_CHARTS} of {len(charts)} cases." if len(charts) > _MOST_CHARTS else ""
    span = f"{metric} over {plural(len(runs), 'run')}, the oldest on the left"
    told = f"{span}: every value that passed, the medians as a line.{more}"
    return page(
        f"{experiment}: {metric}",
        el("nav", None, link(("",), "All runs"), " / ", link(("",), experiment, urlencode({"experiment": experiment}))),
        el("h1", None, f"History of {experiment}"),
        _chooser(experiment, metric, sorted(metrics, key=lambda name: (name != SECONDS, name))),
        el("p", {"class": "faint"}, told if charts else "Nothing that passed has measured that."),
        el("div", {"class": "charts"}, *charts[:_MOST_CHARTS]),
    )


def _points(metric: str, runs: Sequence[tuple[Shelved, Numbers]]) -> Iterator[tuple[str, list[Point]]]:
    for label in sorted({label for _, cases in runs for label in cases}):
        points = [
            Point(run.folder.name, run.ended, tuple(cases[label][metric]))
            for run, cases in runs
            if metric in cases.get(label, {})
        ]
        if points:
            yield label, points


def _chooser(experiment: str, metric: str, metrics: Iterable[str]) -> Element:
    options = [el("option", {"value": each, **({"selected": ""} if each == metric else {})}, each) for each in metrics]
    return el(
        "form",
        {"method": "get", "action": "/history"},
        el("input", {"type": "hidden", "name": "experiment", "value": experiment}),
        el("label", None, "Measurement ", el("select", {"name": "metric"}, *options)),
        " ",
        el("button", {"type": "submit"}, "Show"),
    )


def _history_link(experiment: str) -> Element:
    return link(("history",), "history of its measurements", urlencode({"experiment": experiment}))


def _verdicts(run: Shelved) -> list[Inside]:
    chips: list[Inside] = [_chip(each.value, run.counts[each.value]) for each in Verdict if run.counts.get(each.value)]
    if run.unexpected:
        chips.append(el("b", None, f"{run.unexpected} unexpected"))
    return chips or ["nothing has finished"]


def _chip(verdict: str, count: int = 0) -> Element:
    kind = "good" if verdict == "pass" else "" if verdict in _CALM else "bad"
    return el("span", {"class": f"chip {kind}".strip()}, f"{count} {verdict}" if count else verdict)


def _files(folder: Path) -> Iterator[Inside]:
    for each in sorted(folder.iterdir()):
        if each.is_file() and not each.is_symlink() and not each.name.startswith("."):
            yield link(("runs", folder.name, each.name), each.name)
            yield " "


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M")
