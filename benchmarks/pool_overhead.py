"""What the pool costs on top of starting a program: trivial tests against bare ``xargs``, here and over SSH.

    python benchmarks/pool_overhead.py [--tests 1000] [--rounds 3] [--no-ssh]

Each test is ``sh -c true`` on one of two workers, with a log, a line on disk, and a check of what it left behind.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from panther_provisioner_ssh.hosts import SshHosts as SshProvisioner
from panther_provisioner_ssh.hosts import SshOptions

from panther_core.slots import LocalSlots
from panther_core.testing.sshd import SshHosts, missing
from panther_core.toolbox import Test, Toolbox
from panther_hookspecs import Provisioner

WORKERS = 2


def xargs(count: int) -> float:
    work = "\n".join(map(str, range(count))).encode()
    began = time.perf_counter()
    subprocess.run(("xargs", f"-P{WORKERS}", "-n1", "sh", "-c", "true"), input=work, check=True)
    return time.perf_counter() - began


def pool(count: int, supply: Callable[[], Provisioner]) -> float:
    """Return the seconds from the first test to the last, without what a system takes to get ready."""
    with tempfile.TemporaryDirectory(prefix="panther-pool-") as folder:
        box = Toolbox(Path(folder) / "out", keep_output=False)
        box.add_provisioner(supply, max_workers=WORKERS)
        began = time.perf_counter()
        box.run([Test(name="first", argv=["true"])])
        ready = time.perf_counter() - began
        again = Toolbox(Path(folder) / "all", keep_output=False)
        again.add_provisioner(supply, max_workers=WORKERS)
        began = time.perf_counter()
        results = again.run(Test(name=str(number), argv=["sh", "-c", "true"]) for number in range(count))
        whole = time.perf_counter() - began
        assert len(results) == count
        assert {each["status"] for each in results} == {"pass"}
        print(f"    {whole:6.2f} s in all; one test alone, with everything set up and taken down: {ready:.2f} s")
        return whole


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tests", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--no-ssh", action="store_true")
    options = parser.parse_args()
    ways: dict[str, Callable[[], float]] = {
        "xargs": lambda: xargs(options.tests),
        "local": lambda: pool(options.tests, LocalSlots),
    }
    why = "not wanted" if options.no_ssh else missing()
    with tempfile.TemporaryDirectory(prefix="panther-sshd-") as folder:
        if why:
            print(f"no SSH: this needs {why}")
            measure(ways, options.tests, options.rounds)
            return
        with SshHosts.running(Path(folder) / "sshd", 1) as hosts:
            host = SshOptions(hosts=(hosts.hosts[0].name,), workers=WORKERS, config=str(hosts.config))
            ways["ssh"] = lambda: pool(options.tests, lambda: SshProvisioner(host))
            measure(ways, options.tests, options.rounds)


def measure(ways: dict[str, Callable[[], float]], tests: int, rounds: int) -> None:
    """Measure all ways in turn, and print what each costs over the floor."""
    seen: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            seen[name].append(way())
    floor = statistics.median(seen["xargs"])
    for name, seconds in seen.items():
        middle = statistics.median(seconds)
        over = (middle - floor) / tests * 1000
        print(f"{name:6} {tests} tests: {middle:6.2f} s, {over:5.2f} ms a test over xargs ({middle / floor:.2f} x)")


if __name__ == "__main__":
    main()
