"""The report keeps what every report must keep."""

from __future__ import annotations

from panther_core.testing.conformance import ReportConformance


class TestHtml(ReportConformance):
    plugin = "panther_report_html.plugin"
    name = "html"
