"""Kill panther with -9 at random moments of a run, resume it, and look for what was lost, repeated or left running.

    python benchmarks/kill_resume.py [--kills 100] [--cases 200] [--seed 1]

Every round starts or resumes the same run, kills it after a random time, and checks that no result that was on disk
before has vanished. When the run is complete a new one begins, until all kills are spent; the last one is finished.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

EXPERIMENT = """\
name: killed
network_environment: localhost
test_cases:
  - name: t
    repeat: {cases}
    services:
      server: {{implementation: command, argv: [sleep, "1000"], ends_by_itself: false}}
      client: {{implementation: command, argv: [sleep, "0.01"], depends_on: [server]}}
"""
DEATH_TAKES = 2.0


def panther(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "panther_core", *arguments]


def finished(run: Path) -> list[str]:
    """Return the cases whose final result is on disk, one entry for each record."""
    journal = run / "results.jsonl"
    lines = journal.read_bytes().split(b"\n")[:-1] if journal.exists() else []
    return [record["case"] for record in map(json.loads, lines) if record["final"]]


def survivors(run: Path) -> list[int]:
    """Return the processes that carry the run's id in their environment."""
    identity = run / ".panther"
    if not identity.exists() or not identity.stat().st_size:
        return []
    wanted = b"PANTHER_RUN=" + identity.read_bytes()
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        try:
            if wanted in (place / "environ").read_bytes().split(b"\0"):
                found.append(int(place.name))
        except OSError:
            continue
    return found


def wait_until_dead(run: Path) -> list[int]:
    deadline = time.monotonic() + DEATH_TAKES
    while (left := survivors(run)) and time.monotonic() < deadline:
        time.sleep(0.01)
    return left


def start(command: list[str], folder: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def check(run: Path, before: list[str]) -> list[str]:
    now = finished(run)
    problems = [f"lost: {case}" for case in before if case not in now]
    problems += [f"recorded twice: {case}" for case in set(now) if now.count(case) > 1]
    return problems + [f"still running: {pid}" for pid in wait_until_dead(run)]


def next_command(run: Path) -> list[str]:
    """Resume what has begun; begin anew where the last kill came before there was anything to resume."""
    if (run / "resolved.yaml").exists():
        what = ["resume", str(run)]
    else:
        shutil.rmtree(run, ignore_errors=True)
        what = ["run", "killed.yaml", "--output", str(run)]
    return panther(*what, "--jobs", "2", "--ui", "quiet")


def complete(run: Path, folder: Path, cases: int) -> list[str]:
    before = finished(run)
    code = subprocess.run(next_command(run), cwd=folder, check=False).returncode
    problems = check(run, before)
    if code != 0 or len(finished(run)) != cases:
        problems.append(f"after the last resume: exit code {code}, {len(finished(run))} of {cases} results")
    return problems


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--cases", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    chance = random.Random(options.seed)
    problems: list[str] = []
    kills = runs = 0
    with tempfile.TemporaryDirectory(prefix="panther-kills-") as name:
        folder = Path(name)
        (folder / "killed.yaml").write_text(EXPERIMENT.format(cases=options.cases))
        while kills < options.kills:
            runs += 1
            run = folder / f"run-{runs}"
            before: list[str] = []
            while kills < options.kills and len(before) < options.cases:
                process = start(next_command(run), folder)
                time.sleep(chance.uniform(0.2, 1.2))
                os.kill(process.pid, signal.SIGKILL)
                process.wait()
                kills += 1
                problems += check(run, before)
                before = finished(run)
            problems += complete(run, folder, options.cases)
    print(f"{kills} kills in {runs} runs of {options.cases} cases: {len(problems)} problems")
    print("\n".join(problems[:20]))
    return bool(problems)


if __name__ == "__main__":
    sys.exit(main())
