"""What PANTHER loads: the execution environments ``gperf_cpu`` and ``gperf_heap``."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

from panther_hookspecs import ExecutionEnvironmentDescriptor, Need, hookimpl
from panther_profiler_gperf.cpu import CpuEnvironment
from panther_profiler_gperf.heap import HeapEnvironment
from panther_profiler_gperf.options import CpuOptions, HeapOptions
from panther_profiler_gperf.symbols import Known

_VALGRIND = ("memcheck", "helgrind", "drd", "callgrind", "massif", "dhat")
_PACKAGE = "libgoogle-perftools4"
_LINUX = Need("linux", "linux", why="gperftools is preloaded into the program by the loader")
_NAMES = Need("tool", "addr2line", package="binutils", why="it finds functions and lines for addresses")


@hookimpl
def panther_register_execution_environments() -> Iterable[ExecutionEnvironmentDescriptor]:
    """Announce both."""
    known = Known()
    yield ExecutionEnvironmentDescriptor(
        name="gperf_cpu",
        summary="CPU time of a native program by function, sampled by gperftools.",
        factory=partial(CpuEnvironment, known=known),
        options=CpuOptions,
        needs=(_LINUX, Need("library", "libprofiler.so.0", package=_PACKAGE, why="it takes the samples"), _NAMES),
        order=90,
        excludes=dict.fromkeys(
            _VALGRIND, "valgrind leaves its signal SIGPROF without a handler, which ends the program"
        ),
        slowdown=1.5,
        image_packages=(_PACKAGE,),
    )
    yield ExecutionEnvironmentDescriptor(
        name="gperf_heap",
        summary="Memory of a native program by function, live and leaked, seen by gperftools' allocator.",
        factory=partial(HeapEnvironment, known=known),
        options=HeapOptions,
        needs=(_LINUX, Need("library", "libtcmalloc.so.4", package=_PACKAGE, why="it counts the memory"), _NAMES),
        order=91,
        excludes=dict.fromkeys(_VALGRIND, "valgrind replaces malloc() too, and then gperftools sees no allocation"),
        slowdown=5.0,
        image_packages=(_PACKAGE,),
    )
