"""What links really do to packets, and what recordings of them hold."""

from __future__ import annotations

import json
import shutil
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import attrs
import pytest
from panther_env_netns.environment import NetnsEnvironment
from panther_env_netns.options import NetnsOptions
from panther_link_netem.plugin import panther_register_links as links_of_the_kernel
from panther_link_relay.plugin import panther_register_links as links_of_the_relay

from panther_core.testing import MakeProject, RecordingContext, recording_context
from panther_hookspecs import (
    BitRate,
    Bytes,
    EnvironmentUnavailableError,
    LinkSpec,
    NetworkPlan,
    Readiness,
    Seconds,
    ServiceCommand,
    ServiceLaunch,
    ServicePlan,
    ServiceSpec,
    Share,
    ShellCommand,
    TestExecutionError,
)

TOOLS = [tool for tool in ("ip", "tc", "unshare", "nsenter") if shutil.which(tool) is None]
pytestmark = pytest.mark.skipif(bool(TOOLS), reason=f"needs {', '.join(TOOLS)}")

SOON = 60.0
ECHO = """
import socket, sys
own = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
own.bind(("::", 4433))
print("up", flush=True)
while True:
    data, other = own.recvfrom(2000)
    own.sendto(data, other)
"""
SENDER = """
import json, select, socket, sys, time
place, count, gap, size = sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), int(sys.argv[4])
own = socket.socket(socket.AF_INET6 if ":" in place else socket.AF_INET, socket.SOCK_DGRAM)
own.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 21)
own.connect((place, 4433))
seen, sent = [], {}
def take(until):
    while select.select([own], (), (), max(0.0, until - time.monotonic()))[0]:
        seen.append((int.from_bytes(own.recv(2000)[:4], "big"), time.monotonic()))
        if until > sent[number] + gap:
            until = time.monotonic() + 1.0
for number in range(count):
    sent[number] = time.monotonic()
    own.send(number.to_bytes(4, "big") + bytes(size - 4))
    take(sent[number] + gap)
take(time.monotonic() + 1.0)
print(json.dumps({"order": [n for n, _ in seen], "rtt": [t - sent[n] for n, t in seen if n in sent],
                  "took": seen[-1][1] - sent[0] if seen else 0}))
"""


@attrs.define
class World:
    """Two services, one of which sends back what the other sends."""

    context: RecordingContext
    environment: NetnsEnvironment
    launches: dict[str, ServiceLaunch] = attrs.field(factory=dict)

    def set_up(self, *names: str, capture: bool = False, **links: Any) -> None:
        specs = [ServiceSpec(name=name, role=name, plan=ServicePlan(run=ShellCommand("true"))) for name in names]
        endpoints = self.environment.plan_addresses(specs)
        plan = NetworkPlan(links={key.replace("_", "-"): value for key, value in links.items()}, capture=capture)
        self.environment.setup_environment(plan)
        for name in names:
            folder = self.context.attempt / "services" / name
            folder.mkdir(parents=True)
            self.launches[name] = ServiceLaunch(
                name=name, command=ServiceCommand(program=ShellCommand("true")), folder=folder, endpoint=endpoints[name]
            )
        self.python(names[0], ECHO, ready=Readiness(kind="log", pattern="up"))
        self.environment.wait_for_service_ready(names[0], SOON)

    def python(self, name: str, script: str, *args: object, **more: Any) -> Any:
        program = ShellCommand(sys.executable, ("-I", "-c", script, *args))
        launch = attrs.evolve(self.launches[name], command=ServiceCommand(program=program), **more)
        return self.environment.start_service(launch)

    def exchange(self, source: str, *, count: int, gap: float = 0.0, size: int = 64, ipv6: bool = False) -> Any:
        """Let ``source`` send packets to the first service; return what came back."""
        endpoint = next(iter(self.launches.values())).endpoint
        process = self.python(source, SENDER, endpoint.ip6 if ipv6 else endpoint.ip, count, gap, size)
        folder = self.launches[source].folder
        status = process.wait(SOON)
        assert status is not None, "the sender never ended"
        assert status.ok, (folder / "stderr").read_text()
        return json.loads((folder / "stdout").read_text().splitlines()[-1])

    def links(self) -> Mapping[str, Any]:
        """Let the environment collect; return what it says about links."""
        (artifact,) = [each for each in self.environment.collect() if each.kind == "links"]
        found: Mapping[str, Any] = json.loads((self.context.folder / artifact.path).read_text())
        return found


