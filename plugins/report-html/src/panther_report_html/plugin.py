"""What PANTHER loads: the report ``html``."""

from __future__ import annotations

import importlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from panther_hookspecs import ReportDescriptor, RunView, hookimpl


@hookimpl
def panther_register_reports() -> Iterable[ReportDescriptor]:
    """Announce it."""
    yield ReportDescriptor(
        name="html",
        filename="report.html",
        summary="The run for a person: matrix, verdicts with reasons, time lines, messages, numbers; one offline file",
        write=_write,
        refers=True,
        compares=True,
    )


def _write(run: RunView, target: Path, _options: Any) -> None:
    """Import the writer when it is called, not at every start of the console."""
    importlib.import_module("panther_report_html.page").write_page(run, target)
