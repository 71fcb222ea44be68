"""Measure what PANTHER adds to each instrument, over the bare tool with the same arguments on the same program.

    python benchmarks/instrument_cost.py [--rounds 6] [--seconds 2] [--write] [TOOL ...]

A cost has a part for each case and a part for each second of the run. A short and a long run are compared, which tells
the two apart, and from which length of a run on PANTHER costs less than its budget. All costs are processor time, which
depends on other work on the machine far less than the clock does, at the speed that the machine had at that moment.
Each is told with the interval in which the median lies with 95 % confidence:

own      what PANTHER's own processes take while the program runs, from starting it to knowing that it has ended, read
         from the kernel's counters of these processes: once as a share of the run by the clock, and once of the
         processor time of tool and program, which on a busy machine is less than the clock, so that share is larger
tree     how much more tool and program take below PANTHER than alone: bare, watched, watched, bare in each round, so
         that a machine that becomes faster or slower meanwhile favours neither
reading  what it takes to read the tool's files when the program is over, tools that are called for that included,
         as a share of the processor time of tool and program

All of it runs on one processor: what strace costs depends on whether the kernel happens to put it beside its program.
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
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path

import attrs

from panther_core.plugin_manager import PluginManager
from panther_core.run.machine import MachineState, load_between, yardstick
from panther_core.statistics import median, median_interval
from panther_core.testing import RecordingContext, recording_context
from panther_hookspecs import ExecutionEnvironmentDescriptor, InstrumentTarget, ServiceCommand, ShellCommand

BUDGET = 0.03
PROBES = 15
PATIENCE = 300.0
SHORT = 0.25
"""Length of a short run, as a part of that of a long one."""
FEWEST = {"pyspy": 1200}  # turns: it fails where the program has ended before its first look
PAGE = Path(__file__).resolve().parents[1] / "docs" / "reference" / "instruments.md"
BEGIN, END = "<!-- benchmarks/instrument_cost.py --write -->", "<!-- until here -->"
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
    """Seconds of processor time of tool and program, of PANTHER while they ran, of all afterwards; and by the clock."""

    tree: float
    own: float = 0.0
    reading: float = 0.0
    clock: float = 0.0


def spent() -> float:
    """Return the processor time of this process and of all below it: PANTHER's supervisor, the tool, the program."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + used.ru_utime + used.ru_stime + sum(of_process(pid) for pid in below(os.getpid()))