def typical(seen: Any) -> float:
    """Return a round-trip time that a busy machine, which adds to most of them, has added little to."""
    times = sorted(seen["rtt"])
    return float(times[len(times) // 10])


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Callable[..., World]]:
    links = [*links_of_the_kernel(), *links_of_the_relay()]
    with recording_context(tmp_path, name="network", seed=42, links=links) as context:
        made: list[NetnsEnvironment] = []

        def _make(**options: Any) -> World:
            made.append(NetnsEnvironment(context, NetnsOptions(**options)))
            return World(context, made[-1])

        yield _make
        for each in made:
            each.teardown_environment()
            assert list(each.verify_clean()) == []


@pytest.mark.parametrize("ipv6", [False, True])
def test_the_round_trip_takes_twice_the_delay(make: Callable[..., World], ipv6: bool) -> None:
    world = make(link_mechanism="relay")
    world.set_up("server", "client", server_client=LinkSpec(delay=Seconds(0.02)))
    seen = world.exchange("client", count=100, gap=0.005, ipv6=ipv6)
    assert seen["order"] == list(range(100))
    assert min(seen["rtt"]) >= 0.04
    assert typical(seen) < 0.045
    report = world.links()
    assert report["mechanism"] == "relay"
    for flow in report["flows"]:
        assert flow["asked"] == {"delay": 0.02}
        assert flow["seen"]["packets"] == 100
        assert 0.02 <= flow["seen"]["held_p5"] < 0.022


def test_only_the_link_that_is_named_is_impaired(make: Callable[..., World]) -> None:
    world = make(link_mechanism="relay")
    world.set_up("server", "client", "other", server_client=LinkSpec(delay=Seconds(0.05)))
    assert typical(world.exchange("other", count=20, gap=0.002)) < 0.05
    assert typical(world.exchange("client", count=20, gap=0.002)) >= 0.1


def test_every_packet_is_impaired_once_on_a_way_through_others(make: Callable[..., World]) -> None:
    world = make(link_mechanism="relay", network_topology={"shape": "line"})
    everywhere: dict[str, Any] = {"*": LinkSpec(delay=Seconds(0.03))}
    world.set_up("server", "middle", "client", **everywhere)
    assert 0.06 <= typical(world.exchange("client", count=20, gap=0.002)) < 0.09


def test_loss_is_what_was_asked_for_over_ten_thousand_packets(make: Callable[..., World]) -> None:
    world = make()
    world.set_up("server", "client", server_client=LinkSpec(loss=Share(0.05)))
    world.exchange("client", count=10_000, gap=0.00005)
    there = world.links()["flows"]
    sent = next(flow for flow in there if flow["direction"] == "client->server")["seen"]
    assert sent["packets"] == 10_000
    assert abs(sent["lost"] / 10_000 - 0.05) < 0.005


def test_the_same_seed_gives_the_same_fate(make: Callable[..., World]) -> None:
    orders = []
    for _ in range(2):
        world = make(link_mechanism="relay")
        shutil.rmtree(world.context.attempt / "services", ignore_errors=True)
        world.set_up("server", "client", server_client=LinkSpec(loss=Share(0.2), duplicate=Share(0.2)))
        orders.append(world.exchange("client", count=100, gap=0.002)["order"])
        world.environment.teardown_environment()
    assert orders[0] == orders[1]
    assert 30 < len(set(orders[0])) < 90
    assert len(orders[0]) > len(set(orders[0]))


def test_packets_overtake_only_where_that_is_asked_for(make: Callable[..., World]) -> None:
    world = make(link_mechanism="relay")
    world.set_up("server", "client", server_client=LinkSpec(delay=Seconds(0.01), reorder=Share(0.1)))
    order = world.exchange("client", count=200, gap=0.001)["order"]
    assert sorted(order) == list(range(200))
    assert order != sorted(order)


@pytest.mark.parametrize("mechanism", ["", "relay"])
def test_a_rate_is_kept_by_the_kernel_and_by_the_relay(make: Callable[..., World], mechanism: str) -> None:
    world = make(link_mechanism=mechanism)
    world.set_up("server", "client", server_client=LinkSpec(rate=BitRate(8e6)))
    seen = world.exchange("client", count=60, size=1400)
    assert len(seen["order"]) == 60
    assert 59 * (1400 + 42) * 8 / seen["took"] < 8.5e6, "more got through than the link carries"
    assert world.links()["mechanism"] == (mechanism or "htb")


def test_a_link_of_the_kernel_is_read_back(make: Callable[..., World]) -> None:
    world = make()
    world.set_up("server", "client", server_client=LinkSpec(rate=BitRate(8e6)))
    world.exchange("client", count=10)
    told = json.dumps(world.links()["read_back"])
    assert "rate 8Mbit" in told
    assert "pfifo" in told


def test_a_kernel_without_netem_is_refused_only_if_nothing_else_may_do_it(make: Callable[..., World]) -> None:
    world = make(link_mechanism="netem")
    if world.environment._works(("tc", "qdisc", "add", "dev", "lo", "root", "netem", "delay", "1ms")):
        pytest.skip("only where the kernel has no netem")
    with pytest.raises(EnvironmentUnavailableError, match="netem does not work here"):
        world.set_up("server", "client", server_client=LinkSpec(delay=Seconds(0.01)))


def test_a_relay_that_dies_makes_the_case_an_error(make: Callable[..., World]) -> None:
    world = make(link_mechanism="relay")
    world.set_up("server", "client", server_client=LinkSpec(delay=Seconds(0.01)))
    assert world.environment._keeper is not None
    keeper = world.environment._keeper.pid
    (relay,) = map(int, Path(f"/proc/{keeper}/task/{keeper}/children").read_text().split())
    subprocess.run(["kill", "-9", str(relay)], check=True)
    assert world.environment._keeper.wait(SOON)
    with pytest.raises(TestExecutionError, match="did not last to the end of the case"):
        list(world.environment.collect())


@attrs.frozen
class Packet:
    """One packet of a recording."""

    moment: int
    frame: bytes
    length: int
    outgoing: bool


def packets(path: Path) -> tuple[list[Packet], dict[int, int]]:
    """Read a pcapng file strictly; return its packets and the counters of its only interface."""
    data, at, found, counters = path.read_bytes(), 0, [], {}
    kinds = []
    while at < len(data):
        kind, length = struct.unpack_from("=II", data, at)
        assert length % 4 == 0
        assert struct.unpack_from("=I", data, at + length - 4) == (length,)
        kinds.append(kind)
        if kind == 6:
            _, high, low, kept, long = struct.unpack_from("=IIIII", data, at + 8)
            code, size, flags = struct.unpack_from("=HHI", data, at + 28 + kept + -kept % 4)
            assert (code, size) == (2, 4)
            found.append(Packet((high << 32) + low, data[at + 28 : at + 28 + kept], long, flags == 2))
        elif kind == 5:
            place = at + 20
            while (code := struct.unpack_from("=H", data, place)[0]) != 0:
                counters[code] = struct.unpack_from("=Q", data, place + 4)[0]
                place += 12
        at += length
    assert kinds[:2] == [0x0A0D0D0A, 1]
    assert kinds[-1] == 5
    return found, counters


def echoed(found: list[Packet], *, outgoing: bool) -> list[int]:
    """Return the numbers of the test's own packets, in order."""
    return [number for number, _ in sorted(own_of(found, outgoing=outgoing))]


def moments_of(found: list[Packet], *, outgoing: bool) -> list[int]:
    """Return when they were stamped, in the order of their numbers."""
    return [moment for _, moment in sorted(own_of(found, outgoing=outgoing))]


def own_of(found: list[Packet], *, outgoing: bool) -> list[tuple[int, int]]:
    """Return number and moment of the test's own packets, IPv4 without options."""
    own = [each for each in found if each.outgoing is outgoing and each.frame[12:14] == b"\x08\x00"]
    return [(int.from_bytes(each.frame[42:46], "big"), each.moment) for each in own]


def test_a_recording_has_every_packet_from_the_first_to_the_last(make: Callable[..., World]) -> None:
    world = make()
    world.set_up("server", "client", capture=True)
    world.exchange("client", count=2000, gap=0.00005, size=200)
    captures = {each.service: world.context.folder / each.path for each in world.environment.collect()}
    for name, sent in (("client", True), ("server", False)):
        found, counters = packets(captures[name])
        assert echoed(found, outgoing=sent) == list(range(2000))
        assert echoed(found, outgoing=not sent) == list(range(2000))
        assert counters[5] == counters[7] == 0
        assert counters[4] == len(found)
        # A packet is stamped when it reaches the interface, in the order in which it was sent. It is recorded when the
        # kernel gets round to it, which on another processor may be later: so its place in the file says less.
        out, back = (moments_of(found, outgoing=outgoing) for outgoing in (sent, not sent))
        assert out == sorted(out)
        assert back == sorted(back)
        assert all(there < here for there, here in zip(out, back, strict=True))
        assert all(each.length == len(each.frame) for each in found)
        assert checksum_is_right(next(each.frame for each in found if each.frame[12:14] == b"\x08\x00"))


def checksum_is_right(frame: bytes) -> bool:
    """Return whether the UDP checksum was filled in, as it is on a network."""
    datagram = frame[34 : 34 + int.from_bytes(frame[38:40], "big")]
    summed = frame[26:34] + b"\0\x11" + datagram[4:6] + datagram
    total = sum(struct.unpack(f"!{len(summed) // 2}H", summed[: len(summed) // 2 * 2])) + (
        summed[-1] << 8 if len(summed) % 2 else 0
    )
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return bool(total == 0xFFFF)


BUNDLE = """
import socket, sys
own = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
own.setsockopt(17, 103, 1200)
own.sendto(bytes(12000), (sys.argv[1], 4433))
"""


@pytest.mark.parametrize("links", [{}, {"server_client": LinkSpec(delay=Seconds(0.001))}])
def test_datagrams_that_a_program_sends_in_one_bundle_are_recorded_one_by_one(
    make: Callable[..., World], links: dict[str, LinkSpec]
) -> None:
    world = make()
    world.set_up("server", "client", capture=True, **links)
    status = world.python("client", BUNDLE, world.launches["server"].endpoint.ip).wait(SOON)
    if not status.ok:
        pytest.skip("only where the kernel sends bundles of datagrams whose checksums it has to fill in itself")
    time.sleep(0.1)
    captures = {each.service: world.context.folder / each.path for each in world.environment.collect()}
    for name in ("client", "server"):
        found, _ = packets(captures[name])
        sizes = [
            each.length for each in found if each.frame[12:14] == b"\x08\x00" and each.outgoing is (name == "client")
        ]
        assert sizes[:10] == [1242] * 10, name


def test_a_case_that_goes_wrong_keeps_its_packets(make: Callable[..., World]) -> None:
    world = make()
    world.set_up("server", "client", capture=True)
    world.exchange("client", count=20)
    world.environment.teardown_environment()
    found, _ = packets(world.context.folder / "capture" / "client.pcapng")
    assert echoed(found, outgoing=True) == list(range(20))


def test_a_recording_stops_growing_and_counts_what_it_leaves_out(make: Callable[..., World]) -> None:
    world = make(capture_limit=Bytes(100_000), capture_length=96)
    world.set_up("server", "client", capture=True)
    world.exchange("client", count=2000, size=1000)
    path = next(world.context.folder / each.path for each in world.environment.collect() if each.service == "client")
    found, counters = packets(path)
    assert 90_000 < path.stat().st_size < 100_200
    assert counters[7] > 0
    assert counters[4] == len(found) + counters[7] + counters[5]
    assert max(len(each.frame) for each in found) == 96
    assert max(each.length for each in found) == 1042


def test_an_experiment_passes_over_a_bad_link_and_measures_it(panther_project: MakeProject) -> None:
    outcome = panther_project(
        {
            "bad.yaml": """
name: bad-link
protocol: minip
network_environment: netns
seed: 42
capture: true
links:
  client-server: {delay: 20ms, loss: 1%, rate: 10Mbit}
test_cases:
  - name: ping
    scenario: ping
    parameters: {count: 10}
    services: {server: {implementation: ping-pong-py}, client: {implementation: ping-pong-py}}
  - name: transfer
    scenario: transfer
    parameters: {size: 256KiB}
    services: {server: {implementation: ping-pong-py}, client: {implementation: ping-pong-py}}
"""
        }
    ).run("run bad.yaml")
    outcome.assert_verdicts({"ping": "pass", "transfer": "pass"})
    assert 40 <= outcome.measurements("ping")["client.minip.rtt.median"] * 1000 < 60
    (case,) = [each for each in outcome.cases() if each["name"] == "ping"]
    assert {each["kind"] for each in case["artifacts"]} >= {"links", "capture"}
    assert any("links by" in each and "delay=20ms loss=1% rate=10Mbit" in each for each in case["notes"])
