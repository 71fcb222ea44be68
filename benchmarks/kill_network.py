"""Kill panther with -9 at random moments while networks are made, used and removed, and look for what is left.

    python benchmarks/kill_network.py [--kills 50] [--environment netns] [--environment localhost] [--seed 1]

Each round starts a run whose cases have an impaired link, limits and recordings, kills it a random time after its first
case has begun, and waits until no process and no control group carries the run's id any more, nothing new is mounted
and no interface is there that was not there before. Namespaces and the cables in them have no names: the kernel removes
them with their last process.
"""

from __future__ import annotations

import argparse
import fnmatch
import json
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

EXPERIMENT = """\
name: killed
protocol: minip
network_environment: {{type: {environment}, resource_limits: {{"*": {{cpu: 0.5, processes: 50}}}}}}
capture: true
links: {{client-server: {{delay: 5ms, loss: 1%, steps: [{{at: 50ms, do: blackhole}}, {{at: 80ms, do: heal}}]}}}}
test_cases:
  - {{name: ping, scenario: ping, implementation: ping-pong-py, repeat: 100}}
"""
ALLOWED, PATIENCE = 2.0, 30.0


def marked(run: Path) -> Iterator[str]:
    """Yield the processes that carry the run's id in their environment."""
    identity = run / ".panther"
    if not identity.exists() or not identity.stat().st_size:
        return
    wanted = b"PANTHER_RUN=" + identity.read_bytes()
    for place in Path("/proc").glob("[0-9]*"):
        try:
            if wanted in (place / "environ").read_bytes().split(b"\0"):
                words = (place / "cmdline").read_bytes().split(b"\0")
                yield f"process {place.name}: {b' '.join(words[:6]).decode(errors='replace')}"
        except OSError:
            continue


def interfaces() -> set[str]:
    """Return the names of the interfaces that this process sees."""
    return {name for _, name in socket.if_nameindex()}


def mounts(folder: Path) -> list[str]:
    """Return what is mounted from or below a folder, as this process sees it."""
    return [line for line in Path("/proc/self/mounts").read_text().splitlines() if str(folder) in line]


def groups(run: Path) -> list[str]:
    """Return the control groups that the run has made for the limits of its services."""
    identity = run / ".panther"
    name = f"panther-{identity.read_text()}-*" if identity.exists() else "panther-trial-*"
    found = (
        f"{parent}/{each}" for parent, names, _ in os.walk("/sys/fs/cgroup") for each in fnmatch.filter(names, name)
    )
    return [f"control group {each}" for each in found]


def one_kill(folder: Path, moment: float) -> tuple[float, list[str], int]:
    """Start a run, kill it; return how long anything was left, what, and how many cases had finished."""
    before, run = interfaces(), folder / "out"
    command = [sys.executable, "-m", "panther_core", "run", "killed.yaml", "--output", "out", "--jobs", "2"]
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, env={**os.environ, "CI": "1"}) as process:
        began = time.monotonic()
        while not any(run.glob("cases/*/1")) and process.poll() is None and time.monotonic() < began + PATIENCE:
            time.sleep(0.005)
        time.sleep(moment)
        if process.poll() is not None:
            raise SystemExit(f"the run ended by itself with {process.returncode}")
        process.send_signal(signal.SIGKILL)
    began = time.monotonic()
    while True:
        left = [*marked(run), *groups(run), *mounts(run), *sorted(interfaces() - before)]
        passed = time.monotonic() - began
        if not left or passed > PATIENCE:
            break
        time.sleep(0.02)
    journal = run / "results.jsonl"
    done = sum(json.loads(line)["final"] for line in journal.read_text().splitlines()) if journal.exists() else 0
    return passed, left, done


def main() -> int:
    """Kill as often as asked for; the exit code is 1 if anything was left after two seconds."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--environment", action="append", help="netns and localhost, if left out")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--longest", type=float, default=4.0, help="latest moment of a kill, in seconds")
    parser.add_argument(
        "--alone", action="store_true", help="already in a network namespace of its own, as root begins one"
    )
    args = parser.parse_args()
    if os.geteuid() == 0 and not args.alone:  # so that no interface of somebody else comes and goes there
        words = ("unshare", "--net", "sh", "-c", 'ip link set lo up && exec "$@"', "sh", sys.executable, *sys.argv)
        return subprocess.run([*words, "--alone"], check=False).returncode
    chance, bad = random.Random(args.seed), 0
    for environment in args.environment or ("netns", "localhost"):
        times, cases = [], 0
        for number in range(args.kills):
            with tempfile.TemporaryDirectory() as made:
                folder = Path(made)
                (folder / "killed.yaml").write_text(EXPERIMENT.format(environment=environment))
                passed, left, done = one_kill(folder, chance.uniform(0.0, args.longest))
            times.append(passed)
            cases += done
            if passed > ALLOWED:
                bad += 1
                print(
                    f"{environment}, kill {number}: {passed:.1f} s until nothing was left; at last {left}", flush=True
                )
        print(
            f"{environment}: {args.kills} kills, {cases} cases had finished; nothing was left after "
            f"{sorted(times)[len(times) // 2]:.2f} s (median), {max(times):.2f} s (most)",
            flush=True,
        )
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
