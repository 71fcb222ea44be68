"""Draws everything that a run has to show, and puts it into files and on one page."""

from __future__ import annotations

import html
import io
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from panther_hookspecs import ConfigurationException, RunView
from panther_report_plots import figures
from panther_report_plots.data import Load, loads_of, samples_of
from panther_report_plots.options import FORMATS, PlotOptions

FOLDER = "graphs"
_NOTHING = "There is nothing to draw: no case has a load or one of the measurements that were asked for."


def write(run: RunView, target: Path, options: Any) -> None:
    """Draw all figures of a run into ``graphs/`` beside ``target``, which becomes a page with all of them."""
    chosen = options if isinstance(options, PlotOptions) else PlotOptions()
    unknown = sorted(set(chosen.formats) - set(FORMATS))
    if unknown:
        raise ConfigurationException(f"plots cannot write {', '.join(unknown)}; it can write {', '.join(FORMATS)}")
    stamp, parts = f"{datetime.now(UTC):%Y%m%d_%H%M%S}", []
    for name, title, figure in _drawn(run, chosen):
        files = save(figure, target.parent / FOLDER, f"{name}_{stamp}", chosen)
        drawn = next((path.read_text(encoding="utf-8") for path in files if path.suffix == ".svg"), "")
        parts.append(f"<figure>{_element(drawn) or _svg(figure)}<figcaption>{html.escape(title)}</figcaption></figure>")
    body = "\n".join(parts) or f"<p>{_NOTHING}</p>"
    style = "body{font:14px sans-serif;margin:2em}figure{display:inline-block;margin:1em;vertical-align:top}"
    page = (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>Graphs of {html.escape(run.folder.name)}</title>'
    )
    target.write_text(f"{page}<style>{style}</style>\n{body}\n</html>\n", encoding="utf-8")


def inline_figures(run: RunView, options: PlotOptions | None = None) -> Iterator[tuple[str, str]]:
    """Yield title and inline SVG of every figure of a run, for a page of HTML."""
    for _, title, figure in _drawn(run, options or PlotOptions()):
        yield title, _svg(figure)


def _drawn(run: RunView, options: PlotOptions) -> Iterator[tuple[str, str, Any]]:
    """Yield name, title and figure; each is closed before the next one is made."""
    with figures.drawing() as plt:
        for name, title, figure in _every(plt, run, options):
            figure.draw_without_rendering()
            figure.set_layout_engine("none")  # it is laid out now; doing so again for every file takes most of the time
            yield _plain(name), title, figure
            plt.close(figure)


def _every(plt: Any, run: RunView, options: PlotOptions) -> Iterator[tuple[str, str, Any]]:
    for each in samples_of(run, options.metrics):
        name, title = f"{each.case}_{each.name}", f"{each.case}: {each.name} {each.service}".strip()
        yield f"{name}_box", title, figures.box(plt, each)
        axis = figures.numeric_axis(each)
        if axis:
            yield f"{name}_lines", f"{title} by {axis}, with 95 % intervals", figures.lines(plt, each, axis)
        heat = figures.heat_map(plt, each)
        if heat is not None:
            yield f"{name}_map", f"{title}, medians", heat
    loads: dict[str, list[Load]] = {}
    for number, load in enumerate(loads_of(run)):
        loads.setdefault(load.title, []).append(load)
        if number >= options.loads:
            continue
        name = f"{load.title}_{load.cell}" if load.cell != load.title else load.title
        yield f"response_times_{name}", f"{load.title}, {load.cell}: every request", figures.scatter(plt, load)
        yield f"response_time_analysis_{name}", f"{load.title}, {load.cell}: latency", figures.analysis(plt, load)
        yield f"answers_{name}", f"{load.title}, {load.cell}: answers over time", figures.time_series(plt, load)
    for title, many in loads.items():
        yield f"{title}_cdf", f"{title}: distribution of latencies", figures.cdf(plt, many)


def save(figure: Any, folder: Path, name: str, options: PlotOptions) -> list[Path]:
    """Write a figure in all formats; return the files."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for format_ in options.formats:
        path = folder / f"{name}.{format_}"
        figure.savefig(path, dpi=options.dpi, metadata=_metadata(format_))
        written.append(path)
    return written


def _metadata(format_: str) -> dict[str, Any]:
    """Return what goes into a file besides the picture: nothing that differs between two drawings of the same."""
    return {"png": {"Software": None}, "svg": {"Date": None}, "pdf": {"CreationDate": None}}[format_]


def _svg(figure: Any) -> str:
    """Return a figure as an element that can stand in a page of HTML."""
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None})
    return _element(buffer.getvalue())


def _element(text: str) -> str:
    """Return the element of an SVG file, without what stands before it."""
    return "".join(text.partition("<svg")[1:])


def _plain(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", name).strip("-.")[:120]
