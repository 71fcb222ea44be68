"""What every test type must keep."""

from __future__ import annotations

from panther_core.testing.conformance import TestTypeConformance


class TestConformance(TestTypeConformance):
    """The conformance of ``performance``."""

    plugin = "panther_test_performance.plugin"
