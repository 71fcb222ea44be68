"""Measure how often `panther compare` cries wolf, and how often it finds a slower program, on a machine that is busy.

    python benchmarks/compare_noise.py [--runs 30] [--slower 20%] [--load 0] [--keep FOLDER]

Runs of a program and of the same program made slower take turns, twenty repetitions each, while as many other
processes as ``--load`` says come and go. Then every run is compared with every other one: with ten repetitions of each,
two runs of the same program (whatever is called worse is a false alarm); with all twenty, a run of the slower one with
a run of the other (if nothing is called worse, it was overlooked). Neighbours in time are compared as well as runs that
lie far apart.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

from panther_core.compare import compare
from panther_core.results import DirectoryView
from panther_core.statistics import median
from panther_hookspecs import Share

REPETITIONS = 20
FEW = 10
PROBES = 15
TARGETS = (0.05, 0.85)
TURNS = 900_000
EXPERIMENT = """\
name: noise
network_environment: localhost
repeat: {repetitions}
test_cases:
  - name: work
    services:
      server: {{implementation: command, ends_by_itself: false, argv: [sleep, "1000"]}}
      client:
        {{implementation: command, runtime: python, target: server, argv: [{python}, "{{here}}/work.py", "{turns}"]}}
    checks: [{{log: {{service: client, matches: done}}}}]
"""
WORK = """\
import sys
total, kept = 0, []
for number in range(int(sys.argv[1])):
    total = total * 31 + number & 0xFFFFFFFF
    if not number % 1000: kept.append(bytearray(1000))
print("done", total, len(kept))
"""
OTHER = """\
import random, time
dice, block = random.Random({seed}), bytearray(8 << 20)
while True:
    until = time.monotonic() + dice.expovariate(1 / 3)
    while time.monotonic() < until:
        block = bytes(block[1:]) + block[:1]
    time.sleep(dice.expovariate(1 / 3))
"""


@contextlib.contextmanager
def others(count: int) -> Iterator[None]:
    """Let as many processes work and rest, some seconds each, within the block."""
    started = [subprocess.Popen([sys.executable, "-c", OTHER.format(seed=seed)]) for seed in range(count)]
    try:
        yield
    finally:
        for each in started:
            each.kill()
            each.wait()


def measured(folder: Path, turns: int) -> float:
    """Return the processor time of the program with so many turns."""
    spent = []
    for _ in range(PROBES):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        command = [sys.executable, "work.py", str(turns)]
        subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        spent.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return median(spent)


def make_runs(folder: Path, count: int, slower: float) -> None:
    """Make runs of both programs in turns; what the slower one takes in all is more by the share ``slower``."""
    (folder / "work.py").write_text(WORK)
    start, whole = ((measured(folder, turns)) for turns in (0, TURNS))
    more = slower * whole / (whole - start)
    for name, turns in (("same", TURNS), ("slow", int(TURNS * (1 + more)))):
        text = EXPERIMENT.format(repetitions=REPETITIONS, python=sys.executable, turns=turns)
        (folder / f"{name}.yaml").write_text(text)
    for number, name in itertools.product(range(count), ("same", "slow")):
        command = [sys.executable, "-m", "panther_core", "run", f"{name}.yaml", "--ui", "quiet"]
        subprocess.run([*command, "--output", f"{name}-{number}"], cwd=folder, check=True, stdout=subprocess.DEVNULL)


def first(folder: Path, count: int) -> DirectoryView:
    """Return a run as if it had that many repetitions."""
    short = folder.with_name(f"{folder.name}-{count}")
    if not short.exists():
        short.mkdir()
        for name in ("resolved.yaml", "panther.lock.json"):
            (short / name).write_bytes((folder / name).read_bytes())
        records = [json.loads(line) for line in (folder / "results.jsonl").read_text().splitlines()]
        kept = [each for each in records if each["repetition"] <= count]
        (short / "results.jsonl").write_text("".join(json.dumps(each) + "\n" for each in kept))
    return DirectoryView(short)


def judged(pairs: Iterable[tuple[DirectoryView, DirectoryView]]) -> tuple[int, int, Counter[str]]:
    """Return how many pairs there are, in how many something is called worse, and what."""
    count, worse, what = 0, 0, Counter[str]()
    for a, b in pairs:
        names = {str(each.metric) for each in compare(a, b).regressions() if hasattr(each, "metric")}
        count, worse = count + 1, worse + bool(names)
        what.update(names)
    return count, worse, what


def told(title: str, pairs: Iterable[tuple[DirectoryView, DirectoryView]], target: str) -> None:
    count, worse, what = judged(pairs)
    named = ", ".join(f"{name} {number}" for name, number in what.most_common(4))
    print(f"{title:<46} {worse / count:>6.1%} of {count}   {target}   {named}", flush=True)


def main() -> None:
    """Make runs, compare them, and print both rates."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=30, help="runs of each program")
    parser.add_argument("--slower", type=Share.parse, default=Share(0.2))
    parser.add_argument("--load", type=int, default=0, help="other processes that come and go")
    parser.add_argument("--keep", type=Path, help="make the runs in this folder, or judge those that are there")
    options = parser.parse_args()
    with contextlib.ExitStack() as stack:
        folder = options.keep or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="panther-noise-")))
        folder.mkdir(exist_ok=True)
        if not any(folder.glob("same-*")):
            began = time.monotonic()
            with others(options.load):
                make_runs(folder, options.runs, options.slower)
            print(f"{2 * options.runs} runs of {REPETITIONS} repetitions in {time.monotonic() - began:.0f} s")
        numbers = sorted(int(each.name[5:]) for each in folder.glob("slow-*") if each.name.count("-") == 1)
        same, slow = ({each: DirectoryView(folder / f"{name}-{each}") for each in numbers} for name in ("same", "slow"))
        short = {each: first(view.folder, FEW) for each, view in same.items()}
        alarms, finds = f"target at most {TARGETS[0]:.0%}", f"target at least {TARGETS[1]:.0%}"
        dice = random.Random(1)
        pairs = [pair if dice.random() < 0.5 else pair[::-1] for pair in itertools.combinations(numbers, 2)]
        told(f"false alarms, {FEW} repetitions", ((short[a], short[b]) for a, b in pairs), alarms)
        told(f"false alarms, {REPETITIONS} repetitions", ((same[a], same[b]) for a, b in pairs), alarms)
        told(
            f"{options.slower:.0%} slower, found, {REPETITIONS} repetitions",
            ((same[a], slow[b]) for a, b in pairs),
            finds,
        )


if __name__ == "__main__":
    main()
