"""What PANTHER loads: the execution environments ``perf_stat`` and ``perf_record``."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

from panther_hookspecs import ExecutionEnvironmentDescriptor, Need, hookimpl
from panther_profiler_perf.options import RecordOptions, StatOptions
from panther_profiler_perf.preflight import Inspector
from panther_profiler_perf.record import RecordEnvironment
from panther_profiler_perf.stat import StatEnvironment

_VALGRIND = "a program under valgrind runs on a processor that valgrind imitates, and perf would watch valgrind"
_STRACE = "a program under strace is stopped at every system call, and perf would watch that"
_EXCLUDES = {
    **dict.fromkeys(("memcheck", "helgrind", "drd", "callgrind", "massif", "dhat"), _VALGRIND),
    "strace": _STRACE,
}
_NEEDS = (
    Need("linux", "linux", why="perf is a part of the Linux kernel"),
    Need("tool", "perf", package="linux-perf", why="it counts and samples"),
)


@hookimpl
def panther_register_execution_environments() -> Iterable[ExecutionEnvironmentDescriptor]:
    """Announce both; what one has learned about the machine the other knows too."""
    inspector = Inspector()
    yield ExecutionEnvironmentDescriptor(
        name="perf_stat",
        summary="Counts of the kernel and the processor: time, context switches, page faults, cycles, cache misses.",
        factory=partial(StatEnvironment, inspector=inspector),
        options=StatOptions,
        needs=_NEEDS,
        order=61,
        excludes=_EXCLUDES,
    )
    yield ExecutionEnvironmentDescriptor(
        name="perf_record",
        summary="Hot functions of any program and of the kernel below it, static ones and Go included, by sampling.",
        factory=partial(RecordEnvironment, inspector=inspector),
        options=RecordOptions,
        needs=_NEEDS,
        order=60,
        excludes=_EXCLUDES,
        slowdown=1.2,
    )
