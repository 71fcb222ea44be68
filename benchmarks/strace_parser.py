"""Measure how fast a log of strace is read, and in how much memory.

Run it as ``python benchmarks/strace_parser.py [--megabytes 200] [FILE]``. Without a file it makes a log like that of a
server with four threads and a thousand peers, of 200 MB by default, reads it, and checks the sums.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from panther_profiler_strace.log import read_log

BUDGET = 20.0
"""Megabytes a second that are promised."""
FLAT = 40.0
"""Megabytes by which memory may grow while any log is read."""
THREADS = 4
PEERS = 1000


def echo(number: int) -> Iterator[str]:
    """Yield what one thread of the server does for one packet, half of it interrupted by another thread."""
    pid, other = 1000 + number % THREADS, 1000 + (number + 1) % THREADS
    when = 1_700_000_000 + number * 0.00025
    port = 20_000 + number % PEERS
    address = f'{{sa_family=AF_INET, sin_port=htons({port}), sin_addr=inet_addr("127.0.0.1")}}'
    socket = "3<UDP:[127.0.0.1:4433]>"
    text = '"' + "\\1\\253x" * 10 + '"...'
    polled = f"poll([{{fd={socket}, events=POLLIN}}], 1, 100"
    if number % 2:
        yield f"{pid} {when:.6f} {polled} <unfinished ...>\n"
        yield f"{other} {when:.6f} futex(0x7f5c1c0008c8, FUTEX_WAKE_PRIVATE, 1) = 0 <0.000012345>\n"
        yield f"{pid} {when:.6f} <... poll resumed>) = 1 ([{{fd=3, revents=POLLIN}}]) <0.000112345>\n"
    else:
        yield f"{pid} {when:.6f} {polled}) = 1 ([{{fd=3, revents=POLLIN}}]) <0.000112345>\n"
    yield f"{pid} {when:.6f} recvfrom({socket}, {text}, 2048, 0, {address}, [16]) = 1200 <0.000021345>\n"
    yield f"{pid} {when:.6f} sendto({socket}, {text}, 1200, 0, {address}, 16) = 1200 <0.000031345>\n"
    yield (
        f"{pid} {when:.6f} recvfrom({socket}, 0x7f5c1d2, 2048, 0, 0x7f5c3, [128]) = -1 EAGAIN "
        "(Resource temporarily unavailable) <0.000011345>\n"
    )


def generate(path: Path, megabytes: float) -> int:
    """Write a log of that size; return the number of packets in it."""
    number = 0
    with path.open("w") as file:
        while file.tell() < megabytes * 1e6:
            for packet in range(number, number + 10_000):
                file.writelines(echo(packet))
            number += 10_000
    return number


def peak() -> float:
    """Return the most memory that this process has had, in megabytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3


def measure(path: Path) -> dict[str, int]:
    """Read a log, print speed and memory, and return how often each call was made."""
    before, begin = peak(), time.process_time()
    trace = read_log(path)
    seconds = time.process_time() - begin
    size = path.stat().st_size / 1e6
    rate, grown = size / seconds, peak() - before
    print(f"{size:.0f} MB, {trace.lines:,} lines, {trace.unread} of them not understood, in {seconds:.1f} s of CPU")
    print(f"{rate:.1f} MB/s: {rate / BUDGET:.2f} x the promise of {BUDGET:.0f} MB/s; memory grew by {grown:.1f} MB")
    assert grown < FLAT, f"memory grew by {grown:.1f} MB"
    return {name: call.count for name, call in trace.calls.items()}


def main() -> None:
    """Read the given log, or make one."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", nargs="?", type=Path)
    parser.add_argument("--megabytes", type=float, default=200.0)
    given = parser.parse_args()
    if given.file:
        measure(given.file)
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "strace.log"
        packets = generate(path, given.megabytes)
        counts = measure(path)
        assert counts == {"poll": packets, "recvfrom": 2 * packets, "sendto": packets, "futex": packets // 2}, counts


if __name__ == "__main__":
    main()
