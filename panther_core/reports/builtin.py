"""The reports that the engine brings, registered through the same hook as those of plugins."""

from __future__ import annotations

from panther_core.reports.documents import write_csv, write_json
from panther_core.reports.junit import write_junit
from panther_core.reports.markdown import write_markdown
from panther_hookspecs import ReportDescriptor


def descriptors() -> tuple[ReportDescriptor, ...]:
    """Return the built-in reports."""
    return (
        ReportDescriptor(
            name="junit", summary="JUnit XML, as CI servers show it", filename="junit.xml", write=write_junit
        ),
        ReportDescriptor(
            name="json", summary="The whole run as one JSON document", filename="report.json", write=write_json
        ),
        ReportDescriptor(
            name="csv", summary="One line for each case and measurement", filename="report.csv", write=write_csv
        ),
        ReportDescriptor(
            name="markdown",
            summary="A short summary for pull requests and job pages",
            filename="report.md",
            write=write_markdown,
        ),
    )
