"""What PANTHER costs on top of implementations of QUIC: a matrix, against the same programs started by hand.

    python benchmarks/quic.py [--clients aioquic] [--servers aioquic] [--scenarios handshake,transfer] [--jobs 2]

The matrix is run first. Its programs' own time is, for every case, that from the start of the first program to the end
of the last one; with two jobs nothing can be faster than half of the sum of it. Then every case is repeated from the
``command.txt`` of its services, as many at a time, with nothing around: that is the floor. Its files must arrive again,
or the benchmark ends. The cases are those on localhost, because the programs of a case in a network of its own cannot
be repeated once that network is gone; ``--network`` shows another network beside it.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

EXPERIMENT = """\
name: quic
protocol: quic
network_environment: {network}
seed: 1
test_cases:
  - name: t
    parameters: {{files: [{size}]}}
    matrix: {{client: {clients}, server: {servers}, scenario: {scenarios}, parameters.alpn: [hq-interop, h3]}}
    expect: [pass, fail, unsupported]
"""
PATIENCE = 60.0
RUNNING = ("start", "stage.", "stop")


def run(folder: Path, options: argparse.Namespace, network: str) -> tuple[float, list[dict[str, Any]]]:
    """Return the wall seconds of a run, and its records."""
    lists = {name: json.dumps(getattr(options, name).split(",")) for name in ("clients", "servers", "scenarios")}
    text = EXPERIMENT.format(network=network, size=options.size, **lists)
    (folder / f"{network}.yaml").write_text(text)
    words = ["run", f"{network}.yaml", "--jobs", str(options.jobs), "--ui", "quiet", "--output", network]
    began = time.perf_counter()
    done = subprocess.run([sys.executable, "-m", "panther_core", *words], cwd=folder, check=False)
    seconds = time.perf_counter() - began
    if done.returncode:
        sys.exit(f"panther ended with {done.returncode}")
    return seconds, [json.loads(line) for line in (folder / network / "results.jsonl").read_text().splitlines()]


def own_time(records: list[dict[str, Any]]) -> float:
    """Return for how long the programs of these cases ran, from the start of the first to the end of the last."""
    ran = [each["timings"] for each in records]
    return sum(sum(seconds for name, seconds in each.items() if name.startswith(RUNNING)) for each in ran)


def tell(network: str, seconds: float, records: list[dict[str, Any]], jobs: int) -> None:
    """Print how much longer a run has taken than its programs."""
    bound = own_time(records) / jobs
    count = sum(each["verdict"] == "pass" for each in records)
    print(f"{network}: {len(records)} cases, {count} pass, in {seconds:.2f} s, {bound:.2f} s of programs for each job")
    print(f"{network}: panther takes {seconds / bound:.2f} times the programs' own time divided by {jobs}")


def listens(port: int, address: str) -> bool:
    """Whether somebody has taken a UDP port at an address."""
    wanted = "".join(f"{int(part):02X}" for part in reversed(address.split("."))) + f":{port:04X}"
    anywhere = f"00000000:{port:04X}"
    lines = Path("/proc/net/udp").read_text().splitlines()[1:]
    return any(line.split()[1] in (wanted, anywhere) for line in lines)


def repeat(case: Path) -> float:
    """Run a case by hand; return how long that took. Its files must arrive again."""
    server, client = case / "services" / "server", case / "services" / "client"
    sheet = json.loads((client / "quic.json").read_text())
    downloads = client / "downloads"
    for file in downloads.iterdir():
        file.unlink()
    began = time.perf_counter()
    serving = subprocess.Popen(
        ["sh", "-c", (server / "command.txt").read_text()], start_new_session=True, stderr=subprocess.DEVNULL
    )
    try:
        while not listens(sheet["port"], sheet["address"]):
            if time.perf_counter() - began > PATIENCE:
                sys.exit(f"the server of {case} is not ready")
            time.sleep(0.002)
        command = ["sh", "-c", (client / "command.txt").read_text()]
        subprocess.run(command, check=False, timeout=PATIENCE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    finally:
        os.killpg(serving.pid, signal.SIGTERM)
        serving.wait()
    seconds = time.perf_counter() - began
    for file in (server / "www").iterdir():
        if not (downloads / file.name).is_file() or (downloads / file.name).read_bytes() != file.read_bytes():
            sys.exit(f"{file.name} did not arrive when {case} was repeated")
    return seconds


def main() -> None:
    """Run, repeat, compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clients", default="aioquic")
    parser.add_argument("--servers", default="aioquic")
    parser.add_argument("--scenarios", default="handshake,transfer")
    parser.add_argument("--size", default="1MiB")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--network", default="")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="panther-quic-") as name:
        folder = Path(name)
        seconds, records = run(folder, options, "localhost")
        passed = [folder / "localhost" / each["folder"] for each in records if each["verdict"] == "pass"]
        began = time.perf_counter()
        with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
            own = list(pool.map(repeat, passed))
        floor = time.perf_counter() - began
        tell("localhost", seconds, records, options.jobs)
        print(f"localhost: by hand {floor:.2f} s, {sum(own) / options.jobs:.2f} s of programs for each job")
        if options.network:
            tell(options.network, *run(folder, options, options.network), options.jobs)


if __name__ == "__main__":
    main()
