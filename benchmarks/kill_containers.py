"""Kills PANTHER with SIGKILL at random moments of runs with containers, and sees how long anything is left.

Run it as ``python benchmarks/kill_containers.py`` as root, where a Docker engine answers (``bash .ci/dockerd start
FOLDER`` starts one). It ends with 1 if a process, container, network, volume, mount or control group of a killed
run was left.
"""

from __future__ import annotations

import argparse
import contextlib
import fnmatch
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from panther_lib_containers.engine import Engine, names_of

CASES = """
name: kill
network_environment: {type: ENVIRONMENT, resource_limits: {"*": {cpu: 0.5, processes: 50}}}
test_cases:
  - name: long
    repeat: 3
LINKS    services:
      one: {implementation: command, argv: [sh, -c, "echo up; sleep 2"], ready: {kind: log, pattern: up}}
      two: {implementation: command, argv: [sleep, "1"], depends_on: [one]}
"""
LINKS = "    capture: true\n    links: {one-two: {delay: 5ms}}\n"
LONGEST, PATIENCE, PAUSE = 5.0, 30.0, 0.02


def processes_of(folder: str) -> Iterator[str]:
    """Yield every process that was started for a run in ``folder``: its arguments or its variables tell."""
    for path in Path("/proc").glob("[0-9]*"):
        if int(path.name) == os.getpid():
            continue
        with contextlib.suppress(OSError):
            words = (path / "cmdline").read_bytes()
            told = words + (path / "environ").read_bytes() + os.fsencode((path / "cwd").readlink())
            if words and folder.encode() in told:
                yield f"process {path.name} {words.replace(bytes(1), b' ').decode(errors='replace').strip()[:100]}"


def left(folder: str, engine: Engine, before: frozenset[str]) -> list[str]:
    """Return what is there of a run, or at least was not there ``before``."""
    found = list(processes_of(folder))
    found += [f"mount {line}" for line in Path("/proc/mounts").read_text().splitlines() if folder in line]
    for run in Path(folder).glob("runs/*/.panther"):
        wanted = f"panther-{run.read_text()}-*"
        for parent, names, _ in os.walk("/sys/fs/cgroup"):
            found += [f"control group {parent}/{each}" for each in fnmatch.filter(names, wanted)]
    return found + sorted(things(engine) - before)


def things(engine: Engine) -> frozenset[str]:
    """Return all containers, networks and volumes of the engine."""
    volumes = engine.ask("GET", "/volumes").get("Volumes") or []
    return frozenset(
        [f"container {each}" for each in names_of(engine.ask("GET", "/containers/json", query={"all": "1"}))]
        + [f"network {each}" for each in names_of(engine.networks())]
        + [f"volume {each['Name']}" for each in volumes]
    )


def kill_once(environment: str, links: str, moment: float, engine: Engine) -> tuple[bool, list[str], float]:
    """Run and kill ``moment`` seconds after the first case begins; return if there was anything, what is left, when."""
    before = things(engine)
    with tempfile.TemporaryDirectory(prefix="panther-kill-") as folder:
        (Path(folder) / "kill.yaml").write_text(CASES.replace("ENVIRONMENT", environment).replace("LINKS", links))
        run = subprocess.Popen(
            [sys.executable, "-m", "panther_core", "run", "kill.yaml", "--jobs", "1"],
            cwd=folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        while run.poll() is None and not list(Path(folder).glob("runs/*/cases/*/*/network")):
            time.sleep(PAUSE)
        with contextlib.suppress(subprocess.TimeoutExpired):
            if run.wait(moment):
                raise SystemExit(f"the run did not go well by itself: exit code {run.returncode}")
        run.send_signal(signal.SIGKILL)
        run.wait()
        began, busy = time.monotonic(), bool(things(engine) - before)
        while (found := left(folder, engine, before)) and time.monotonic() - began < PATIENCE:
            time.sleep(PAUSE)
        return busy, found, time.monotonic() - began


def main() -> int:
    """Kill, look, and say what was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=50, help="in each environment")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--allowed", type=float, default=2.0, help="seconds until nothing may be left")
    args = parser.parse_args()
    dice, engine, total = random.Random(args.seed), Engine(), 0
    for environment in ("docker_compose", "localhost_single_container"):
        slowest, hits, late, failed = 0.0, 0, 0, 0
        for number in range(args.kills):
            moment = dice.uniform(0.0, LONGEST)
            wired = LINKS if environment == "docker_compose" and number % 2 else ""
            busy, found, seconds = kill_once(environment, wired, moment, engine)
            slowest, hits = max(slowest, seconds), hits + busy
            late += seconds > args.allowed
            failed += bool(found)
            for each in found:
                print(f"{environment}, killed after {moment:.2f} s: {each}", flush=True)
        print(f"{environment}: {args.kills} kills, {hits} of them while it had containers or networks;", end=" ")
        print(f"all clean after {slowest:.2f} s but {failed}, {late} not within {args.allowed:g} s")
        total += late
    return 1 if total else 0


if __name__ == "__main__":
    sys.exit(main())
