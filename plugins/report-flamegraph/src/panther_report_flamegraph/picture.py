"""A flame graph as a picture that stands alone, for reports that show what this one draws."""

from __future__ import annotations

from collections.abc import Iterator
from xml.etree.ElementTree import Element, SubElement, tostring

from panther_hookspecs import Figure, RunView
from panther_report_flamegraph.collect import Graph, graphs_of
from panther_report_flamegraph.stacks import Frame

MOST = 24
"""Graphs that are handed over: the sums of the repetitions, the first ones."""
_WIDTH, _ROW, _DEEPEST = 1000, 17, 40
_NARROWEST = 0.8
"""Width below which a frame is not drawn: a picture cannot be zoomed."""
_CHARACTER = 6.4
_NAMED = 3
_WORTH_NAMING = 0.005
_STYLE = (
    "text{font:11px ui-monospace,monospace;fill:#1b1b1f}"
    ".a{fill:#f6c99a}.b{fill:#f3b279}.c{fill:#f8dbb4}.d{fill:#efc18c}.root{fill:#dcdce2}"
    "@media(prefers-color-scheme:dark){text{fill:#f1f1f4}.a{fill:#7a4518}.b{fill:#8d5420}.c{fill:#683a15}"
    ".d{fill:#9a5f2a}.root{fill:#3b3b44}}"
)


def figures(run: RunView, _options: object = None) -> Iterator[Figure]:
    """Yield one picture for each case, service and instrument that has a profile."""
    sums = [each for each in graphs_of(run) if not each.repetition]
    for graph in sums[:MOST]:
        yield Figure(
            title=f"{graph.source.case}: {graph.label}",
            svg=drawn(graph),
            about=_about(graph),
            kind="flame graph",
            link=graph.source.shown,
        )


def drawn(graph: Graph) -> str:
    """Return the picture: the root on top, what a frame calls below it, as wide as its share of the whole."""
    whole = graph.frames[0].total if graph.frames else 0.0
    placed = [each for each in _placed(graph.frames) if whole and each[1].total / whole * _WIDTH >= _NARROWEST]
    placed = [each for each in placed if each[1].depth < _DEEPEST]
    height = (max((frame.depth for _, frame in placed), default=0) + 1) * _ROW
    svg = Element("svg", xmlns="http://www.w3.org/2000/svg", viewBox=f"0 0 {_WIDTH} {height}")
    svg.attrib.update({"width": str(_WIDTH), "height": str(height)})
    SubElement(svg, "style").text = _STYLE
    for begin, frame in placed:
        x, width, y = begin / whole * _WIDTH, frame.total / whole * _WIDTH, frame.depth * _ROW
        shade = "root" if not frame.depth else "abcd"[sum(frame.name.encode()) % 4]
        box = {"x": f"{x:.1f}", "y": str(y), "width": f"{max(width - 0.5, 0.5):.1f}", "height": str(_ROW - 1)}
        SubElement(svg, "rect", {"class": shade, **box})
        room = int((width - 6) / _CHARACTER)
        name = frame.name or "all"
        if room > 1:
            told = name if len(name) <= room else f"{name[: room - 1]}…"
            SubElement(svg, "text", x=f"{x + 3:.1f}", y=str(y + 12)).text = _clean(told)
    return tostring(svg, encoding="unicode")


def _placed(frames: tuple[Frame, ...]) -> Iterator[tuple[float, Frame]]:
    """Yield where each frame begins: right of its sisters, within the one that calls it."""
    free: list[float] = [0.0]
    for frame in frames:
        begin = free[frame.depth]
        del free[frame.depth :]
        free += [begin + frame.total, begin]
        yield begin, frame


def _about(graph: Graph) -> str:
    """Return the functions that cost most by themselves."""
    whole = graph.frames[0].total if graph.frames else 0.0
    own: dict[str, float] = {}
    for frame in graph.frames:
        if frame.name:
            own[frame.name] = own.get(frame.name, 0.0) + frame.own
    hottest = sorted(own.items(), key=lambda item: (-item[1], item[0]))[:_NAMED]
    told = ", ".join(
        f"{name} {weight / whole:.0%}" for name, weight in hottest if whole and weight >= _WORTH_NAMING * whole
    )
    return f"hottest by themselves: {told}" if told else ""


def _clean(text: str) -> str:
    """Return text that XML can hold."""
    return "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in text)
