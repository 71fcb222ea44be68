"""Whether Shadow repeats itself, how large a simulation may be, and what PANTHER costs on top of it.

    python benchmarks/shadow.py identical [--runs 5] [--only minip|quic] [--select EXPRESSION]
    python benchmarks/shadow.py hosts [--hosts 100]
    python benchmarks/shadow.py overhead [--hosts 40] [--rounds 5]

``identical`` runs minip with all variants and implementations, and transfers of aioquic, over links with 0, 1 and 5 %
loss and 1, 50 and 200 ms delay, several times with one seed and once with another, and compares the hashes of all that
services wrote and of every packet. ``overhead`` sets a case against ``shadow`` called by hand on the file that PANTHER
wrote for it, in turn. Needs ``shadow`` on PATH.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

VARIANTS = Path(__file__).parents[1] / "docs/examples/variants.yaml"
LINKS = "matrix:\n  links.*.delay: [1ms, 50ms, 200ms]\n  links.*.loss: [0%, 1%, 5%]\n"
QUIC = f"""
name: transfers
protocol: quic
network_environment: shadow_ns
timeout: 5m
{LINKS}
test_cases:
  - {{name: transfer, scenario: transfer, implementation: aioquic, parameters: {{files: [64KiB, 200KiB]}}}}
"""
MANY = """
name: many
protocol: minip
network_environment: {type: shadow_ns, shadow: {stop_time: 60s}}
timeout: 20m
links: {"*": {delay: 20ms, loss: 1%}}
test_cases:
  - name: ping
    scenario: ping
    parameters: {count: 20}
    services:
      server: {implementation: ping-pong-py}
CLIENTS
"""
_STEPS = ("setup", "start", "batch", "collect", "teardown")
"""What the environment does of a case."""
_PER_ATTEMPT = frozenset({"command.txt", "machine.json"})
"""Files with the name of the run in them."""


def panther(experiment: Path, output: Path, *more: str) -> list[Mapping[str, Any]]:
    """Run an experiment; return its records. A verdict that was not expected is no reason to stop: packets get lost."""
    command = [sys.executable, "-m", "panther_core", "run", str(experiment), "--ui", "quiet", "--output", str(output)]
    done = subprocess.run([*command, *more], capture_output=True, text=True, check=False)
    if done.returncode not in (0, 1):
        sys.exit(f"{experiment.name} ended with {done.returncode}: {done.stdout}{done.stderr}")
    return [json.loads(line) for line in (output / "results.jsonl").read_text().splitlines()]


def hashes(run: Path, record: Mapping[str, Any]) -> str:
    """Return one hash of all that services wrote and of all packets of an attempt."""
    folder, found = run / str(record["folder"]), hashlib.sha256()
    for path in sorted((*folder.glob("services/**/*"), *folder.glob("network/capture/*"))):
        if path.is_file() and path.name not in _PER_ATTEMPT:
            found.update(str(path.relative_to(folder)).encode() + b"\0" + path.read_bytes())
    return found.hexdigest()


def attempts(run: Path, records: list[Mapping[str, Any]]) -> dict[str, str]:
    """Return the hash of every attempt by name, cell, repetition and number."""
    return {
        f"{each['name']} {sorted(each['cell'].items())} {each['repetition']}/{each['attempt']}": hashes(run, each)
        for each in records
    }


def experiments(only: str) -> Iterator[tuple[str, str]]:
    """Yield the experiments to repeat."""
    if only in ("", "minip"):
        text = VARIANTS.read_text(encoding="utf-8").replace(
            "network_environment: localhost", "network_environment: shadow_ns"
        )
        yield "minip", text.replace("matrix:\n", f"capture: true\n{LINKS}", 1)
    if only in ("", "quic"):
        yield "quic", QUIC


def identical(folder: Path, runs: int, only: str, select: str) -> None:
    """Repeat, and say what was the same."""
    for name, text in experiments(only):
        experiment = folder / f"{name}.yaml"
        experiment.write_text(text, encoding="utf-8")
        seen: list[dict[str, str]] = []
        for number, seed in enumerate([*[7] * runs, 8], 1):
            began = time.monotonic()
            output = folder / f"{name}-{number}"
            records = panther(experiment, output, "--set", f"seed={seed}", "--jobs", "2", "--select", select)
            seen.append(attempts(output, records))
            verdicts = dict(Counter(each["verdict"] for each in records))
            seconds = time.monotonic() - began
            print(f"{name} run {number}, seed {seed}: {len(records)} attempts in {seconds:.0f} s, {verdicts}")
            shutil.rmtree(output)
        *same, other = seen
        odd = [case for case in same[0] if any(each.get(case) != same[0][case] for each in same)]
        alike = [case for case in same[0] if other.get(case) == same[0][case]]
        print(f"{name}: {len(same[0]) - len(odd)} of {len(same[0])} bit-identical over {runs} runs")
        print(f"{name}: {len(alike)} of {len(same[0])} the same with another seed")
        print(
            *(f"  not the same: {each}" for each in odd), *(f"  whatever the seed: {each}" for each in alike), sep="\n"
        )


def crowd(folder: Path, hosts: int) -> Path:
    """Write an experiment with one server and so many hosts in all."""
    client = "      client{0}: {{implementation: ping-pong-py, role: client, target: server}}"
    path = folder / "many.yaml"
    path.write_text(MANY.replace("CLIENTS", "\n".join(map(client.format, range(1, hosts)))), encoding="utf-8")
    return path


def many(folder: Path, hosts: int) -> None:
    """Run one large case."""
    (record,) = panther(crowd(folder, hosts), folder / "many")
    whole, simulation = record["seconds"], record["timings"]["batch"]
    print(f"{hosts} hosts: {record['verdict']} in {whole:.1f} s, of which the simulation {simulation:.1f} s")


def overhead(folder: Path, hosts: int, rounds: int) -> None:
    """Set the time that the environment takes for a case against the time of the simulator alone, in turn."""
    experiment, ratios = crowd(folder, hosts), []
    for number in range(rounds):
        output = folder / f"many-{number}"
        (record,) = panther(experiment, output)
        ours = sum(record["timings"][each] for each in _STEPS)
        own = output / str(record["folder"]) / "network"
        shutil.rmtree(own / "data")
        began = time.monotonic()
        subprocess.run(["shadow", "shadow.yaml"], cwd=own, capture_output=True, check=False)
        alone = time.monotonic() - began
        told = next(each["value"] for each in record["measurements"] if each["name"] == "shadow.real_seconds")
        ratios.append(ours / alone)
        print(
            f"round {number + 1}: shadow_ns {ours:.2f} s (simulator within {told:.2f} s), by hand {alone:.2f} s: "
            f"{ratios[-1]:.3f}, and {ours / told:.3f} of the simulator within"
        )
        shutil.rmtree(output)
    print(f"median ratio {statistics.median(ratios):.3f}")


def main() -> None:
    """Measure what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("identical", "hosts", "overhead"))
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--only", choices=("minip", "quic"), default="")
    parser.add_argument("--select", default="", help="only these cases, as in panther run")
    parser.add_argument("--hosts", type=int, default=0)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="panther-shadow-") as name:
        if options.what == "identical":
            identical(Path(name), options.runs, options.only, options.select)
        elif options.what == "hosts":
            many(Path(name), options.hosts or 100)
        else:
            overhead(Path(name), options.hosts or 40, options.rounds)


if __name__ == "__main__":
    main()
