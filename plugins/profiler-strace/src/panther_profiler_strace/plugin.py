"""What PANTHER loads: the execution environment ``strace``."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

from panther_hookspecs import ExecutionEnvironmentDescriptor, Need, hookimpl
from panther_profiler_strace.environment import StraceEnvironment
from panther_profiler_strace.options import StraceOptions
from panther_profiler_strace.preflight import Inspector

_VALGRIND = "a program under valgrind makes valgrind's system calls, and strace would count and time those"


@hookimpl
def panther_register_execution_environments() -> Iterable[ExecutionEnvironmentDescriptor]:
    """Announce ``strace``."""
    yield ExecutionEnvironmentDescriptor(
        name="strace",
        summary="System calls of every process and thread: counts, times, errors, traffic by peer; can inject faults.",
        factory=partial(StraceEnvironment, inspector=Inspector()),
        options=StraceOptions,
        needs=(
            Need("linux", "linux", why="strace follows system calls with ptrace"),
            Need("tool", "strace", package="strace", why="it records the system calls"),
        ),
        order=30,
        excludes=dict.fromkeys(("memcheck", "helgrind", "drd", "callgrind", "massif", "dhat"), _VALGRIND),
        slowdown=6.0,
        image_packages=("strace",),
    )
