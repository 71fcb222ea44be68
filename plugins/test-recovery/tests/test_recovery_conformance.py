"""What every test type must keep."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from panther_test_recovery.options import Fault

from panther_core.testing.conformance import TestTypeConformance
from panther_hookspecs import Seconds


class TestConformance(TestTypeConformance):
    """The conformance of ``recovery``."""

    plugin = "panther_test_recovery.plugin"
    options: ClassVar[Mapping[str, Any]] = {
        "faults": (Fault(at=Seconds(0.01), do="stop", service="server", lasts=Seconds(0.02)),)
    }
