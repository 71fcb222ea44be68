"""What a network environment must keep if it says that it can: addresses, links, recordings, limits."""

from __future__ import annotations

import json
import struct
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import pytest

from panther_core.testing.conformance._network_bench import Bench, Wanted, eventually
from panther_core.testing.conformance.base import PluginConformance
from panther_hookspecs import (
    Bytes,
    EnvironmentUnavailableError,
    LinkChange,
    LinkDescriptor,
    LinkSpec,
    NetworkEnvironmentDescriptor,
    Process,
    Readiness,
    ResourceLimits,
    Seconds,
    why_not,
)

_SOON = 30.0
ECHO = """
import socket, sys
family = socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET
with socket.socket(family, socket.SOCK_DGRAM) as own:
    own.bind((sys.argv[1], int(sys.argv[2])))
    while True:
        own.sendto(*own.recvfrom(2000))
"""
ASK = """
import json, socket, sys, time
family = socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET
trips = {}
with socket.socket(family, socket.SOCK_DGRAM) as own:
    own.connect((sys.argv[1], int(sys.argv[2])))
    own.settimeout(float(sys.argv[4]))
    for number in range(1, int(sys.argv[3]) + 1):
        began = time.monotonic()
        own.send(bytes([number]))
        try:
            while own.recv(10)[0] != number:
                pass
            trips[number] = time.monotonic() - began
        except (TimeoutError, ConnectionError):
            pass
print(json.dumps(trips))
"""
UNTIL_HEALED = """
import socket, sys, time
lost = False
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as own:
    own.connect((sys.argv[1], int(sys.argv[2])))
    own.settimeout(float(sys.argv[4]))
    for number in range(int(sys.argv[3])):
        own.send(bytes([number % 256]))
        try:
            while own.recv(10)[0] != number % 256:
                pass
        except (TimeoutError, ConnectionError):
            if not lost:
                print("lost", flush=True)
            lost = True
            continue
        if lost:
            print("healed", flush=True)
            break
        time.sleep(0.01)
"""
NAME = "import socket, sys; print(socket.getaddrinfo(sys.argv[1], 80, socket.AF_INET)[0][4][0])"
BUSY = "import time\nend = time.monotonic() + 1\nwhile time.monotonic() < end: pass"
HUNGRY = "data = []\nwhile True: data.append(bytearray(1 << 20))"
_ENHANCED = 6