def of_process(pid: int) -> float:
    """Return the processor time of a process and of those that it has waited for."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")


def below(parent: int) -> Iterator[int]:
    """Yield all living processes below one."""
    for task in Path(f"/proc/{parent}/task").glob("*/children"):
        for pid in map(int, task.read_text().split()):
            yield pid
            yield from below(pid)


def own() -> float:
    """Return the processor time of PANTHER alone: of this process and its supervisors, to the nanosecond."""
    supervisors = [pid for pid in below(os.getpid()) if b"supervisor.py" in Path(f"/proc/{pid}/cmdline").read_bytes()]
    told = (Path(f"/proc/{pid}/schedstat").read_text().split()[0] for pid in supervisors)
    return time.process_time() + sum(map(int, told)) / 1e9


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


def bare(tool: str, context: RecordingContext, command: ServiceCommand) -> Spent:
    """Run a program under the tool, and nothing else."""
    argv = bare_argv(tool, command, context)
    before = spent()
    env = {**os.environ, "PATH": os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))}
    subprocess.run(argv, check=True, capture_output=True, cwd=context.folder, env=env, start_new_session=True)
    return Spent(spent() - before)


def watched(tool: str, context: RecordingContext, command: ServiceCommand) -> Spent:
    """Run a program with the instrument around it, as the engine does it."""
    descriptor = descriptor_of(tool)
    instrument = descriptor.factory(context, descriptor.options())
    runtime = "python" if tool == "pyspy" else "native"
    target = InstrumentTarget(service="one", command=command, runtime=runtime, stop_signal=15)
    problems = [str(problem) for problem in instrument.check(target)]
    assert not problems, problems
    began, owned, clock = spent(), own(), time.monotonic()
    process = context.launcher.start(instrument.wrap(command), name="one", folder=context.folder)
    instrument.start_monitoring(process)
    status = process.wait(PATIENCE)
    instrument.stop_monitoring()
    assert status is not None, f"the program did not end within {PATIENCE} s"
    assert status.ok, status
    ended, ours, clock = spent(), own() - owned, time.monotonic() - clock
    assert instrument.get_monitoring_data() is not None
    return Spent(ended - began - ours, ours, spent() - ended, clock)


@attrs.frozen
class Pairs:
    """What two runs of the bare tool and two below PANTHER took, of one length, in one round."""

    bare: float
    watched: Spent
    pace: float
    """What the yardstick took meanwhile. The others are as if it had taken one millisecond."""


def pairs(tool: str, common: RecordingContext, turns: int) -> Pairs:
    """Run bare, watched, watched, bare; return the means."""
    command = program(common.attempt, tool, turns)
    found: dict[Callable[..., Spent], list[Sequence[float]]] = {bare: [], watched: []}
    paces = []
    for number, run in enumerate((bare, watched, watched, bare)):
        context = attrs.evolve(common, folder=common.attempt / f"{number}" / "profiles" / "one" / tool)
        context.folder.mkdir(parents=True)
        before = [yardstick() for _ in range(PROBES)]
        spent = run(tool, context, command)
        paces.append(statistics.median([*before, *(yardstick() for _ in range(PROBES))]))
        found[run].append([each / paces[-1] for each in attrs.astuple(spent)])
        shutil.rmtree(common.attempt / f"{number}")
    alone, ours = ([statistics.mean(column) for column in zip(*found[run], strict=True)] for run in (bare, watched))
    return Pairs(alone[0], Spent(*ours), statistics.mean(paces))


def once(tool: str, folder: Path, lengths: Sequence[int]) -> None:
    """Print what runs of these lengths take.

    Before that both are run with hardly anything to do: looking at the machine and at the program, loading what is
    needed and starting what starts programs happen once for each run of an experiment, not for each case.
    """
    with recording_context(folder) as context:
        pairs(tool, context, FEWEST.get(tool, 20))
        print(json.dumps([attrs.asdict(pairs(tool, context, turns)) for turns in lengths]))


def fresh(tool: str, folder: Path, *lengths: int) -> list[Pairs]:
    """Do that in a fresh process, as each run of an experiment is one."""
    argv = [sys.executable, __file__, tool, "--folder", str(folder), "--turns", *map(str, lengths)]
    done = subprocess.run(argv, check=True, stdout=subprocess.PIPE, text=True)
    return [Pairs(each["bare"], Spent(**each["watched"]), each["pace"]) for each in json.loads(done.stdout)]


def turns_for(tool: str, folder: Path, seconds: float) -> int:
    """Return how many turns the program takes to use that much processor time under the tool."""
    turns, spent = FEWEST.get(tool, 150) // 3, 0.0
    while spent < seconds / 3:
        turns *= 3
        (found,) = fresh(tool, folder, turns)
        spent = found.bare * found.pace
    return int(turns * seconds / spent)


@attrs.frozen
class Line:
    """A cost as a straight line over the length of the run: seconds of each case, and a share of the run."""

    fixed: tuple[float, ...]
    share: tuple[float, ...]
    """One value for each round."""

    @classmethod
    def through(cls, rounds: Sequence[Sequence[Pairs]], cost: str, of: str) -> Line:
        """Return the lines through what the short and the long run of each round cost."""
        shares, fixed = [], []
        for short, long in rounds:
            low, high = getattr(short.watched, cost), getattr(long.watched, cost)
            shares.append((high - low) / (getattr(long.watched, of) - getattr(short.watched, of)))
            fixed.append((low - shares[-1] * getattr(short.watched, of)) * short.pace)
        return cls(tuple(fixed), tuple(shares))

    def __str__(self) -> str:
        """Return it as a table has it."""
        return f"{1000 * median(self.fixed):.0f} ms + {told(self.share)}"

    def length(self, budget: float) -> float | None:
        """Return from how many seconds on a run costs less than a share of it; None if that is never so."""
        left = budget - median(self.share)
        return max(0.0, median(self.fixed)) / left if left > 0 else None


def told(shares: Sequence[float]) -> str:
    """Return the median and its interval in percent."""
    interval = median_interval(shares)
    between = f" ({interval.low:.1%} to {interval.high:.1%})" if interval else ""
    return f"{median(shares):.1%}{between}".replace("%", " %")


def row(tool: str, rounds: Sequence[Sequence[Pairs]]) -> Sequence[str]:
    """Return the row of a tool."""
    by_clock, ours, reading = (
        Line.through(rounds, cost, of) for cost, of in (("own", "clock"), ("own", "tree"), ("reading", "tree"))
    )
    length = by_clock.length(BUDGET)
    return (
        f"`{tool}`",
        str(by_clock),
        "never" if length is None else f"{length:.1f} s",
        str(ours),
        told([each.watched.tree / each.bare - 1 for both in rounds for each in both]),
        str(reading),
    )


HEADS = (
    "instrument",
    "own, of the run",
    f"below {100 * BUDGET:.0f} % of it from",
    "own, of its processor time",
    "tree",
    "reading",
)


def table(rows: Sequence[Sequence[str]]) -> str:
    """Return the table as Markdown."""
    return "\n".join(f"| {' | '.join(row)} |" for row in (HEADS, ["---"] * len(HEADS), *rows))


def write(text: str) -> None:
    """Put the result into the page of the documentation."""
    before, _, rest = PAGE.read_text().partition(BEGIN)
    PAGE.write_text(f"{before}{BEGIN}\n\n{text}\n\n{END}{rest.partition(END)[2]}")


def measured(tools: Sequence[str], rounds: int, seconds: float) -> Iterator[Mapping[str, Sequence[Sequence[Pairs]]]]:
    """Measure all tools in turns; yield after each round what is known by then."""
    with tempfile.TemporaryDirectory(prefix="panther-cost-") as name, contextlib.chdir(name):
        folder, found = Path(name), {tool: list[Sequence[Pairs]]() for tool in tools}
        lengths = {tool: turns_for(tool, folder, seconds) for tool in tools}
        for _ in range(rounds):
            for tool, turns in lengths.items():
                found[tool].append(fresh(tool, folder, int(turns * SHORT), turns))
            yield found


def main() -> None:
    """Print the table after each round."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tools", nargs="*", default=[*TOOLS], metavar="TOOL", help=", ".join(TOOLS))
    parser.add_argument("--rounds", type=int, default=6, help="six are the fewest that tell all intervals")
    parser.add_argument("--seconds", type=float, default=2.0, help="processor time of a long run under the bare tool")
    parser.add_argument("--write", action="store_true", help=f"put the table into {PAGE.name}")
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--turns", type=int, nargs="*", help=argparse.SUPPRESS)
    options = parser.parse_args()
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    if options.turns:
        once(options.tools[0], options.folder, options.turns)
        return
    before = MachineState.now()
    for number, found in enumerate(measured(options.tools, options.rounds, options.seconds), 1):
        load = load_between(before, MachineState.now(), spent())
        names = [name for name in ("others", "cpu_pressure", "steal") if name in load]
        shares = [f"{name.replace('_', ' ')} {load[name] * 100:.0f} %" for name in names]
        text = (
            f"{number} rounds, long runs of {options.seconds:g} s. The machine meanwhile: {', '.join(shares)}.\n\n"
            f"{table([row(tool, rounds) for tool, rounds in found.items()])}"
        )
        print(text, flush=True)
        if options.write:
            write(text)


if __name__ == "__main__":
    main()
