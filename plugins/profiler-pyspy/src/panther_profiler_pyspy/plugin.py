"""What PANTHER loads: the execution environment ``pyspy``."""

from __future__ import annotations

from collections.abc import Iterable

from panther_hookspecs import ExecutionEnvironmentDescriptor, Need, hookimpl
from panther_profiler_pyspy.environment import PySpyEnvironment
from panther_profiler_pyspy.options import PySpyOptions

_VALGRIND = "a program under valgrind cannot be read from outside: its memory is laid out by valgrind"
_STRACE = "py-spy stops the program with ptrace for each look, and strace keeps that for itself"


@hookimpl
def panther_register_execution_environments() -> Iterable[ExecutionEnvironmentDescriptor]:
    """Announce ``pyspy``."""
    yield ExecutionEnvironmentDescriptor(
        name="pyspy",
        summary="Hot functions of a Python program by sampling from outside, as a flame graph and as a timeline.",
        factory=PySpyEnvironment,
        options=PySpyOptions,
        needs=(Need("linux", "linux", why="the memory of the program is read through the kernel"),),
        order=50,
        excludes={
            "strace": _STRACE,
            **dict.fromkeys(("memcheck", "helgrind", "drd", "callgrind", "massif", "dhat"), _VALGRIND),
        },
        slowdown=1.2,
    )
