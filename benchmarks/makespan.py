"""How long a skewed pool takes, against the time that no order could be faster than; PANTHER beside its peers.

    python benchmarks/makespan.py [--slots 4] [--rounds 1] [--peers FOLDER] [--only panther]

Every test sleeps and writes down when it began and ended. *Makespan* counts from the first begin to the last end, which
leaves out the start of each tool; *wall* is the whole command. PANTHER runs each pool twice: the first time it knows
nothing, the second time it has learned. Peers that are not installed are put into FOLDER (a virtual environment
for each interpreter) if there is one, and are left out otherwise. What the tests would take if no tool cost anything,
as listed and the longest first, is calculated. Budgets: makespan 1.05 x the bound known, 1.15 x unknown; where the
same order takes longer than that even without a tool, 1.05 x what it takes.
"""

from __future__ import annotations

import argparse
import heapq
import json
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import attrs

Command = tuple[str, ...]
TEST = 'echo "$(date +%s.%N)" >>{log}; sleep {seconds}; echo "$(date +%s.%N)" >>{log}'

ATEX = """
import json, sys
from pathlib import Path
from atex.aggregator.jsonl import JSONLinesAggregator
from atex.connection.local import LocalConnection
from atex.executor.command import CommandExecutor
from atex.orchestrator.adhoc import AdHocOrchestrator
from atex.provisioner.anyconn import AnyConnectionProvisioner
tests = {name: ("sh", "-c", line) for name, line in json.load(open("tests.json"))}
pool = AnyConnectionProvisioner(LocalConnection, max_remotes=int(sys.argv[1]))
with JSONLinesAggregator("atex.jsonl", "atex-files") as results:
    run = AdHocOrchestrator("here", list(tests), [pool], lambda remote: CommandExecutor(remote, tests), results)
    with pool, run:
        run.serve_forever()
"""
TESTPLAN = """
import json, subprocess, sys
from testplan import TestplanMock
from testplan.runners.pools import ThreadPool
from testplan.runners.pools.process import ProcessPool
from testplan.runners.pools.tasks import Task
from testplan.testing.multitest import MultiTest, testcase, testsuite
@testsuite
class Suite:
    def __init__(self, line):
        self.line = line
    @testcase
    def case(self, env, result):
        result.equal(subprocess.call(["sh", "-c", self.line]), 0)
def make(name, line):
    return MultiTest(name=name, suites=[Suite(line)])
if __name__ == "__main__":
    kind = {"thread": ThreadPool, "process": ProcessPool}[sys.argv[2]]
    plan = TestplanMock(name="plan", runpath="testplan-run")
    plan.add_resource(kind(name="pool", size=int(sys.argv[1])))
    for name, line in json.load(open("tests.json")):
        target = make if sys.argv[2] == "thread" else "make"
        where = {} if sys.argv[2] == "thread" else {"module": "testplan_main", "path": "."}
        plan.schedule(Task(target=target, kwargs={"name": name, "line": line}, **where), resource="pool")
    plan.run()
"""
PYTEST = """
import json, pathlib, subprocess, pytest
TESTS = json.load(open(pathlib.Path(__file__).with_name("tests.json")))
@pytest.mark.parametrize("line", [line for _, line in TESTS], ids=[name for name, _ in TESTS])
def test(line):
    subprocess.run(["sh", "-c", line], check=True)
"""


def pools(slots: int) -> dict[str, list[float]]:
    """Return durations by pool, in the order in which they are listed."""
    dice = random.Random(7)
    drawn = [dice.lognormvariate(0, 1) for _ in range(12 * slots)]
    heavy = [dice.paretovariate(1.2) * 0.4 for _ in range(12 * slots)]
    return {
        "lognormal": [round(each, 2) for each in drawn],
        "heavy tail": [round(min(each, 9), 2) for each in heavy],
        "halving": [round(8 / (number + 1), 2) for number in range(4 * slots)],
        "surprise": [0.7] * (6 * slots) + [4.0],
        "many": [round(min(dice.paretovariate(1.2) * 0.2, 4), 2) for _ in range(40 * slots)],
    }


