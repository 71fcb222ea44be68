"""The same profiles for speedscope, a viewer with more ways to look at one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from panther_hookspecs import RunView
from panther_report_flamegraph.collect import Graph, graphs_of

SCHEMA = "https://www.speedscope.app/file-format-schema.json"
"""Names the format; nothing is fetched from there."""
_UNITS = frozenset({"nanoseconds", "microseconds", "milliseconds", "seconds", "bytes"})
_HIDDEN = "(too small to show)"


def write_speedscope(run: RunView, target: Path) -> None:
    """Write all profiles of a run as one file."""
    names: dict[str, int] = {}
    graphs = graphs_of(run)
    profiles = [_profile(each, names) for each in graphs]
    document = {
        "$schema": SCHEMA,
        "name": run.folder.name,
        "exporter": "panther",
        "activeProfileIndex": 0,
        "shared": {"frames": [{"name": name} for name in names]},
        "profiles": profiles,
    }
    target.write_text(json.dumps(document, separators=(",", ":")) + "\n", encoding="utf-8")


def _profile(graph: Graph, names: dict[str, int]) -> dict[str, Any]:
    """Return a profile whose samples are the stacks of the graph, each with what it weighs itself."""
    samples: list[list[int]] = []
    weights: list[float] = []
    stack: list[int] = []
    for frame in graph.frames:
        del stack[max(frame.depth - 1, 0) :]
        if frame.depth:
            stack.append(names.setdefault(frame.name, len(names)))
        if frame.own > 0:
            samples.append(list(stack))
            weights.append(frame.own)
        if frame.hidden > 0:
            samples.append([*stack, names.setdefault(_HIDDEN, len(names))])
            weights.append(frame.hidden)
    unit = graph.source.profile.counted
    return {
        "type": "sampled",
        "name": f"{graph.source.case}: {graph.label}",
        "unit": unit if unit in _UNITS else "none",
        "startValue": 0,
        "endValue": sum(weights),
        "samples": samples,
        "weights": weights,
    }
