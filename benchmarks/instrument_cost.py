"""Measure what PANTHER adds to each instrument, over the bare tool with the same arguments on the same program.

    python benchmarks/instrument_cost.py [--rounds 9] [--seconds 2] [TOOL ...]

Both run in turns, and processor time is compared, that of the program, of the tool and of PANTHER together, each at the
speed that the machine had at that moment: it depends on other work on the machine far less than the clock does. What is
told is the median over the rounds of what PANTHER adds while the program runs, as a share of how long it runs (that has
a budget) and of the processor time, and what it takes to read the tool's files when the program is over. PANTHER looks
at a program a few times a second, so where others take the processor away the second share is the larger one. All of it
runs on one processor: what strace costs depends on whether the kernel happens to put it beside its program.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path

import attrs

from panther_core.plugin_manager import PluginManager
from panther_core.run.machine import yardstick
from panther_core.statistics import percentile
from panther_core.testing import RecordingContext, recording_context
from panther_hookspecs import ExecutionEnvironmentDescriptor, InstrumentTarget, ServiceCommand, ShellCommand

BUDGET = 0.03
PROBES = 15
PATIENCE = 300.0
TOOLS = (
    *("strace", "gperf_cpu", "gperf_heap", "perf_stat", "perf_record", "pyspy"),
    *("memcheck", "helgrind", "drd", "callgrind", "massif", "dhat"),
)
NATIVE = r"""
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>
static volatile uint64_t sink;
__attribute__((noinline)) static void turn(void) {
    char *block = malloc(200);
    for (uint64_t i = 0; i < 20000; i++) sink = (sink ^ i) * 1099511628211ULL;
    block[0] = (char)sink;
    free(block);
    (void)getppid();
}
int main(int count, char **args) {
    for (long left = count > 1 ? atol(args[1]) : 0; left > 0; left--) turn();
    return 0;
}
"""
PYTHON = """
import sys
def turn(total):
    for number in range(1000): total = total * 31 + number & 0xFFFFFFFF
    return total
total = 0
for _ in range(int(sys.argv[1])): total = turn(total)
"""


@attrs.frozen
class Spent:
    """Seconds of processor time, while the program ran and afterwards, and how long it ran by the clock."""

    running: float
    reading: float = 0.0
    clock: float = 0.0


def spent() -> float:
    """Return the processor time of this process and of all below it: PANTHER's supervisor, the tool, the program."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + used.ru_utime + used.ru_stime + of_children(os.getpid())


def of_children(parent: int) -> float:
    """Return the processor time of all living processes below one, and of those that they have waited for."""
    total = 0.0
    for task in Path(f"/proc/{parent}/task").glob("*/children"):
        for pid in task.read_text().split():
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            total += sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK") + of_children(int(pid))
    return total


def program(folder: Path, tool: str, turns: int) -> ServiceCommand:
    """Return a program that calculates, allocates and calls the kernel ``turns`` times; for py-spy, one in Python."""
    if tool == "pyspy":
        return ServiceCommand(program=ShellCommand(sys.executable, ("-c", PYTHON, turns)))
    target = folder / "native"
    if not target.exists():
        source = folder / "native.c"
        source.write_text(NATIVE)
        subprocess.run(["cc", "-O1", "-g", "-o", target, source], check=True)
    return ServiceCommand(program=ShellCommand(str(target), (turns,)))


@lru_cache
def descriptor_of(tool: str) -> ExecutionEnvironmentDescriptor:
    """Return the instrument as its plugin announces it."""
    return PluginManager.load().registry.get(ExecutionEnvironmentDescriptor, tool)


def bare_argv(tool: str, command: ServiceCommand, context: RecordingContext) -> Sequence[str]:
    """Return how a person would call the tool; where PANTHER wraps the program, with exactly its arguments."""
    folder, argv = context.folder, command.program.argv
    by_hand: Mapping[str, Sequence[str]] = {
        "perf_stat": ("perf", "stat", "-x,", "-o", f"{folder}/stat.csv", "--", *argv),
        "perf_record": ("perf", "record", "-q", "-e", "cpu-clock", "-F999", "-g", "-o", f"{folder}/data", "--", *argv),
        "pyspy": ("py-spy", "record", "-r", "100", "-f", "speedscope", "-o", f"{folder}/scope.json", "--", *argv),
    }
    if tool in by_hand:
        return by_hand[tool]
    descriptor = descriptor_of(tool)
    return descriptor.factory(context, descriptor.options()).wrap(command).argv


def bare(tool: str, folder: Path, turns: int) -> Spent:
    """Run the program under the tool, and nothing else."""
    with recording_context(folder, name=f"profiles/one/{tool}") as context:
        argv = bare_argv(tool, program(folder.parent, tool, turns), context)
        before = spent()
        path = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
        subprocess.run(argv, check=True, capture_output=True, cwd=context.folder, env={**os.environ, "PATH": path})
        return Spent(spent() - before)


