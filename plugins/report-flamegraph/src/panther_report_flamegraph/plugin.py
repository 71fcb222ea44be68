"""What PANTHER loads: the reports ``flamegraph`` and ``speedscope``."""

from __future__ import annotations

import importlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from panther_hookspecs import Figure, ReportDescriptor, RunView, hookimpl


@hookimpl
def panther_register_reports() -> Iterable[ReportDescriptor]:
    """Announce both."""
    yield ReportDescriptor(
        name="flamegraph",
        filename="flamegraph.html",
        summary="Interactive flame graphs of all profiles, in one file that needs no network",
        write=_write_page,
        figures=_figures,
    )
    yield ReportDescriptor(
        name="speedscope",
        filename="flamegraph.speedscope.json",
        summary="All profiles as one file for the viewer speedscope",
        write=_write_speedscope,
        exports=True,
    )


def _write_page(run: RunView, target: Path, _options: Any) -> None:
    """Import the writer when it is called, not at every start of the console."""
    importlib.import_module("panther_report_flamegraph.page").write_page(run, target)


def _write_speedscope(run: RunView, target: Path, _options: Any) -> None:
    importlib.import_module("panther_report_flamegraph.speedscope").write_speedscope(run, target)


def _figures(run: RunView, options: Any) -> Iterable[Figure]:
    drawn: Iterable[Figure] = importlib.import_module("panther_report_flamegraph.picture").figures(run, options)
    return drawn
