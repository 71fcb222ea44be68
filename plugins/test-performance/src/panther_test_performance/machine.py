"""How much the rest of the machine was in the way, from the kernel's own counters."""

from __future__ import annotations

import time
from pathlib import Path

import attrs

from panther_test_performance.options import NoiseLimits

_CGROUPS = ("/sys/fs/cgroup/cpu.stat", "/sys/fs/cgroup/cpu,cpuacct/cpu.stat", "/sys/fs/cgroup/cpu/cpu.stat")
_STEAL = 8
"""Place of stolen time in the first line of /proc/stat."""


@attrs.frozen(kw_only=True)
class Noise:
    """Shares of a stretch of time; None for what this kernel does not tell."""

    pressure: float | None = None
    steal: float | None = None
    throttled: float | None = None

    def beyond(self, limits: NoiseLimits) -> list[str]:
        """Return what lies over its limit, in words."""
        return [
            f"{name} {value:.0%} > {getattr(limits, name):.0%}"
            for name, value in attrs.asdict(self).items()
            if value is not None and value > getattr(limits, name)
        ]


@attrs.frozen(kw_only=True)
class Reading:
    """Counters at one moment."""

    at: float
    waited: float | None
    """Seconds in which something had to wait for a processor."""
    stolen: int
    ticks: int
    throttled: float | None

    @classmethod
    def now(cls) -> Reading:
        """Read the counters."""
        words = [int(each) for each in _text("/proc/stat").split("\n", 1)[0].split()[1:]] or [0]
        return cls(
            at=time.monotonic(),
            waited=_pressure(_text("/proc/pressure/cpu")),
            stolen=words[_STEAL - 1] if len(words) >= _STEAL else 0,
            ticks=sum(words[:_STEAL]),
            throttled=_throttled(),
        )

    def until(self, later: Reading) -> Noise:
        """Return the shares between two moments."""
        seconds = max(later.at - self.at, 1e-9)

        def share(begin: float | None, end: float | None) -> float | None:
            return None if begin is None or end is None else min(1.0, (end - begin) / seconds)

        ticks = later.ticks - self.ticks
        return Noise(
            pressure=share(self.waited, later.waited),
            steal=(later.stolen - self.stolen) / ticks if ticks > 0 else None,
            throttled=share(self.throttled, later.throttled),
        )


def _text(path: str) -> str:
    try:
        return Path(path).read_text(encoding="ascii")
    except OSError:
        return ""


def _pressure(text: str) -> float | None:
    """Return the seconds of ``some`` pressure, or None where the kernel does not count it."""
    for line in text.splitlines():
        if line.startswith("some ") and "total=" in line:
            return int(line.rpartition("total=")[2]) / 1e6
    return None


def _throttled() -> float | None:
    """Return the seconds for which our control group was throttled, in either version of control groups."""
    for path in _CGROUPS:
        for line in _text(path).splitlines():
            key, _, value = line.partition(" ")
            if key in ("throttled_usec", "throttled_time"):
                return int(value) / (1e6 if key == "throttled_usec" else 1e9)
    return None
