"""What PANTHER loads: the report ``plots``."""

from __future__ import annotations

import importlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from panther_hookspecs import Figure, ReportDescriptor, RunView, hookimpl
from panther_report_plots.options import PlotOptions


@hookimpl
def panther_register_reports() -> Iterable[ReportDescriptor]:
    """Announce the report."""
    yield ReportDescriptor(
        name="plots",
        filename="graphs.html",
        summary="Graphs of measurements and loads as PNG, SVG and PDF in graphs/, and all of them on one page",
        options=PlotOptions,
        write=_write,
        figures=_figures,
    )


def _write(run: RunView, target: Path, options: Any) -> None:
    """Import what draws when it is called: matplotlib takes a second."""
    importlib.import_module("panther_report_plots.report").write(run, target, options)


def _figures(run: RunView, options: Any) -> Iterable[Figure]:
    drawn: Iterable[Figure] = importlib.import_module("panther_report_plots.report").figures_of(run, options)
    return drawn
