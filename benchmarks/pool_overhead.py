"""What the pool costs on top of starting a program: trivial tests against bare ``xargs``, here and over SSH.

    python benchmarks/pool_overhead.py [--tests 1000] [--rounds 3] [--no-ssh] [--peers FOLDER]

Each test is ``sh -c true`` on one of two workers, with a log, a line on disk, and a check of what it left behind.
Peers run the same in the same rounds: GNU parallel with a log if it is installed, and pytest-xdist, Testplan, ATEX and
tmt of the folder that benchmarks/makespan.py --peers has filled. tmt, which needs rsync, prepares nothing and runs one
test after the other, only 50 of them because it is slow. All times include how long each takes to start and to end.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from makespan import ATEX
from panther_provisioner_ssh.hosts import SshHosts as SshProvisioner
from panther_provisioner_ssh.hosts import SshOptions

from panther_core.testing.sshd import SshHosts, missing
from panther_core.toolbox import LocalSlots, Test, Toolbox
from panther_hookspecs import Provisioner

WORKERS = 2
AT_MOST = {"tmt": 50}
"""Of these a run of all tests would take too long."""


Way = Callable[[int], float]
"""Runs so many tests, and returns the seconds that this took."""
PROGRAMS = ("own/bin/python", "newer/bin/python", "tmt/bin/tmt")
"""Of the peers, in their folder."""


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


TMT = """
/plan: {{discover: {{how: fmf}}, provision: {{how: local}}, execute: {{how: tmt}}}}
/tests:
{tests}
"""


def peer(count: int, command: Sequence[str], files: Mapping[str, str] | None = None, stdin: str = "") -> float:
    """Return the seconds that a peer takes for so many tests, its start and its end included."""
    with tempfile.TemporaryDirectory(prefix="panther-peer-") as name:
        folder = Path(name)
        for path, text in (files or {}).items():
            (folder / path).parent.mkdir(exist_ok=True)
            (folder / path).write_text(text)
        work = "".join(f"{stdin} {each}\n" for each in range(count)).encode()
        began = time.perf_counter()
        done = subprocess.run(command, cwd=folder, input=work, capture_output=True, check=False)
        took = time.perf_counter() - began
        if done.returncode:
            raise SystemExit(f"{command}: exit code {done.returncode}: {done.stderr.decode()[-500:]}")
        return took


def atex(count: int, python: str) -> float:
    tests = [(str(number), "true") for number in range(count)]
    return peer(count, (python, "atex_main.py", str(WORKERS)), {"atex_main.py": ATEX, "tests.json": json.dumps(tests)})


def tmt(count: int, program: str) -> float:
    tests = "".join(f"    /t{number}: {{test: sh -c true}}\n" for number in range(count))
    command = (program, "--feeling-safe", "run", "--all", "--skip", "prepare", "--remove")
    return peer(count, command, {".fmf/version": "1\n", "main.fmf": TMT.format(tests=tests)})


def peers(folder: Path | None) -> dict[str, Way]:
    """Return those that are there."""
    found: dict[str, Way] = {}
    if shutil.which("parallel"):
        command = ("parallel", f"-j{WORKERS}", "--joblog", "log", "sh", "-c", "true")
        found["parallel"] = lambda count: peer(count, command, stdin="#")
    programs = {each: str(folder / each) for each in PROGRAMS if (folder / each).exists()} if folder else {}
    if own := programs.get("own/bin/python"):
        pytest = (own, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_all.py")
        found["pytest"] = lambda count: peer(count, pytest, {"test_all.py": PYTEST.format(count=count)})
        parallel = (*pytest, f"-n{WORKERS}")
        found["pytest -n2"] = lambda count: peer(count, parallel, {"test_all.py": PYTEST.format(count=count)})
        found["Testplan"] = lambda count: peer(count, (own, "all.py"), {"all.py": TESTPLAN.format(count=count)})
    if newer := programs.get("newer/bin/python"):
        found["ATEX"] = lambda count: atex(count, newer)
    if program := programs.get("tmt/bin/tmt"):
        found["tmt"] = lambda count: tmt(count, program)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tests", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--no-ssh", action="store_true")
    parser.add_argument("--peers", type=Path, metavar="FOLDER", help="where benchmarks/makespan.py has installed some")
    options = parser.parse_args()
    ways: dict[str, Way] = {"xargs": xargs, "local": lambda count: pool(count, LocalSlots), **peers(options.peers)}
    why = "not wanted" if options.no_ssh else missing()
    with tempfile.TemporaryDirectory(prefix="panther-sshd-") as folder:
        if why:
            print(f"no SSH: this needs {why}")
            measure(ways, options.tests, options.rounds)
            return
        with SshHosts.running(Path(folder) / "sshd", 1) as hosts:
            host = SshOptions(hosts=(hosts.hosts[0].name,), workers=WORKERS, config=hosts.config)
            ways["ssh"] = lambda count: pool(count, lambda: SshProvisioner(host))
            measure(ways, options.tests, options.rounds)


def measure(ways: Mapping[str, Way], tests: int, rounds: int) -> None:
    """Measure all ways in turn, and print what each costs over the floor."""
    counts = {name: min(tests, AT_MOST.get(name, tests)) for name in ways}
    seen: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            seen[name].append(way(counts[name]) / counts[name] * 1000)
    middle = {name: statistics.median(each) for name, each in seen.items()}
    over = {name: each - middle["xargs"] for name, each in middle.items()}
    for name, each in middle.items():
        print(
            f"{name:10} {counts[name]} tests: {each:8.2f} ms a test, {over[name]:8.2f} more than xargs "
            f"({each / middle['xargs']:.2f} x), {over[name] / over['local']:.1f} times what the pool here costs"
        )


if __name__ == "__main__":
    main()
