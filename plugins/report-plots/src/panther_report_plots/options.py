"""The options of the report ``plots``."""

from __future__ import annotations

import attrs

from panther_hookspecs import option

FORMATS = ("png", "svg", "pdf")


@attrs.frozen(kw_only=True)
class PlotOptions:
    """What is drawn."""

    metrics: tuple[str, ...] = option(
        (
            "load.latency.p50",
            "load.latency.p99",
            "load.throughput",
            "performance.seconds",
            "*.goodput",
            "*.rtt.median",
            "recovery.seconds",
        ),
        help="Measurements to draw; a name may hold * for anything.",
    )
    loads: int = option(
        6, validator=attrs.validators.ge(0), help="Of how many loads every request is drawn; distributions have all."
    )
    formats: tuple[str, ...] = option(FORMATS, help="Of png, svg and pdf.")
    dpi: int = option(300, validator=attrs.validators.ge(50), help="Resolution of PNG files.")
