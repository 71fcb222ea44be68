"""What PANTHER costs on top of starting a program: trivial cases against bare ``xargs``, in turn.

    python benchmarks/overhead.py [--cases 1000] [--rounds 3] [--jobs 2]

A case runs ``true`` on localhost, with its folder, output files, events, resource usage and record all kept.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

EXPERIMENT = """\
name: trivial
network_environment: localhost
test_cases:
  - name: t
    repeat: {cases}
    services: {{one: {{implementation: command, argv: ["true"]}}}}
"""


def timed(command: list[str], folder: Path, stdin: bytes = b"") -> tuple[float, int]:
    """Return wall seconds and peak memory in KiB of the largest process of a command."""
    began = time.perf_counter()
    done = subprocess.run(
        command, cwd=folder, input=stdin, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, check=False
    )
    if done.returncode:
        sys.exit(f"{command} ended with {done.returncode}: {done.stderr.decode()}")
    return time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss


def panther_once(folder: Path, number: str, jobs: int) -> tuple[float, int]:
    command = [
        sys.executable,
        "-m",
        "panther_core",
        "run",
        "trivial.yaml",
        "--jobs",
        str(jobs),
        "--ui",
        "quiet",
        "--output",
        f"run-{number}",
    ]
    return timed(command, folder)


def results(folder: Path, number: str) -> int:
    lines = (folder / f"run-{number}" / "results.jsonl").read_text().splitlines()
    return sum(json.loads(line)["verdict"] == "pass" for line in lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--jobs", type=int, default=2)
    options = parser.parse_args()
    floor, ours = [], []
    memory = 0
    with tempfile.TemporaryDirectory(prefix="panther-overhead-") as name:
        folder = Path(name)
        (folder / "trivial.yaml").write_text(EXPERIMENT.format(cases=options.cases))
        work = "\n".join(map(str, range(options.cases))).encode()
        for number in range(options.rounds):
            floor.append(timed(["xargs", f"-P{options.jobs}", "-n1", "true"], folder, work)[0])
            seconds, memory = panther_once(folder, str(number), options.jobs)
            ours.append(seconds)
            if results(folder, str(number)) != options.cases:
                sys.exit("not every case has a passing record")
    over = [(mine - bare) / options.cases * 1000 for mine, bare in zip(ours, floor, strict=True)]
    print(f"{options.cases} cases, {options.jobs} slots, {options.rounds} rounds, {os.cpu_count()} processors")
    print(f"  xargs    {statistics.median(floor):7.2f} s")
    print(
        f"  panther  {statistics.median(ours):7.2f} s   {statistics.median(over):.2f} ms a case over xargs "
        f"({min(over):.2f} to {max(over):.2f}), start-up included"
    )
    print(f"  largest process {memory / 1024:.0f} MiB")


if __name__ == "__main__":
    main()
