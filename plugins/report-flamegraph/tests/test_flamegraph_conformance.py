"""The two reports keep what every report must keep."""

from __future__ import annotations

from panther_core.testing.conformance import ReportConformance


class TestPage(ReportConformance):
    plugin = "panther_report_flamegraph.plugin"
    name = "flamegraph"


class TestSpeedscope(ReportConformance):
    plugin = "panther_report_flamegraph.plugin"
    name = "speedscope"
