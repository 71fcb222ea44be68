"""Measure what PANTHER adds to a program that runs under strace, over the bare ``strace`` with the same arguments.

Run it as ``python benchmarks/strace_overhead.py``. Both run the same program in turns, and the ratio of the medians is
printed. All of it runs on one processor: strace is half as fast again where the kernel happens to put it beside its
program. What happens once for each run of an experiment, a look at the machine, is told apart, and so is reading the
log, which happens when the program is over.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import attrs
from panther_profiler_strace.command import wrapping
from panther_profiler_strace.environment import StraceEnvironment
from panther_profiler_strace.options import StraceOptions
from panther_profiler_strace.preflight import Inspector

from panther_core.testing import RecordingContext, recording_context
from panther_hookspecs import InstrumentTarget, ServiceCommand, ShellCommand

ROUNDS = 11
CALLS = 80_000
BUDGET = 0.03
PROGRAM = f"import os\nfor _ in range({CALLS}): os.getppid()"
COMMAND = ServiceCommand(program=ShellCommand(sys.executable, ("-c", PROGRAM)))


@attrs.frozen
class Run:
    """Seconds of one run of the program under strace."""

    running: float
    reading: float = 0.0


def bare(folder: Path) -> Run:
    """Run the program under strace, and nothing else."""
    folder.mkdir()
    argv = (*wrapping(StraceOptions(), folder / "strace.log"), *COMMAND.program.argv)
    begin = time.perf_counter()
    subprocess.run(argv, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    return Run(time.perf_counter() - begin)


def refused(tool: StraceEnvironment) -> list[str]:
    """Return why the program cannot be watched, which is the look at the machine."""
    target = InstrumentTarget(service="one", command=COMMAND, runtime="python", stop_signal=15)
    return [str(problem) for problem in tool.check(target)]


def watched(context: RecordingContext, inspector: Inspector) -> Run:
    """Run the program as the engine does it, with the instrument around it."""
    begin = time.perf_counter()
    tool = StraceEnvironment(context, StraceOptions(), inspector=inspector)
    assert not refused(tool)
    process = context.launcher.start(tool.wrap(COMMAND), name="one", folder=context.folder)
    tool.start_monitoring(process)
    status = process.wait()
    tool.stop_monitoring()
    ended = time.perf_counter()
    data = tool.get_monitoring_data()
    counts = {each.name: each.value for each in data.measurements}
    assert status is not None, "the program did not end"
    assert counts["strace.getppid.count"] == CALLS, counts
    return Run(ended - begin, time.perf_counter() - ended)


def in_turns(context: RecordingContext, inspector: Inspector) -> Iterator[tuple[Run, Run]]:
    """Yield a run without and one with PANTHER, round by round, each first in every other round."""
    for number in range(ROUNDS):
        folder = context.folder.with_name(f"strace-{number}")
        folder.mkdir()
        own = attrs.evolve(context, folder=folder)
        if number % 2:
            plain = bare(context.attempt / f"bare-{number}")
            yield plain, watched(own, inspector)
        else:
            ours = watched(own, inspector)
            yield bare(context.attempt / f"bare-{number}"), ours


def main() -> None:
    """Run both in turns and print what PANTHER adds."""
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    inspector = Inspector()
    with (
        tempfile.TemporaryDirectory() as folder,
        recording_context(Path(folder) / "attempt", name="profiles/one/strace") as context,
    ):
        begin = time.perf_counter()
        assert not refused(StraceEnvironment(context, StraceOptions(), inspector=inspector))
        print(f"a look at the machine, once for each run: {(time.perf_counter() - begin) * 1e3:.0f} ms")
        runs = list(in_turns(context, inspector))
    plain, ours = (statistics.median(each[which].running for each in runs) for which in (0, 1))
    reading = statistics.median(each.reading for _, each in runs)
    added = ours / plain - 1
    print(f"the program runs {plain:.2f} s under bare strace")
    print(f"PANTHER adds {added:.1%} to that: {added / BUDGET:.2f} x the budget")
    print(f"reading the log of {CALLS:,} calls afterwards takes {reading / plain:.1%} of it")


if __name__ == "__main__":
    main()
