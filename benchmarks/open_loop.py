"""How well the load generator keeps its schedule: 10,000 requests a second to an echo on loopback.

Run it as ``python benchmarks/open_loop.py``: as root, or on a machine that does nothing else. The echo, too, runs
before other programs where that is allowed, so that a busy machine tells as much about the generator as an idle one.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from panther_service_load.manager import HERE

ECHO = """
import os, socket
try:
    os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))
except OSError:
    pass
made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
made.bind(("127.0.0.1", 0))
print(made.getsockname()[1], flush=True)
while True:
    data, peer = made.recvfrom(2000)
    made.sendto(data, peer)
"""
DIALECT = """
class Dialect:
    def __init__(self, *, seed, name): pass
    def opening(self): return [b"-1"]
    def closing(self): return []
    def request(self, number): return b"%d" % number
    def number(self, answer): return int(answer)
    def right(self, number, answer): return int(answer) == number
    def reopens(self, answer): return False
"""


def main() -> None:
    """Print the summary of one load after the other."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rates", type=float, nargs="*", default=[1000.0, 10_000.0])
    parser.add_argument("--duration", type=float, default=10.0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, echoing() as port:
        folder = Path(name)
        (folder / "dialect.py").write_text(DIALECT, encoding="ascii")
        for rate in options.rates:
            fixed = (
                "--dialect",
                str(folder / "dialect.py"),
                "--port",
                port,
                "--dir",
                name,
                "--warmup",
                "0.5",
                "--precedence",
            )
            load = (sys.executable, "-I", "-S", str(HERE / "load"), *fixed)
            more = ("--rate", str(rate), "--duration", str(options.duration))
            subprocess.run([*load, *more], stdout=subprocess.DEVNULL, check=False)  # what came of it is in its report
            found = json.loads((folder / "load.json").read_text(encoding="ascii"))
            late = {share: round(1e6 * value) for share, value in found["start_error"].items()}
            counts = {each: found[each] for each in ("planned", "sent", "unsent", "answered", "lost")}
            first = "before others" if found["precedence"] else "among others"
            print(f"rate {rate:g}: {counts} busy {found['busy']:.0%}, {first}, late (us): {late}", flush=True)


@contextlib.contextmanager
def echoing() -> Iterator[str]:
    """Let an echo run within the block, and give its port."""
    with subprocess.Popen([sys.executable, "-I", "-S", "-c", ECHO], stdout=subprocess.PIPE, text=True) as echo:
        assert echo.stdout is not None
        try:
            yield echo.stdout.readline().strip()
        finally:
            echo.kill()


if __name__ == "__main__":
    main()
