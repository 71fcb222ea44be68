"""What the network environment ``netns`` costs, and how exact its links are.

Run it as ``python benchmarks/netns.py``; with ``--write docs/how-to/links.md`` the table of that page is made anew.
Times depend on the machine and its load; on a quiet one a case stays below 250 ms, fifty nodes below a second, and a
link within 1 ms and half a percentage point of what was asked for.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs
from panther_env_netns.environment import NetnsEnvironment
from panther_env_netns.options import NetnsOptions
from panther_link_netem.plugin import panther_register_links as links_of_the_kernel
from panther_link_relay.plugin import panther_register_links as links_of_the_relay

from panther_core.testing import recording_context
from panther_hookspecs import (
    BitRate,
    LinkSpec,
    NetworkPlan,
    Process,
    Readiness,
    Seconds,
    ServiceCommand,
    ServiceLaunch,
    ServicePlan,
    ServiceSpec,
    Share,
    ShellCommand,
)

CASES = """
name: cost
protocol: minip
network_environment: NETWORK
repeat: COUNT
test_cases:
  - {name: greet, scenario: greet, implementation: ping-pong-py}
"""
SERVER = """
import socket, sys, time
mode, count, began = sys.argv[1], 0, None
udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
udp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
udp.bind(("", 4433))
tcp = socket.create_server(("", 4433))
print("up", flush=True)
while mode == "echo":
    udp.sendto(*udp.recvfrom(2000))
if mode == "count":
    udp.recv(2000)
    udp.settimeout(2)
    try:
        while count := count + 1:
            udp.recv(2000)
    except TimeoutError:
        print(count)
if mode == "tcp":
    one, _ = tcp.accept()
    while data := one.recv(1 << 18):
        began = began or time.monotonic()
        count += len(data)
    print(count * 8 / (time.monotonic() - began))
"""
CLIENT = """
import socket, sys, time
mode, place, amount = sys.argv[1], sys.argv[2], int(sys.argv[3])
if mode == "tcp":
    own = socket.create_connection((place, 4433))
    end = time.monotonic() + amount
    while time.monotonic() < end:
        own.sendall(bytes(1 << 16))
else:
    own = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    own.connect((place, 4433))
    own.settimeout(2)
    for _ in range(amount):
        began = time.monotonic()
        own.send(bytes(100))
        if mode == "echo":
            own.recv(2000)
            print(time.monotonic() - began)
        else:
            time.sleep(0.0001)
