"""The page: one file with everything in it, which nothing in a profile can make do anything else."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
from importlib.resources import files
from pathlib import Path
from typing import Any

from panther_hookspecs import RunView
from panther_report_flamegraph.collect import Graph, graphs_of


def write_page(run: RunView, target: Path) -> None:
    """Write the page about all profiles of a run."""
    assets = files("panther_report_flamegraph")
    template, style, script = (
        assets.joinpath(name).read_text(encoding="utf-8") for name in ("page.html", "page.css", "page.js")
    )
    parts = {
        "policy": f"default-src 'none'; script-src {_hash(script)}; style-src {_hash(style)}",
        "title": html.escape(f"Flame graphs of {run.folder.name}"),
        "style": style,
        "script": script,
        "data": embedded(data_of(graphs_of(run))),
    }
    page = re.sub(r"\{\{(\w+)\}\}", lambda place: parts[place[1]], template)
    target.write_text(page, encoding="utf-8", errors="backslashreplace")


def data_of(graphs: list[Graph]) -> dict[str, Any]:
    """Return what the page is drawn from: names once, and for each graph its frames in columns."""
    names: dict[str, int] = {}
    return {
        "graphs": [
            {
                "case": each.source.case,
                "label": each.label,
                "title": each.source.profile.title,
                "file": each.source.shown + (f" and {each.repetitions - 1} more" if each.repetitions > 1 else ""),
                "unit": each.source.profile.counted,
                "hidden": _short(sum(frame.hidden for frame in each.frames)),
                "name": [names.setdefault(frame.name, len(names)) for frame in each.frames],
                "depth": [frame.depth for frame in each.frames],
                "total": [_short(frame.total) for frame in each.frames],
                "own": [_short(frame.own) for frame in each.frames],
            }
            for each in graphs
        ],
        "names": list(names),
    }


def embedded(data: Any) -> str:
    """Return JSON that stays inside of its element, whatever the names in it are."""
    text = json.dumps(data, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _short(weight: float) -> float:
    return int(weight) if weight == int(weight) else weight


def _hash(content: str) -> str:
    """Return what allows exactly this script or style to the browser, and no other."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()}'"
