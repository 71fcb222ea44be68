"""The keys that a user may write for ``gperf_cpu`` and ``gperf_heap``."""

from __future__ import annotations

import signal
from typing import Any

import attrs

from panther_hookspecs import Bytes, ExecutionEnvironmentOptions, Seconds, option

DEFAULT_FREQUENCY = 100
DEFAULT_SIGNAL = "SIGRTMAX"
"""Servers have handlers of their own for SIGUSR1 and SIGUSR2."""
LEAK_CHECKS = ("", "minimal", "normal", "strict", "draconian")
_FASTEST = 4000


def _signal(_instance: object, _attribute: attrs.Attribute[str], name: str) -> None:
    if name and f"SIG{name.removeprefix('SIG')}" not in signal.Signals.__members__:
        raise ValueError(f"expected the name of a signal, for example SIGUSR2, got {name!r}")


def number_of(name: str) -> int:
    """Return the number of the signal ``name``, of the usual one if there is no name."""
    return signal.Signals[f"SIG{(name or DEFAULT_SIGNAL).removeprefix('SIG')}"].value


def _rate() -> Any:
    return attrs.validators.and_(attrs.validators.ge(0), attrs.validators.le(_FASTEST))


@attrs.frozen(kw_only=True)
class GperfOptions(ExecutionEnvironmentOptions):
    """What both instruments can be told. Raw profiles are evidence: ``cleanup_on_exit`` changes nothing."""

    forks: bool = option(
        False, help="Watch the processes that the program forks, each with a profile of its own, by means of a signal."
    )
    output_file: str = option(
        "", help="Also copy the raw profile here; relative to the attempt's folder. A later case writes over it."
    )


@attrs.frozen(kw_only=True)
class CpuOptions(GperfOptions):
    """Options of the execution environment ``gperf_cpu``."""

    frequency: int = option(
        0,
        validator=_rate(),
        help="Samples in a second of CPU time, 1 to 4000; the kernel delivers as many as its own clock at most. "
        "100 if left out.",
    )
    profile_frequency: int = option(0, validator=_rate(), help="Another name for frequency.")
    realtime: bool = option(
        False, help="Sample by the time of the clock, waiting included, instead of CPU time. Takes SIGALRM."
    )
    switch_signal: str = option(
        "",
        validator=_signal,
        help="Signal that switches sampling on and off, for programs that do not end by exit() when they are stopped. "
        "Sampling then lasts from the start of the service until just before it is stopped.",
    )

    def __attrs_post_init__(self) -> None:
        """Refuse two frequencies."""
        given = {float(rate) for rate in (self.frequency, self.profile_frequency, self.sampling_rate) if rate}
        if len(given) > 1:
            raise ValueError("frequency, profile_frequency and sampling_rate are one and the same: give one of them")
        if any(not 1 <= rate <= _FASTEST for rate in given):
            raise ValueError(f"expected a frequency from 1 to {_FASTEST} samples a second, got {given.pop():g}")

    @property
    def rate(self) -> int:
        """Samples a second that are asked for."""
        return round(self.frequency or self.profile_frequency or self.sampling_rate or DEFAULT_FREQUENCY)

    @property
    def switched(self) -> bool:
        """Whether a signal switches sampling on and off."""
        return bool(self.switch_signal or self.forks or self.monitoring_duration)


@attrs.frozen(kw_only=True)
class HeapOptions(GperfOptions):
    """Options of the execution environment ``gperf_heap``."""

    allocation_interval: Bytes = option(
        Bytes(0), validator=attrs.validators.ge(0), help="Write a profile whenever this much was allocated; 0: never."
    )
    growth_interval: Bytes = option(
        Bytes(0),
        validator=attrs.validators.ge(0),
        help="Write a profile whenever live memory grew by this much; 0: never.",
    )
    time_interval: Seconds = option(
        Seconds(0),
        validator=attrs.validators.ge(0),
        help="Write a profile at the first allocation after this time, in whole seconds; 0: never.",
    )
    dump_signal: str = option(
        "",
        validator=_signal,
        help="Signal that makes the program write a profile just before it is stopped, for programs that do not end "
        "by exit() then.",
    )
    leak_check: str = option(
        "",
        validator=attrs.validators.in_(LEAK_CHECKS),
        help="Let gperftools look for memory that nothing points to any more: minimal, normal, strict or draconian. "
        "With leaks the program ends with exit code 1 instead of its own. If left out, what is live at exit is judged.",
    )
    leak_objects: int = option(
        10,
        validator=attrs.validators.ge(1),
        help="Without leak_check: how many objects of one place must be live at exit to be a finding.",
    )
    leak_bytes: Bytes = option(
        Bytes(1024),
        validator=attrs.validators.ge(1),
        help="Without leak_check: how much memory of one place must be live at exit to be a finding.",
    )

    def __attrs_post_init__(self) -> None:
        """Refuse an interval that gperftools would take for none, and what it cannot do."""
        if self.sampling_rate:
            raise ValueError("gperf_heap has no sampling_rate: it sees every allocation; leave it out")
        if 0 < self.time_interval < 1 or self.time_interval % 1:
            raise ValueError(f"time_interval takes whole seconds, got {self.time_interval:g}")

    @property
    def switched(self) -> bool:
        """Whether a signal makes the program write a profile."""
        return bool(self.dump_signal or self.forks or self.monitoring_duration)
