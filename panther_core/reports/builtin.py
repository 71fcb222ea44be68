"""The reports that the engine brings, registered through the same hook as those of plugins."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from panther_hookspecs import ReportDescriptor, RunView


def _writer(module: str, function: str) -> Callable[[RunView, Path, Any], None]:
    """Return a function that imports the real one when it is called, not at every start of the console."""

    def write(run: RunView, target: Path, options: Any) -> None:
        getattr(importlib.import_module(f"panther_core.reports.{module}"), function)(run, target, options)

    return write


_EXPORTS = frozenset({"junit", "json", "csv", "sarif", "ro-crate"})
_REPORTS = (
    ("junit", "junit.xml", "JUnit XML, as CI servers show it", _writer("junit", "write_junit")),
    ("json", "report.json", "The whole run as one JSON document", _writer("documents", "write_json")),
    ("csv", "report.csv", "One line for each case and measurement", _writer("documents", "write_csv")),
    ("markdown", "report.md", "A short summary for pull requests and job pages", _writer("markdown", "write_markdown")),
    ("github", "github.txt", "Workflow commands that annotate a pull request", _writer("github", "write_annotations")),
    ("sarif", "findings.sarif", "What instruments have found, for code scanning", _writer("sarif", "write_sarif")),
    (
        "ro-crate",
        "ro-crate-metadata.json",
        "A description of the run's files for archives",
        _writer("crate", "write_crate"),
    ),
)


def descriptors() -> tuple[ReportDescriptor, ...]:
    """Return the built-in reports."""
    return tuple(
        ReportDescriptor(name=name, filename=filename, summary=summary, write=write, exports=name in _EXPORTS)
        for name, filename, summary, write in _REPORTS
    )
