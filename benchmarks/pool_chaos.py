"""What is lost when hosts, connections and PANTHER itself are killed at random moments: it should be nothing.

    python benchmarks/pool_chaos.py [--rounds 200] [--cases 300] [--seed 1] [--image NAME]

Each round runs one experiment on two SSH hosts, a namespace, a local slot and, with ``--image``, a container, and
does one of three things to it: it kills all that runs on a host, cuts the connections to a host, or kills PANTHER with
-9 and resumes. Then each case must have exactly one final result that is as expected, and nothing may be left.
"""

from __future__ import annotations

import argparse
import collections
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from panther_core.testing.sshd import SshHosts, missing

EXPERIMENT = """\
name: chaos
network_environment: localhost
provisioners:
  - {{type: local, max_workers: 1}}
  - {{type: netns, max_workers: 1, interpreter: "{python}", lease: 15}}
  - {{type: ssh, config: "{config}", hosts: [{first}, {second}], labels: {{{second}: [big]}}, workers: 1,
     interpreter: "{python}", folder: "{far}", lease: 15}}
{container}
test_cases:
  - {{name: any, repeat: {any}, services: {{one: {{implementation: command, argv: ["true"]}}}}}}
  - {{name: far, labels: [ssh], repeat: {some}, services: {{one: {{implementation: command, argv: ["true"]}}}}}}
  - {{name: big, labels: [big], repeat: {some}, services: {{one: {{implementation: command, argv: ["true"]}}}}}}
"""
CONTAINER = "  - {type: container, image: IMAGE, network: none, max_workers: 1, lease: 15}"
ACTIONS = ("kill a host", "cut a connection", "kill PANTHER")


def finals(run: Path) -> Iterator[dict[str, object]]:
    for line in (run / "results.jsonl").read_bytes().splitlines():
        try:
            record = json.loads(line)
        except ValueError:
            continue
        if record["final"]:
            yield record


def wait_for(run: Path, count: int, process: subprocess.Popen[bytes]) -> None:
    """Return when the run has begun and so many cases are recorded, or it has ended."""
    while process.poll() is None:
        if (run / "resolved.yaml").exists() and len((run / "results.jsonl").read_bytes().splitlines()) >= count:
            return
        time.sleep(0.02)


def one_round(action: str, folder: Path, hosts: SshHosts, cases: int, chance: random.Random) -> str:
    """Return what went wrong, or nothing."""
    run = folder / "run"
    command = (sys.executable, "-m", "panther_core")
    quiet = {"cwd": folder, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    process = subprocess.Popen((*command, "run", "e.yaml", "--output", run), start_new_session=True, **quiet)  # type: ignore[call-overload]
    wait_for(run, chance.randrange(cases * 9 // 10), process)
    host = chance.choice(hosts.hosts)
    if action == "kill a host":
        host.kill()
        time.sleep(chance.random())
        host.start()
    elif action == "cut a connection":
        host.cut()
    else:
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        process = subprocess.Popen((*command, "resume", run), start_new_session=True, **quiet)  # type: ignore[call-overload]
    code = process.wait()
    found = collections.Counter(str(each["case"]) for each in finals(run))
    twice = [case for case, count in found.items() if count > 1]
    wrong = [each for each in finals(run) if each["verdict"] != "pass"]
    losses = sum("losses" in each for each in finals(run))
    print(f"  {action}: {len(found)} of {cases} cases, exit code {code}, {losses} ran once more", flush=True)
    if len(found) != cases or twice or wrong or code:
        return f"{action}: {cases - len(found)} missing, {len(twice)} twice, {len(wrong)} wrong, exit code {code}"
    return leftovers(hosts, folder / "far")


def leftovers(hosts: SshHosts, far: Path) -> str:
    """Return what is still there some time after the end, or nothing."""
    until = time.monotonic() + 40
    while time.monotonic() < until:
        agents = [words for host in hosts.hosts for words in host.commands().values() if b"panther-agent" in words]
        if not any(far.iterdir()) and not agents:
            return ""
        time.sleep(0.1)
    return f"left behind: {[str(each) for each in far.rglob('*')][:5]} {[each[:200] for each in agents]}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--cases", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--image", default="", help="an image with Python 3.11, to use containers as well")
    options = parser.parse_args()
    if why := missing():
        sys.exit(f"this needs {why}")
    chance = random.Random(options.seed)
    some = options.cases // 5
    bad: list[str] = []
    with (
        tempfile.TemporaryDirectory(prefix="chaos-") as name,
        SshHosts.running(Path(name) / "sshd", 2) as hosts,
    ):
        for number in range(options.rounds):
            folder = Path(name) / str(number)
            (folder / "far").mkdir(parents=True)
            text = EXPERIMENT.format(
                python=sys.executable,
                config=hosts.config,
                first=hosts.hosts[0].name,
                second=hosts.hosts[1].name,
                far=folder / "far",
                container=CONTAINER.replace("IMAGE", options.image) if options.image else "",
                any=options.cases - 2 * some,
                some=some,
            )
            (folder / "e.yaml").write_text(text)
            if problem := one_round(ACTIONS[number % len(ACTIONS)], folder, hosts, options.cases, chance):
                bad.append(f"round {number}: {problem}")
                print(bad[-1], flush=True)
    print(f"{options.rounds} rounds of {options.cases} cases: {len(bad)} with something lost or left")
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