"""
BEGIN, END = "<!-- begin: made by benchmarks/netns.py -->\n\n", "\n<!-- end -->"


@contextlib.contextmanager
def network(names: Sequence[str], **links: Any) -> Iterator[tuple[NetnsEnvironment, Mapping[str, ServiceLaunch]]]:
    """Give a network of services that are not running yet; ``links`` are the impairments between any two."""
    known = [*links_of_the_kernel(), *links_of_the_relay()]
    with tempfile.TemporaryDirectory() as made, recording_context(Path(made), name="network", links=known) as context:
        environment = NetnsEnvironment(context, NetnsOptions())
        nothing = ShellCommand("true")
        endpoints = environment.plan_addresses(
            [ServiceSpec(name=name, role=name, plan=ServicePlan(run=nothing)) for name in names]
        )
        environment.setup_environment(NetworkPlan(links={"*": LinkSpec(**links)}))
        launches = {}
        for name in names:
            folder = Path(made) / name
            folder.mkdir()
            launches[name] = ServiceLaunch(
                name=name, command=ServiceCommand(program=nothing), folder=folder, endpoint=endpoints[name]
            )
        yield environment, launches
        environment.teardown_environment()


def start(environment: NetnsEnvironment, launch: ServiceLaunch, script: str, *args: str) -> Process:
    """Start a script as a service."""
    command = ServiceCommand(program=ShellCommand(sys.executable, ("-I", "-S", "-c", script, *args)))
    ready = Readiness(kind="log", pattern="up")
    return environment.start_service(attrs.evolve(launch, command=command, ready=ready))


def exchange(mode: str, amount: int, **links: Any) -> tuple[list[float], str]:
    """Let a client talk to a server; return the numbers that were printed, and what the link is made of."""
    with network(("server", "client"), **links) as (environment, launches):
        server = start(environment, launches["server"], SERVER, mode)
        environment.wait_for_service_ready("server", 20)
        place = launches["server"].endpoint.ip
        start(environment, launches["client"], CLIENT, mode, place, str(amount)).wait(120)
        if mode != "echo":
            server.wait(60)
        words = " ".join((each.folder / "stdout").read_text() for each in launches.values()).split()
        made_of = json.loads((environment.context.folder / next(iter(environment.collect())).path).read_text())
        return [float(word) for word in words if word != "up"], str(made_of["mechanism"])


def link_rows(packets: int, seconds: int) -> Iterator[tuple[str, str, str]]:
    """Yield what was asked for, what the link is made of, and what was measured."""
    bare, _ = exchange("echo", 300, rate=BitRate(1e9))
    for milliseconds in (1, 5, 20, 100):
        trips, mechanism = exchange("echo", max(20, 400 // milliseconds), delay=Seconds(milliseconds / 1000))
        added = (statistics.median(trips) - statistics.median(bare)) * 500
        yield f"delay {milliseconds} ms", mechanism, f"{added:.2f} ms added, median"
    for loss in (0.01, 0.1):
        (arrived,), mechanism = exchange("count", packets, loss=Share(loss))
        yield f"loss {loss:.0%}", mechanism, f"{1 - arrived / packets:.2%} of {packets} packets"
    for megabits in (1, 10, 100):
        (rate,), mechanism = exchange("tcp", seconds, rate=BitRate(megabits * 1e6))
        yield f"rate {megabits} Mbit/s", mechanism, f"{rate / 1e6:.2f} Mbit/s of payload over TCP"
    (rate,), mechanism = exchange("tcp", seconds, delay=Seconds(0.02))
    yield "delay 20 ms, any rate", mechanism, f"{rate / 1e6:.0f} Mbit/s of payload over TCP"


def case_milliseconds(count: int, environment: str) -> list[float]:
    """Return what each of ``count`` cases takes, one after the other, with all evidence kept."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "cost.yaml").write_text(CASES.replace("COUNT", str(count)).replace("NETWORK", environment))
        command = [sys.executable, "-m", "panther_core", "run", "cost.yaml", "--jobs", "1", "--output", "out"]
        subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL, env={**os.environ, "CI": "1"})
        lines = (Path(folder) / "out" / "results.jsonl").read_text().splitlines()
        return [json.loads(line)["seconds"] * 1000 for line in lines]


def node_milliseconds(count: int) -> float:
    """Return how long it takes to make and remove a network of ``count`` services on one switch."""
    began = time.perf_counter()
    with network([f"n{number}" for number in range(count)]):
        pass
    return (time.perf_counter() - began) * 1000


def main() -> None:
    """Measure and print, and write the table where that is asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=20)
    parser.add_argument("--nodes", type=int, default=50)
    parser.add_argument("--packets", type=int, default=10_000)
    parser.add_argument("--seconds", type=int, default=4, help="how long a rate is measured")
    parser.add_argument("--write", type=Path, help="page whose table is replaced")
    args = parser.parse_args()
    for environment in ("localhost", "netns"):
        cases = case_milliseconds(args.cases, environment)
        print(
            f"{args.cases} cases in {environment}: median {statistics.median(cases):.0f} ms, most {max(cases):.0f} ms"
        )
    print(f"{args.nodes} services on one switch, made and removed: {node_milliseconds(args.nodes):.0f} ms")
    lines = ["| asked for | by | measured |", "|---|---|---|"]
    for row in link_rows(args.packets, args.seconds):
        lines.append("| " + " | ".join(row) + " |")
        print(lines[-1], flush=True)
    if args.write:
        before, _, rest = args.write.read_text().partition(BEGIN)
        args.write.write_text(before + BEGIN + "\n".join(lines) + "\n" + END + rest.partition(END)[2])


if __name__ == "__main__":
    main()