class NetworkAbilities(PluginConformance):
    """Tests of abilities that a network environment may or may not announce."""

    python: ClassVar[str] = sys.executable
    """Python interpreter as the services see it; where it is empty, nothing is sent through the network."""

    def able(self, *wanted: str) -> None:
        """Skip the test unless the environment, with the installed link mechanisms, can do all of this."""
        from panther_core.plugin_manager import PluginManager  # noqa: PLC0415 - loads every plugin

        if not self.python:
            pytest.skip("needs a Python interpreter among the services")
        can = self.found(NetworkEnvironmentDescriptor).capabilities
        for link in PluginManager.load().registry.all(LinkDescriptor):
            can |= link.impairments if ("proxied_links" if link.is_proxy else "links") in can else frozenset()
        lacking = sorted(set(wanted) - can)
        if lacking:
            pytest.skip(f"only where the environment can do {', '.join(lacking)}")

    def talk(
        self, bench: Bench, count: int, patience: float, ip: str = "{server.ip}", asking: str = ASK, **plan: Any
    ) -> Process:
        """Set up and start a server that sends back what a client sends; return the client."""
        place = (ip, "{server.port}")
        port, ready = {"port": 4433}, Readiness(kind="udp")
        server = Wanted(name="server", argv=(self.python, "-c", ECHO, *place), ports=port, transport="udp", ready=ready)
        words = (self.python, "-c", asking, *place, str(count), str(patience))
        client = Wanted(name="client", argv=words, transport="udp", ends_by_itself=True)
        bench.set_up(server, client, **plan)
        bench.start("server")
        bench.environment.wait_for_service_ready("server", _SOON)
        return bench.start("client")

    def trips(self, bench: Bench, client: Process) -> dict[int, float]:
        """Return the time that the answer to each packet took, of those that were answered."""
        status = client.wait(_SOON)
        assert status is not None, "the client never ended"
        assert status.ok, f"client: {status}: {bench.output('client', 'stderr')}"
        return {int(number): seconds for number, seconds in json.loads(bench.output("client")).items()}

    def test_a_service_is_found_by_its_name(self, bench: Bench) -> None:
        """What stands for ``{server.hostname}`` is the server's address to whoever looks it up."""
        self.able()
        server = Wanted(name="server", argv=("sleep", "3600"))
        bench.set_up(server, Wanted(name="client", argv=(self.python, "-c", NAME, "{server.hostname}")))
        bench.start("server")
        client = bench.start("client")
        status = client.wait(_SOON)
        assert status is not None, "the client never ended"
        assert status.ok, f"looking for a name: {status}: {bench.output('client', 'stderr')}"
        assert bench.output("client").strip() == bench.launches["server"].endpoint.ip

    def test_services_reach_each_other_over_ipv6(self, bench: Bench) -> None:
        """A client gets an answer at ``{server.ip6}``."""
        self.able("ipv6")
        assert self.trips(bench, self.talk(bench, 3, 5.0, "{server.ip6}")).keys() >= {2, 3}

    def test_a_link_does_what_was_asked_for_in_the_direction_that_was_meant(self, bench: Bench) -> None:
        """A delay is kept to the client alone, and packets with given numbers vanish on their way to the server."""
        self.able("delay", "drop")
        links = {
            "client->server": LinkSpec(drop=(2, "4-5")),
            "server->client": LinkSpec(delay=Seconds(0.03)),
        }
        trips = self.trips(bench, self.talk(bench, 6, 1.0, links=links))
        assert sorted(trips) == [1, 3, 6], f"packets 2, 4 and 5 should have vanished, answered were {sorted(trips)}"
        assert min(trips.values()) >= 0.03, f"the delay was not kept: {trips}"
        (links_kept,) = [each for each in bench.environment.collect() if each.kind == "links"]
        told = json.loads((bench.context.folder / links_kept.path).read_text())
        assert {flow["direction"]: flow["seen"]["packets"] for flow in told["flows"]}["client->server"] == 6

    def test_a_link_can_be_changed_while_services_talk(self, bench: Bench) -> None:
        """Nothing comes through a blackhole, and everything once it is healed."""
        self.able("steps")
        client = self.talk(bench, 3000, 0.5, asking=UNTIL_HEALED, changes=True)
        both = [("client", "server"), ("server", "client")]
        first = bench.environment.change_link(both, LinkChange(do="blackhole"))
        eventually(lambda: bench.output("client") == "lost\n", "the loss of a packet in the blackhole", _SOON)
        second = bench.environment.change_link(both, LinkChange(do="heal"))
        assert first < second <= time.monotonic(), "a change tells when it took effect"
        assert client.wait(_SOON) is not None, "the client never ended"
        assert bench.output("client") == "lost\nhealed\n", bench.output("client", "stderr")

    def test_recordings_have_what_services_sent(self, bench: Bench) -> None:
        """Each service that talked has a recording with packets in it."""
        self.able("capture")
        try:
            client = self.talk(bench, 5, 5.0, capture=True)
        except EnvironmentUnavailableError as error:
            if "CAP_NET_RAW" in str(error):
                pytest.skip("needs root")
            raise
        assert len(self.trips(bench, client)) == 5
        recorded = {
            each.service: bench.context.folder / each.path
            for each in bench.environment.collect()
            if each.kind == "capture"
        }
        assert set(recorded) == {"server", "client"}, f"there are recordings of {sorted(recorded)}"
        for name, path in recorded.items():
            assert _packets(path) >= 10, f"5 packets and 5 answers, but in the recording of {name}: {_packets(path)}"

    def test_a_program_that_wants_more_memory_than_it_may_have_does_not_end_well(self, bench: Bench) -> None:
        """The limit of a service's memory is kept, and its end is not a good one."""
        self.able("limits")
        limits = ResourceLimits(memory=Bytes(256 << 20))
        argv = (self.python, "-c", HUNGRY)
        bench.set_up(Wanted(name="one", argv=argv, ends_by_itself=True, limits=limits))
        status = bench.start("one").wait(_SOON)
        assert status is not None, "a program ate all memory that there is"
        assert not status.ok, f"a program that got no memory has ended well: {status}"
        if not why_not(limits):
            assert status.reason == "oom", f"the kernel has ended it for its memory, reported was {status}"

    def test_a_program_gets_no_more_of_a_processor_than_it_may_have(self, bench: Bench) -> None:
        """A quarter of a processor is a quarter of the time that has passed."""
        self.able("limits")
        limits = ResourceLimits(cpu=0.25)
        if why_not(limits):
            pytest.skip("needs root")
        argv = (self.python, "-c", BUSY)
        bench.set_up(Wanted(name="one", argv=argv, ends_by_itself=True, limits=limits))
        began = time.monotonic()
        process = bench.start("one")
        assert process.wait(_SOON) is not None, "a busy program never ended"
        used, passed = process.usage.cpu_user + process.usage.cpu_system, time.monotonic() - began
        assert used < passed / 2, f"{used:.2f} s of a processor in {passed:.2f} s are more than a quarter"


def _packets(path: Path) -> int:
    """Return the number of packets in a recording."""
    data, at, kinds = path.read_bytes(), 0, []
    while at < len(data):
        kind, length = struct.unpack_from("=II", data, at)
        kinds.append(kind)
        at += length
    return kinds.count(_ENHANCED)


__all__: Sequence[str] = ("NetworkAbilities",)
