"""How busy and how fast the machine was while something ran on it: numbers are worth as much as it was steady.

What the kernel counts does not tell everything. A processor that shares its core or its caches with another one, a
clock that changes, a host that has other guests: all of them change the processor time that a program takes, by a
quarter and more, without a trace in any counter. A yardstick shows it: a fixed piece of work, timed again and again.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

import attrs

_PROC = Path("/proc")
_CPUS = Path("/sys/devices/system/cpu")
_GROUPS = Path("/sys/fs/cgroup")
_PRESSURES = ("cpu", "io", "memory")
_HELD_BACK = {"throttled_usec": 1e6, "throttled_time": 1e9}
_TICKS = os.sysconf("SC_CLK_TCK")
_IDLE, _IOWAIT, _STEAL = 3, 4, 7
_YARDSTICK = 4000
"""Turns of the yardstick: some tenths of a millisecond."""
_COUNTED = 8
"""Columns of /proc/stat up to steal: the two after it are parts of others."""


@attrs.frozen(kw_only=True)
class MachineState:
    """What the kernel had counted at one moment; what it does not tell is missing."""

    at: float
    busy: float = 0.0
    """Seconds of processor time, of all processors together."""
    total: float = 0.0
    steal: float = 0.0
    """Seconds in which a processor was given to another virtual machine."""
    stalled: Mapping[str, float] = attrs.field(factory=dict)
    """Seconds in which somebody waited for a processor, for input and output, for memory."""
    throttled: int = 0
    """How often processors were slowed down because they were too hot."""
    held_back: float | None = None
    """Seconds for which the limit of our control group kept processes from running, where it has one."""
    yardstick: float = 0.0
    """Milliseconds of processor time that the yardstick takes."""

    @classmethod
    def now(cls, proc: Path = _PROC, cpus: Path = _CPUS, groups: Path = _GROUPS) -> MachineState:
        """Look at the machine."""
        ticks = _ticks(proc)
        return cls(
            at=time.monotonic(),
            busy=(sum(ticks) - ticks[_IDLE] - ticks[_IOWAIT]) / _TICKS if ticks else 0.0,
            total=sum(ticks) / _TICKS,
            steal=ticks[_STEAL] / _TICKS if ticks else 0.0,
            stalled=dict(_stalled(proc)),
            throttled=sum(_numbers(cpus, "thermal_throttle/core_throttle_count")),
            held_back=_held_back(groups),
            yardstick=yardstick(),
        )


def yardstick() -> float:
    """Return how many milliseconds of processor time a fixed piece of work takes at this moment.

    It is the time of this thread alone, so waiting for a processor does not count, and neither do other threads.
    """
    begin, value = time.thread_time_ns(), 0
    for number in range(_YARDSTICK):
        value = value * 31 + number & 0xFFFFFFFF
    return (time.thread_time_ns() - begin) / 1e6


def load_between(
    before: MachineState, after: MachineState, own: float | None = None, *, proc: Path = _PROC, cpus: Path = _CPUS
) -> dict[str, float]:
    """Return how busy the machine was between two moments, as shares of the time unless the name says something else.

    ``own`` is the processor time of what is being judged, where that is known: the rest of it belongs to ``others``,
    which are everything else on the machine, other cases of the same run included.
    """
    found = {"yardstick_ms": round((before.yardstick + after.yardstick) / 2, 4)}
    seconds, total = after.at - before.at, after.total - before.total
    if total > 0:
        busy = after.busy - before.busy
        found["busy"] = _share(busy, total)
        if own is not None:
            found["others"] = _share(busy - own, total)
        found["steal"] = _share(after.steal - before.steal, total)
    for name in _PRESSURES:
        if seconds > 0 and name in before.stalled and name in after.stalled:
            found[f"{name}_pressure"] = _share(after.stalled[name] - before.stalled[name], seconds)
    if seconds > 0 and before.held_back is not None and after.held_back is not None:
        found["held_back"] = _share(after.held_back - before.held_back, seconds)
    load = _text(proc / "loadavg").split()
    if load:
        found["load"] = float(load[0])
    clocks = list(_numbers(cpus, "cpufreq/scaling_cur_freq"))
    if clocks:
        found["mhz"] = round(sum(clocks) / len(clocks) / 1000)
    if after.throttled > before.throttled:
        found["throttled"] = after.throttled - before.throttled
    return found


def _share(part: float, whole: float) -> float:
    return round(min(max(part / whole, 0.0), 1.0), 3)


def _ticks(proc: Path) -> list[int]:
    first = _text(proc / "stat").partition("\n")[0].split()
    return [int(each) for each in first[1 : 1 + _COUNTED]] if len(first) > _COUNTED else []


def _stalled(proc: Path) -> Iterable[tuple[str, float]]:
    for name in _PRESSURES:
        first = _text(proc / "pressure" / name).partition("\n")[0]
        _, told, microseconds = first.partition("total=")
        if told:
            yield name, int(microseconds) / 1e6


def _held_back(groups: Path) -> float | None:
    """Return what either version of control groups has counted, None where there is no limit that could hold back."""
    for place in (".", "cpu,cpuacct", "cpu"):
        for line in _text(groups / place / "cpu.stat").splitlines():
            name, _, count = line.partition(" ")
            if name in _HELD_BACK:
                return int(count) / _HELD_BACK[name]
    return None


def _numbers(cpus: Path, name: str) -> Iterable[int]:
    """Yield a number of each processor that we may use, where the machine tells it."""
    for cpu in sorted(os.sched_getaffinity(0)):
        with contextlib.suppress(ValueError):
            yield int(_text(cpus / f"cpu{cpu}" / name))


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii", errors="replace")
    except OSError:
        return ""
