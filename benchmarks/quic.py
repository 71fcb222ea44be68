"""What PANTHER costs on top of implementations of QUIC: a matrix, against the same programs started by hand.

    python benchmarks/quic.py [--experiment FILE] [--jobs 2] [--rounds 1] [options of panther run]
    python benchmarks/quic.py --set network_environment=netns
    python benchmarks/quic.py --experiment .ci/interop.yaml --select 'client=aioquic or client=ngtcp2'

The experiment is run first, then every case of it once more by hand, as many at a time: the server from the
``command.txt`` of its service, the client from its own as soon as the server listens, a signal for the server when the
client has ended. The own time of the programs of a case is the time from the start of the server to the end of both.
Nothing else is in it: no certificates and files that are made, no recorder of packets, no network that is set up, no
evidence that is read. With two jobs nothing can be faster than half of the sum of it.

Programs that share processors slow each other down, whoever starts them, so they are started by hand beside each
other, too. For cases in ``netns`` each job has two network namespaces with the addresses and the cable of such a case,
made beforehand. What cannot be repeated so is told, and counted with the time that it took inside of the run: cases
that did not pass, those whose link delays or loses packets, and those whose files do not arrive again by hand.
With more rounds, run and repetition alternate, and the median of their ratios is told as well. Where other work shares
the machine only processor times can be compared, which are told for that.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import queue
import resource
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

PATIENCE = 60.0
RUNNING = ("start", "stage.", "stop")
CABLE = "link add name eth0 netns {0}c type veth peer name eth0 netns {0}s"
NODES = {"c": ("10.0.0.1/16", "fd00::1/64"), "s": ("10.0.0.2/16", "fd00::2/64")}
"""What the first two nodes of a case in netns have."""


def run(experiment: Path, folder: Path, options: argparse.Namespace, more: Sequence[str]) -> list[dict[str, Any]]:
    """Run the experiment; return the records of what ran, each with the wall seconds of it all."""
    words = ["run", str(experiment), "--jobs", str(options.jobs), "--ui", "quiet", "--output", str(folder), *more]
    began = time.perf_counter()
    done = subprocess.run([sys.executable, "-m", "panther_core", *words], check=False)
    seconds = time.perf_counter() - began
    if done.returncode not in (0, 1):
        sys.exit(f"panther ended with {done.returncode}")
    records = [json.loads(line) for line in (folder / "results.jsonl").read_text().splitlines()]
    return [{**each, "all": seconds} for each in records if "start" in each["timings"]]


def recorded(record: dict[str, Any]) -> float:
    """Return for how long the programs of a case ran inside of the run."""
    return sum(float(seconds) for name, seconds in record["timings"].items() if name.startswith(RUNNING))


@contextlib.contextmanager
def lanes(count: int, network: str) -> Iterator[queue.Queue[str]]:
    """Give for each job two namespaces with a cable, or nothing but a place in the queue."""
    made: queue.Queue[str] = queue.Queue()
    names = [f"panther-bench-{os.getpid()}-{number}" if network == "netns" else "" for number in range(count)]
    try:
        for name in names:
            if name:
                lay(name)
            made.put(name)
        yield made
    finally:
        for end in (f"{name}{node}" for name in names if name for node in NODES):
            subprocess.run(["ip", "netns", "del", end], check=False, stderr=subprocess.DEVNULL)


def lay(name: str) -> None:
    """Make two namespaces with a cable between them."""
    for node in NODES:
        subprocess.run(["ip", "netns", "add", f"{name}{node}"], check=True)
    subprocess.run(["ip", *CABLE.format(name).split()], check=True)
    for node, (four, six) in NODES.items():
        for words in (
            "link set lo up",
            "link set eth0 up gso_max_segs 1",
            f"addr add {four} dev eth0",
            f"addr add {six} dev eth0 nodad",
        ):
            subprocess.run(["ip", "-n", f"{name}{node}", *words.split()], check=True)


def started(service: Path, lane: str) -> subprocess.Popen[bytes]:
    """Start a service of a case as a person would, below a shell that outlives it and counts its cost."""
    inside = ["nsenter", f"--net=/run/netns/{lane}"] if lane else []
    command = [*inside, "sh", "-c", "trap : TERM; " + (service / "command.txt").read_text()]
    nowhere = subprocess.DEVNULL
    return subprocess.Popen(command, start_new_session=True, stdin=nowhere, stdout=nowhere, stderr=nowhere)


def listens(pid: int, port: int, address: str) -> bool:
    """Whether somebody in the network of a process has taken a UDP port at an address, or at all of them."""
    own = "".join(f"{int(part):02X}" for part in reversed(address.split("."))) if "." in address else ""
    for table in ("udp", "udp6"):
        for line in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]:
            at, number = line.split()[1].split(":")
            if int(number, 16) == port and (table == "udp6" or at in (own, "00000000")):
                return True
    return False


def repeat(case: Path, free: queue.Queue[str]) -> float | None:
    """Run a case by hand; return how long that took, or nothing if its files did not arrive again."""
    server, client = case / "services" / "server", case / "services" / "client"
    sheet = json.loads((client / "quic.json").read_text())
    downloads = client / "downloads"
    for file in downloads.iterdir():
        file.unlink()
    lane = free.get()
    began = time.perf_counter()
    programs = [started(server, lane and f"{lane}s")]
    try:
        while not listens(programs[0].pid, sheet["port"], sheet["address"]):
            if time.perf_counter() - began > PATIENCE or programs[0].poll() is not None:
                return None
            time.sleep(0.002)
        programs.append(started(client, lane and f"{lane}c"))
        programs[1].wait(PATIENCE)
        end(programs[:1], signal.SIGTERM)
        programs[0].wait(PATIENCE)
        seconds = time.perf_counter() - began
    except subprocess.TimeoutExpired:
        return None
    finally:
        end(programs, signal.SIGKILL)  # also workers that outlive their master
        for each in programs:
            each.wait()
        free.put(lane)
    wanted = {file.name: file.read_bytes() for file in (server / "www").iterdir()}
    return seconds if {file.name: file.read_bytes() for file in downloads.iterdir()} == wanted else None


def end(programs: Sequence[subprocess.Popen[bytes]], number: int) -> None:
    """Send a signal to what was started and everything below it."""
    for each in programs:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(each.pid, number)


def processor() -> float:
    """Return the processor seconds of everything that was started here and has ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def compare(folder: Path, options: argparse.Namespace, more: Sequence[str]) -> float:
    """Run the experiment, repeat it by hand, tell both; return by how much the run took longer."""
    before = processor()
    records = run(options.experiment, folder, options, more)
    between = processor()
    again = [each for each in records if each["verdict"] == "pass" and not changes_link(folder / each["folder"])]
    with lanes(options.jobs, records[0]["network_environment"]) as free, ThreadPoolExecutor(options.jobs) as pool:
        times = list(pool.map(lambda each: repeat(folder / each["folder"], free), again))
    after = processor()
    own = sum(each for each in times if each is not None)
    lost = [each for each, seconds in zip(again, times, strict=True) if seconds is None]
    rest = [recorded(each) for each in records if each not in again or each in lost]
    seconds = records[0]["all"]
    bound, inside = (own + sum(rest)) / options.jobs, sum(map(recorded, records)) / options.jobs
    by_hand = len(again) - len(lost)
    print(f"{len(records)} cases ran in {seconds:.1f} s; {by_hand} of them by hand, {own:.1f} s of programs", end="")
    print(f"; {len(rest)} counted as they ran, {sum(rest):.1f} s" if rest else "")
    print(f"panther takes {seconds / bound:.2f} times the programs' own time divided by {options.jobs}", end="")
    print(f", {seconds / inside:.2f} times that inside of the run")
    print(f"processors: {between - before:.1f} s in the run, {after - between:.1f} s by hand")
    return float(seconds / bound)


def changes_link(case: Path) -> bool:
    """Whether the network of a case was more than a cable."""
    return (case / "network" / "links.json").exists()


def main() -> None:
    """Run, repeat, compare, as often as asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--experiment", type=Path, default=Path(__file__).with_suffix(".yaml"))
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=1)
    options, more = parser.parse_known_args()
    with tempfile.TemporaryDirectory(prefix="panther-quic-") as name:
        ratios = [compare(Path(name) / str(at), options, more) for at in range(options.rounds)]
    if len(ratios) > 1:
        print(f"median of {len(ratios)} rounds: {statistics.median(ratios):.2f}")


if __name__ == "__main__":
    main()