def span(durations: Sequence[float], slots: int) -> float:
    """Return what a pool takes that gives the next test to whoever is free, if that cost nothing."""
    free_at = [0.0] * slots
    for each in durations:
        heapq.heapreplace(free_at, free_at[0] + each)
    return max(free_at)


@attrs.frozen
class Peer:
    """A way to run a pool."""

    name: str
    command: Callable[[int, Path], Sequence[Command] | None]
    """The commands that run it, all at the same time, by slots and folder of the peers; None if it is not there."""


def _python(folder: Path, version: str, module: str) -> Path | None:
    python = folder / version / "bin" / "python"
    if not python.exists():
        return None
    asked = subprocess.run([python, "-c", f"import {module}"], check=False, capture_output=True)
    return None if asked.returncode else python


def _through(version: str, module: str, *arguments: str) -> Callable[[int, Path], Sequence[Command] | None]:
    def command(slots: int, folder: Path) -> Sequence[Command] | None:
        python = _python(folder, version, module)
        return None if python is None else [(str(python), *(each.format(slots=slots) for each in arguments))]

    return command


def _split(slots: int, _folder: Path) -> Sequence[Command]:
    return [("sh", f"part-{number}.sh") for number in range(slots)]


def _xargs(slots: int, _folder: Path) -> Sequence[Command]:
    return [("sh", "-c", f"xargs -d '\\n' -P{slots} -n1 sh -c <tests.txt")]


PEERS = (
    Peer("N/M split", _split),
    Peer("xargs -P", _xargs),
    Peer("pytest-xdist", _through("own", "xdist", "-m", "pytest", "-q", "-n{slots}", "test_all.py")),
    Peer(
        "xdist worksteal",
        _through("own", "xdist", "-m", "pytest", "-q", "-n{slots}", "--dist=worksteal", "test_all.py"),
    ),
    Peer("ATEX", _through("newer", "atex", "atex_main.py", "{slots}")),
    Peer("Testplan thread", _through("own", "testplan", "testplan_main.py", "{slots}", "thread")),
    Peer("Testplan process", _through("own", "testplan", "testplan_main.py", "{slots}", "process")),
)


def _runs(python: str) -> bool:
    """Return whether there is such an interpreter, and not only a link of a tool that could get it."""
    return (
        bool(shutil.which(python))
        and not subprocess.run([python, "-c", ""], check=False, capture_output=True).returncode
    )


def install(folder: Path) -> None:
    """Make the peers' environments where they are missing; what cannot be installed is left out of the run."""
    wanted: dict[str, tuple[str, tuple[str, ...]]] = {
        "own": (sys.executable, ("pytest", "pytest-xdist", "testplan")),
        "tmt": (sys.executable, ("tmt",)),  # for benchmarks/pool_overhead.py: it has no pool
    }
    newer = next(filter(_runs, ("python3.13", "python3.12")), None)
    if newer:
        wanted["newer"] = (newer, ("atex",))
    for name, (python, packages) in wanted.items():
        if not (folder / name).exists():
            subprocess.run([python, "-m", "venv", folder / name], check=False)
            subprocess.run([folder / name / "bin" / "python", "-m", "pip", "install", "-q", *packages], check=False)


