"""The options of the test type ``performance``."""

from __future__ import annotations

import attrs

from panther_hookspecs import Seconds, Share, option

AUTO = "auto"


def _runs(_instance: object, _attribute: attrs.Attribute[int | str], value: int | str) -> None:
    if isinstance(value, str) and value != AUTO:
        raise ValueError(f"expected a number of runs or auto, got {value!r}")
    if isinstance(value, int) and value < 0:
        raise ValueError(f"expected a number of runs, at least 0, or auto, got {value}")


@attrs.frozen(kw_only=True)
class NoiseLimits:
    """From when on a measured run counts as disturbed by something else on the machine."""

    pressure: Share = option(Share(0.6), help="Share of the time in which something had to wait for a processor.")
    steal: Share = option(Share(0.05), help="Share of processor time that the hypervisor gave to others.")
    throttled: Share = option(Share(0.01), help="Share of the time in which the control group was throttled.")


@attrs.frozen(kw_only=True)
class PerformanceOptions:
    """How to measure."""

    warmup: int | str = option(
        1,
        validator=_runs,
        help="Runs of the clients before the measured one; auto: until three take equally long.",
    )
    repeats: int = option(
        2, validator=attrs.validators.ge(0), help="How often a disturbed measurement is made again before it is kept."
    )
    noise: NoiseLimits = option(NoiseLimits(), help="What counts as disturbed.")
    interval: Seconds = option(
        Seconds(0.1), validator=attrs.validators.gt(0), help="Time between two looks at what the services use."
    )
    saturated: Share = option(Share(0.9), help="Share of a processor from which on a client counts as bottleneck.")
    start_error: Seconds = option(
        Seconds(0.001), help="How late a load may send 1 % of its requests before it counts as the bottleneck itself."
    )