def watched(tool: str, folder: Path, turns: int) -> Spent:
    """Run the program as PANTHER does, in a fresh process, as each run of an experiment is one."""
    argv = [sys.executable, __file__, "--once", tool, "--folder", str(folder), "--turns", str(turns)]
    done = subprocess.run(argv, check=True, capture_output=True, text=True)
    return Spent(**json.loads(done.stdout))


def once(tool: str, folder: Path, turns: int) -> None:
    """Run the program as the engine does it; print what was spent while it ran, and on reading.

    Before that it is run with hardly anything to do: looking at the machine and at the program, loading what is
    needed and starting what starts programs happen once for each run of an experiment, not for each case.
    """
    with recording_context(folder, name="warm") as context:
        followed(tool, context, program(folder.parent, tool, 20))
        own = attrs.evolve(context, folder=folder / "profiles" / "one" / tool)
        own.folder.mkdir(parents=True)
        print(json.dumps(attrs.asdict(followed(tool, own, program(folder.parent, tool, turns)))))


def followed(tool: str, context: RecordingContext, command: ServiceCommand) -> Spent:
    """Run a program with the instrument around it."""
    descriptor = descriptor_of(tool)
    instrument = descriptor.factory(context, descriptor.options())
    runtime = "python" if tool == "pyspy" else "native"
    target = InstrumentTarget(service="one", command=command, runtime=runtime, stop_signal=15)
    problems = [str(problem) for problem in instrument.check(target)]
    assert not problems, problems
    before, begin = spent(), time.monotonic()
    process = context.launcher.start(instrument.wrap(command), name="one", folder=context.folder)
    instrument.start_monitoring(process)
    status = process.wait(PATIENCE)
    instrument.stop_monitoring()
    assert status is not None, f"the program did not end within {PATIENCE} s"
    assert status.ok, status
    ended, clock = spent(), time.monotonic() - begin
    assert instrument.get_monitoring_data() is not None
    return Spent(ended - before, spent() - ended, clock)


def at_one_speed(run: Callable[[str, Path, int], Spent], tool: str, folder: Path, turns: int) -> Spent:
    """Return what a run has spent, as it would have been if the yardstick had taken one millisecond all the time."""
    paces = [yardstick() for _ in range(PROBES)]
    found = run(tool, folder, turns)
    pace = statistics.median([*paces, *(yardstick() for _ in range(PROBES))])
    return Spent(found.running / pace, found.reading / pace, found.clock / pace)


def turns_for(tool: str, folder: Path, seconds: float) -> int:
    """Return how many turns the program takes to use that much processor time under the tool."""
    turns, spent = 50, 0.0
    while spent < seconds / 3:
        turns *= 3
        spent = bare(tool, folder / f"try-{turns}", turns).running
    return int(turns * seconds / spent)


def compared(tool: str, folder: Path, rounds: int, seconds: float) -> tuple[list[float], list[float], list[float]]:
    """Return what PANTHER adds, as shares of the run and of its processor time, and what reading takes of that."""
    turns = turns_for(tool, folder, seconds)
    run, added, read = [], [], []
    for number in range(rounds):
        order = (bare, watched) if number % 2 else (watched, bare)
        found = {each: at_one_speed(each, tool, folder / f"{number}-{each.__name__}", turns) for each in order}
        plain, ours = found[bare].running, found[watched]
        run.append((ours.running - plain) / ours.clock)
        added.append(ours.running / plain - 1)
        read.append(ours.reading / plain)
        for each in order:
            shutil.rmtree(folder / f"{number}-{each.__name__}")
    return run, added, read


def main() -> None:
    """Print one line for each tool."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tools", nargs="*", default=[*TOOLS], metavar="TOOL", help=", ".join(TOOLS))
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--seconds", type=float, default=2.0, help="processor time of one run under the bare tool")
    parser.add_argument("--once", help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--turns", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    if options.once:
        once(options.once, options.folder, options.turns)
        return
    print(f"what PANTHER adds to the bare tool; the budget is {BUDGET:.0%} of the run")
    print(f"{'tool':<12} {'of the run':>10} {'from':>7} {'to':>7} {'of its processor time':>21} {'reading':>8}")
    for tool in options.tools:
        with tempfile.TemporaryDirectory(prefix="panther-cost-") as name, contextlib.chdir(name):
            run, added, read = compared(tool, Path(name), options.rounds, options.seconds)
        low, middle, high = (percentile(run, share) for share in (0.25, 0.5, 0.75))
        print(
            f"{tool:<12} {middle:>10.1%} {low:>7.1%} {high:>7.1%} {statistics.median(added):>21.1%} "
            f"{statistics.median(read):>8.1%}",
            flush=True,
        )


if __name__ == "__main__":
    main()
