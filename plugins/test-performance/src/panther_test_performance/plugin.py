"""What PANTHER loads: the test type ``performance``."""

from __future__ import annotations

from collections.abc import Iterable

from panther_hookspecs import Stage, TestTypeDescriptor, hookimpl
from panther_test_performance.options import PerformanceOptions
from panther_test_performance.stages import judge, mark, measure, warm_up


@hookimpl
def panther_register_test_types() -> Iterable[TestTypeDescriptor]:
    """Announce ``performance``."""
    yield TestTypeDescriptor(
        name="performance",
        summary="Measures a warmed-up run alone on the machine, and says who was the bottleneck",
        options=PerformanceOptions,
        stages=(
            Stage("mark", mark, moment="before"),
            Stage("warm-up", warm_up),
            Stage("measure", measure),
            Stage("bottleneck", judge),
        ),
        exclusive=True,
    )