def write_tests(folder: Path, durations: Sequence[float], slots: int) -> None:
    """Write the pool in the form of every peer."""
    log = folder / "log"
    tests = [(f"t{n:03}", TEST.format(log=log, seconds=seconds)) for n, seconds in enumerate(durations)]
    (folder / "tests.json").write_text(json.dumps(tests))
    (folder / "tests.txt").write_text("".join(f"{line}\n" for _, line in tests))
    size = -(-len(tests) // slots)
    for number in range(slots):
        part = tests[number * size : (number + 1) * size]
        (folder / f"part-{number}.sh").write_text("".join(f"{line}\n" for _, line in part) or ":\n")
    (folder / "test_all.py").write_text(PYTEST)
    (folder / "atex_main.py").write_text(ATEX)
    (folder / "testplan_main.py").write_text(TESTPLAN)
    service = {"implementation": "command"}
    cases = [{"name": name, "services": {"s": {**service, "argv": ["sh", "-c", line]}}} for name, line in tests]
    experiment = {"name": "pool", "network_environment": "localhost", "test_cases": cases}
    (folder / "pool.yaml").write_text(json.dumps(experiment))


def timed(folder: Path, commands: Sequence[Command], count: int) -> tuple[float, float] | None:
    """Run the commands side by side; return makespan and wall time, or None if not every test ran exactly once."""
    log = folder / "log"
    log.write_text("")
    since = time.monotonic()
    running = [
        subprocess.Popen(each, cwd=folder, stdout=subprocess.DEVNULL, stderr=(folder / "err").open("wb"))
        for each in commands
    ]
    for each in running:
        each.wait()
    wall = time.monotonic() - since
    stamps = [float(line) for line in log.read_text().split()]
    return (max(stamps) - min(stamps), wall) if len(stamps) == 2 * count else None


def measure(
    durations: Sequence[float], args: argparse.Namespace, peers: Path
) -> Mapping[str, tuple[float, float] | None]:
    """Run one pool with everything; return makespan and wall time by name."""
    found: dict[str, tuple[float, float] | None] = {}
    with tempfile.TemporaryDirectory(prefix="panther-makespan-") as name:
        folder = Path(name)
        write_tests(folder, durations, args.slots)
        panther = (sys.executable, "-m", "panther_core", "run", "pool.yaml", "--jobs", str(args.slots), "--ui", "quiet")
        found["PANTHER, unknown"] = timed(folder, [panther], len(durations))
        found["PANTHER, known"] = timed(folder, [panther], len(durations))
        for peer in PEERS if not args.only else ():
            commands = peer.command(args.slots, peers)
            if commands is not None:
                found[peer.name] = timed(folder, commands, len(durations))
    return found


def benchmark() -> int:
    """Run all pools and print a table of ratios; the exit code says whether the budgets hold."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--slots", type=int, default=4)
    parser.add_argument("--scale", type=float, default=1.0, help="makes all tests so many times as long")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--pools", nargs="*", help="some of the pools")
    parser.add_argument("--peers", type=Path, metavar="FOLDER", help="where the peers are, or are to be installed")
    parser.add_argument("--only", choices=["panther"])
    args = parser.parse_args()
    if args.peers:
        args.peers.mkdir(parents=True, exist_ok=True)
        install(args.peers)
    peers = args.peers or Path("/nonexistent")
    missed = 0
    for name, listed in pools(args.slots).items():
        durations = [round(each * args.scale, 2) for each in listed]
        if args.pools and name not in args.pools:
            continue
        bound = max(sum(durations) / args.slots, *durations)
        listed_order, longest_first = (span(each, args.slots) / bound for each in (durations, sorted(durations)[::-1]))
        limits = {"PANTHER, known": max(1.05, 1.05 * longest_first), "PANTHER, unknown": max(1.15, 1.05 * listed_order)}
        print(f"{name}: {len(durations)} tests, {args.slots} slots, bound {bound:.2f} s", flush=True)
        print(f"  {'(as listed)':18} makespan {listed_order:5.3f} x")
        print(f"  {'(longest first)':18} makespan {longest_first:5.3f} x")
        for _ in range(args.rounds):
            for who, took in measure(durations, args, peers).items():
                if took is None:
                    print(f"  {who:18} did not run every test once")
                    continue
                print(f"  {who:18} makespan {took[0] / bound:5.3f} x   wall {took[1]:6.2f} s", flush=True)
                missed += took[0] / bound > limits.get(who, float("inf"))
    absent = [each.name for each in PEERS if not args.only and each.command(args.slots, peers) is None]
    if absent:
        print(f"not installed: {', '.join(absent)} (--peers FOLDER installs them there)")
    print("budgets hold" if not missed else f"{missed} budgets missed")
    return bool(missed)


if __name__ == "__main__":
    sys.exit(benchmark())
