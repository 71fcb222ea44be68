"""What every report must keep."""

from __future__ import annotations

from panther_core.testing.conformance import ReportConformance


class TestConformance(ReportConformance):
    """The conformance of ``plots``."""

    plugin = "panther_report_plots.plugin"
