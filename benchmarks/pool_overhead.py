"""What the pool costs on top of starting a program: trivial tests against bare ``xargs``, here and over SSH.

    python benchmarks/pool_overhead.py [--tests 1000] [--rounds 3] [--no-ssh] [--peers FOLDER]

Each test is ``sh -c true`` on one of two workers, with a log, a line on disk, and a check of what it left behind.
Peers run the same in the same rounds: GNU parallel with a log if it is installed, and pytest-xdist and Testplan of the
folder that benchmarks/makespan.py --peers has filled. All times include how long each takes to start and to end.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from panther_provisioner_ssh.hosts import SshHosts as SshProvisioner
from panther_provisioner_ssh.hosts import SshOptions

from panther_core.pool.slots import LocalSlots
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
    """Return the seconds that the pool takes for so many tests, its start and its end included."""
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


PYTEST = """
import subprocess, pytest
@pytest.mark.parametrize("number", range({count}))
def test(number):
    subprocess.run(["sh", "-c", "true"], check=True)
"""
TESTPLAN = """
import subprocess
from testplan import TestplanMock
from testplan.testing.multitest import MultiTest, testcase, testsuite
@testsuite
class Suite:
    @testcase(parameters=tuple(range({count})))
    def case(self, env, result, number):
        result.equal(subprocess.call(["sh", "-c", "true"]), 0)
plan = TestplanMock(name="plan", runpath="testplan-run")
plan.add(MultiTest(name="all", suites=[Suite()]))
plan.run()
"""


def peer(count: int, command: Sequence[str], program: str = "", stdin: str = "") -> float:
    """Return the seconds that a peer takes for so many tests, its start and its end included."""
    with tempfile.TemporaryDirectory(prefix="panther-peer-") as folder:
        (Path(folder) / "test_all.py").write_text(program.format(count=count))
        work = "".join(f"{stdin} {each}\n" for each in range(count)).encode()
        began = time.perf_counter()
        subprocess.run(command, cwd=folder, input=work, stdout=subprocess.DEVNULL, check=True)
        return time.perf_counter() - began


def peers(count: int, folder: Path | None) -> dict[str, Callable[[], float]]:
    """Return those that are there."""
    found: dict[str, Callable[[], float]] = {}
    if shutil.which("parallel"):
        command = ("parallel", f"-j{WORKERS}", "--joblog", "log", "sh", "-c", "true")
        found["parallel"] = lambda: peer(count, command, stdin="#")
    python = str(folder / "own/bin/python") if folder else ""
    if python and Path(python).exists():
        pytest = (python, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_all.py")
        found["pytest"] = lambda: peer(count, pytest, PYTEST)
        found["pytest -n2"] = lambda: peer(count, (*pytest, f"-n{WORKERS}"), PYTEST)
        found["Testplan"] = lambda: peer(count, (python, "test_all.py"), TESTPLAN)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tests", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--no-ssh", action="store_true")
    parser.add_argument("--peers", type=Path, metavar="FOLDER", help="where benchmarks/makespan.py has installed some")
    options = parser.parse_args()
    ways: dict[str, Callable[[], float]] = {
        "xargs": lambda: xargs(options.tests),
        "local": lambda: pool(options.tests, LocalSlots),
        **peers(options.tests, options.peers),
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
        print(f"{name:10} {tests} tests: {middle:6.2f} s, {over:5.2f} ms a test over xargs ({middle / floor:.2f} x)")


if __name__ == "__main__":
    main()
