"""A stage that draws what stages before it have measured."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from panther_hookspecs import StageResult

_LEAST = 1


def create_graphs_stage(results: Mapping[str, Any]) -> Mapping[str, Any]:
    """Draw every list of numbers that a stage before has returned: over time, and as an analysis of four views.

    The files go into ``graphs/`` of the evidence if a stage before says where that is (``folder``), else into
    ``graphs/`` of the current folder.
    """
    from panther_report_plots import figures  # noqa: PLC0415 - only drawing needs matplotlib
    from panther_report_plots.options import PlotOptions  # noqa: PLC0415
    from panther_report_plots.report import FOLDER, save  # noqa: PLC0415

    values = [each.values if isinstance(each, StageResult) else each for each in results.values()]
    folder = next((Path(str(each["folder"])) for each in values if "folder" in each), Path()) / FOLDER
    stamp, options = f"{datetime.now(UTC):%Y%m%d_%H%M%S}", PlotOptions(formats=("png",))
    written: list[str] = []
    with figures.drawing() as plt:
        for name, numbers in _lists(values):
            kinds = {
                name: figures.numbers(plt, name, numbers),
                f"{name.removesuffix('s')}_analysis": figures.views(plt, name, numbers),
            }
            for kind, figure in kinds.items():
                written += [str(path) for path in save(figure, folder, f"{kind}_{stamp}", options)]
    return {"status": "success", "graphs": written}


def _lists(values: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, Sequence[float]]]:
    for each in values:
        for name, value in each.items():
            if isinstance(value, list | tuple) and len(value) >= _LEAST and all(_is_number(one) for one in value):
                yield name, value


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
