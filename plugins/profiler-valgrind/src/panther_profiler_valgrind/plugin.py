"""What PANTHER loads: the execution environments of valgrind, one for each of its tools."""

from __future__ import annotations

from collections.abc import Iterable

from panther_hookspecs import (
    Context,
    ExecutionEnvironmentDescriptor,
    ExecutionEnvironmentInterface,
    Need,
    hookimpl,
)
from panther_profiler_valgrind.options import (
    CallgrindOptions,
    CheckerOptions,
    DhatOptions,
    DrdOptions,
    HelgrindOptions,
    MassifOptions,
    MemcheckOptions,
    ValgrindOptions,
)

_PTRACE = "it would watch valgrind and not the program, which valgrind runs inside of itself"
_OTHERS = {
    "strace": "a program under valgrind makes valgrind's system calls, and strace would count and time those",
    "gdb": _PTRACE,
    "ltrace": _PTRACE,
    "rr": _PTRACE,
    "perf_record": _PTRACE,
    "perf_stat": _PTRACE,
    "pyspy": _PTRACE,
    "gperf_cpu": "the signal of gperftools' timer kills a program under valgrind",
    "gperf_heap": "both replace malloc, and only one of them gets to see it",
    "heaptrack": "both replace malloc, and only one of them gets to see it",
    "memray": "both replace malloc, and only one of them gets to see it",
}
_PYTHON = 60.0
"""How much slower Python becomes: its start alone, with all that it imports, takes most of a short service's time."""
_TOOLS: tuple[tuple[type[ValgrindOptions], float, str], ...] = (
    (MemcheckOptions, 10.0, "Memory errors: leaks, use after free, uninitialised values, wrong frees."),
    (HelgrindOptions, 10.0, "Errors of threads: data races, locks taken in conflicting orders, misuse of locks."),
    (DrdOptions, 10.0, "Data races and misuse of locks, by another method than helgrind's."),
    (CallgrindOptions, 20.0, "Instructions of each function and of what it calls, nearly the same in every run."),
    (MassifOptions, 5.0, "Size of the heap over time, and the stacks that hold its peak."),
    (DhatOptions, 5.0, "Blocks of the heap by where they are allocated: number, size, reads and writes."),
)


def _checker(context: Context, options: CheckerOptions) -> ExecutionEnvironmentInterface:
    from panther_profiler_valgrind.checker import CheckerEnvironment  # noqa: PLC0415 - reads XML, of no use to a list

    return CheckerEnvironment(context, options)


def _profiler(context: Context, options: ValgrindOptions) -> ExecutionEnvironmentInterface:
    from panther_profiler_valgrind.profiler import ProfilerEnvironment  # noqa: PLC0415 - the same

    return ProfilerEnvironment(context, options)


@hookimpl
def panther_register_execution_environments() -> Iterable[ExecutionEnvironmentDescriptor]:
    """Announce one execution environment for each tool."""
    names = [options.TOOL for options, *_ in _TOOLS]
    for options, slowdown, summary in _TOOLS:
        name = options.TOOL
        siblings = {
            each: f"both are tools of valgrind, which runs one at a time: use two cases, one with {each}"
            for each in names
            if each != name
        }
        yield ExecutionEnvironmentDescriptor(
            name=name,
            summary=summary,
            factory=_checker if issubclass(options, CheckerOptions) else _profiler,
            options=options,
            needs=(
                Need("linux", "linux", why="valgrind runs programs of this machine"),
                Need("tool", "valgrind", package="valgrind", why=f"{name} is one of its tools"),
            ),
            order=40,
            excludes={**_OTHERS, **siblings},
            slowdown=slowdown,
            slowdowns={"python": _PYTHON},
            image_packages=("valgrind", "libc6-dbg"),
        )
