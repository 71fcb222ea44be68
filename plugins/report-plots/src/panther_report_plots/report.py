"""Draws everything that a run has to show, and puts it into files and on one page."""

from __future__ import annotations

import html
import io
import re
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import attrs

from panther_hookspecs import ConfigurationException, Figure, RunView
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
    for each, figure in _drawn(list(_planned(run, chosen))):
        files = save(figure, target.parent / FOLDER, f"{_plain(each.name)}_{stamp}", chosen)
        drawn = next((path.read_text(encoding="utf-8") for path in files if path.suffix == ".svg"), "")
        caption = f"<figcaption>{html.escape(each.title)}</figcaption>"
        parts.append(f"<figure>{_element(drawn) or _svg(figure)}{caption}</figure>")
    body = "\n".join(parts) or f"<p>{_NOTHING}</p>"
    style = "body{font:14px sans-serif;margin:2em}figure{display:inline-block;margin:1em;vertical-align:top}"
    page = (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>Graphs of {html.escape(run.folder.name)}</title>'
    )
    target.write_text(f"{page}<style>{style}</style>\n{body}\n</html>\n", encoding="utf-8")


def figures_of(run: RunView, options: Any) -> Iterator[Figure]:
    """Yield what another report may show: loads, lines over an axis, maps. It draws boxes with all points itself."""
    chosen = options if isinstance(options, PlotOptions) else PlotOptions()
    wanted = [each for each in _planned(run, chosen) if each.kind]
    for each, figure in _drawn(wanted):
        yield Figure(title=each.title, svg=_svg(figure), about=each.title, kind=each.kind)


@attrs.frozen(kw_only=True)
class Planned:
    """A figure that is not drawn yet."""

    name: str
    title: str
    draw: Callable[[Any], Any]
    """Takes pyplot."""
    kind: str = ""
    """What it is for another report; empty for what that shows in its own way."""


def _drawn(planned: Sequence[Planned]) -> Iterator[tuple[Planned, Any]]:
    """Yield the figures; each is closed before the next one is made. Without one, nothing is loaded that can draw."""
    if not planned:
        return
    with figures.drawing() as plt:
        for each in planned:
            figure = each.draw(plt)
            figure.draw_without_rendering()
            figure.set_layout_engine("none")  # it is laid out now; doing so again for every file takes most of the time
            yield each, figure
            plt.close(figure)


def _planned(run: RunView, options: PlotOptions) -> Iterator[Planned]:
    for each in samples_of(run, options.metrics):
        name, title = f"{each.case}_{each.name}", f"{each.case}: {each.name} {each.service}".strip()
        yield Planned(name=f"{name}_box", title=title, draw=partial(figures.box, samples=each))
        axis = figures.numeric_axis(each)
        if axis:
            draw = partial(figures.lines, samples=each, axis=axis)
            told = f"{title} by {axis}, with 95 % intervals"
            yield Planned(name=f"{name}_lines", title=told, draw=draw, kind="measurement")
        if figures.sides(each):
            draw = partial(figures.heat_map, samples=each)
            yield Planned(name=f"{name}_map", title=f"{title}, medians", draw=draw, kind="measurement")
    yield from _of_loads(run, options)


def _of_loads(run: RunView, options: PlotOptions) -> Iterator[Planned]:
    loads: dict[str, list[Load]] = {}
    for number, load in enumerate(loads_of(run)):
        loads.setdefault(load.title, []).append(load)
        if number >= options.loads:
            continue
        name = f"{load.title}_{load.cell}" if load.cell != load.title else load.title
        for what, told, draw, kind in (
            ("response_times", "every request", figures.scatter, ""),
            ("response_time_analysis", "latency", figures.analysis, "load"),
            ("answers", "answers over time", figures.time_series, "load"),
        ):
            title = f"{load.title}, {load.cell}: {told}"
            yield Planned(name=f"{what}_{name}", title=title, draw=partial(draw, load=load), kind=kind)
    for title, many in loads.items():
        draw_all = partial(figures.cdf, loads=many)
        yield Planned(name=f"{title}_cdf", title=f"{title}: distribution of latencies", draw=draw_all, kind="load")


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
    return {
        "png": {"Software": None},
        "svg": {"Date": None, "Creator": None, "Format": None, "Type": None},
        "pdf": {"CreationDate": None},
    }[format_]


def _svg(figure: Any) -> str:
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", metadata=_metadata("svg"))
    return _element(buffer.getvalue())


def _element(text: str) -> str:
    """Return the element of an SVG file, without what stands before it."""
    return "".join(text.partition("<svg")[1:])


def _plain(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", name).strip("-.")[:120]
