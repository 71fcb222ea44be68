"""What a case in containers costs, beside plain `docker compose up` and `down` of the very same project.

Run it as ``python benchmarks/docker.py`` where a Docker engine answers (``bash .ci/dockerd start FOLDER`` starts one).
Both take turns, so a busy machine disturbs both. The budget is a ratio of 1.1; people look at it, no test does.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

CASES = """
name: cost
network_environment: ENVIRONMENT
repeat: COUNT
test_cases:
  - name: two
    services:
      server: {implementation: command, argv: [sh, -c, "echo up; exec sleep 3600"], ready: {kind: log, pattern: up}}
      client: {implementation: command, argv: ["true"], depends_on: [server]}
"""
PATIENCE = 120


def cases(folder: Path, environment: str, count: int) -> tuple[list[Mapping[str, float]], Path]:
    """Run ``count`` cases one after the other; return what each took, in all and by step, and the run's folder."""
    (folder / "cost.yaml").write_text(CASES.replace("ENVIRONMENT", environment).replace("COUNT", str(count)))
    output = folder / f"out-{time.monotonic_ns()}"
    command = [sys.executable, "-m", "panther_core", "run", "cost.yaml", "--jobs", "1", "--output", str(output)]
    subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL, env={**os.environ, "CI": "1"})
    records = [json.loads(line) for line in (output / "results.jsonl").read_text().splitlines()]
    return [{"all": each["seconds"], **each["timings"]} for each in records], output


def by_hand(file: Path) -> float:
    """Return what the project takes without PANTHER: up, until the client has ended, and down."""
    project = next(line.split()[1] for line in file.read_text().splitlines() if line.startswith("name:"))
    compose = ["docker", "compose", "-f", str(file)]
    began = time.perf_counter()
    for command in (
        [*compose, "up", "--detach"],
        ["docker", "wait", f"{project}-client-1"],
        [*compose, "down", "--volumes", "--timeout", "0"],
    ):
        subprocess.run(command, check=True, capture_output=True, timeout=PATIENCE)
    return time.perf_counter() - began


def told(name: str, times: Sequence[float]) -> None:
    print(f"{name:<44}median {statistics.median(times):.2f} s, {min(times):.2f} to {max(times):.2f} s")


def main() -> None:
    """Measure in turns and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--cases", type=int, default=4, help="cases of each environment in one round")
    args = parser.parse_args()
    plain: list[float] = []
    compose: list[Mapping[str, float]] = []
    with tempfile.TemporaryDirectory() as made:
        for _ in range(args.rounds):
            found, output = cases(Path(made), "docker_compose", args.cases)
            compose += found
            file = next(output.rglob("compose.yaml"))
            plain += [by_hand(file) for _ in range(args.cases)]
    told("docker compose up, wait, down", plain)
    told("the same as a case in docker_compose", [each["all"] for each in compose])
    ratio = statistics.median(each["all"] for each in compose) / statistics.median(plain)
    print(f"docker_compose takes {ratio:.2f} times as long as Compose alone")
    steps = {step: statistics.median(each.get(step, 0.0) for each in compose) for step in compose[0] if step != "all"}
    print("of which " + ", ".join(f"{step} {seconds:.2f} s" for step, seconds in steps.items()))


if __name__ == "__main__":
    main()
