"""Links on localhost: a proxy between the services, which see it in each other's place."""

from __future__ import annotations

import json
import socket
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from panther_env_localhost.environment import LocalhostEnvironment
from panther_env_localhost.options import LocalhostOptions
from panther_link_relay.plugin import panther_register_links

from panther_core.testing import MakeProject, RecordingContext, recording_context
from panther_hookspecs import (
    LinkChange,
    LinkSpec,
    NetworkPlan,
    Rebind,
    Seconds,
    ServicePlan,
    ServiceSpec,
    ShellCommand,
    TestExecutionError,
)

Place = tuple[str, int]


class Pair:
    """A server that is a socket of this process, and clients that are too, with the environment between them."""

    def __init__(self, context: RecordingContext, links: Mapping[str, LinkSpec], **options: Any) -> None:
        self.environment = LocalhostEnvironment(context, LocalhostOptions(**options))
        self.folder = context.folder
        plan = ServicePlan(run=ShellCommand(sys.executable))
        specs = [
            ServiceSpec(name="server", role="server", plan=plan, ports={"port": 4433}),
            ServiceSpec(name="client", role="client", plan=plan),
        ]
        changes = any(each.steps for each in links.values())
        self.environment.expect_links(links, changes=changes)
        server = self.environment.plan_addresses(specs)["server"]
        seen = self.environment.endpoint_seen("client", server)
        self.environment.setup_environment(NetworkPlan(links=links, changes_links=changes))
        self.environment._reserved.let_go("server")  # type: ignore[union-attr] # as starting it would
        self.door = seen.ip, seen.ports["port"]
        self.real = server.ip, server.ports["port"]
        self.server = bound(*self.real)
        self.client = bound("127.0.0.1", 0)

    def ask(self, number: int) -> Place | None:
        """Send a number to the door, and back; return where it came from at the server, None if it did not arrive."""
        self.client.sendto(bytes([number]), self.door)
        try:
            data, place = self.server.recvfrom(100)
        except TimeoutError:
            return None
        self.server.sendto(data, place)
        assert self.client.recvfrom(100) == (bytes([number]), self.door)
        return place  # type: ignore[no-any-return]

    def close(self) -> None:
        self.server.close()
        self.client.close()
        self.environment.teardown_environment()
        assert list(self.environment.verify_clean()) == []


def bound(address: str, port: int) -> socket.socket:
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    made.bind((address, port))
    made.settimeout(0.5)
    return made


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Callable[..., Pair]]:
    with recording_context(tmp_path, name="network", seed=42, links=list(panther_register_links())) as context:
        made: list[Pair] = []

        def make(links: Mapping[str, LinkSpec], **options: Any) -> Pair:
            made.append(Pair(context, links, **options))
            return made[-1]

        yield make
        for each in made:
            each.close()


@pytest.mark.parametrize("addresses", ["loopback", "ports"])
def test_a_client_talks_to_the_proxy_and_the_server_to_somebody_who_stands_for_the_client(
    pair: Callable[..., Pair], addresses: str
) -> None:
    one = pair({"client->server": LinkSpec(drop=(2, "4-5"))}, addresses=addresses)
    assert one.door != one.real
    assert one.door[0] == one.real[0], "a certificate for the server's address is good for the proxy too"
    places = [one.ask(number) for number in range(1, 8)]
    assert [place is None for place in places] == [False, True, False, True, True, False, False]
    assert len(set(places) - {None}) == 1
    assert one.client.getsockname() not in places
    (artifact,) = one.environment.collect()
    flows = json.loads((one.folder / artifact.path).read_text())["flows"]
    assert {flow["direction"]: flow["seen"]["swallowed"] for flow in flows} == {
        "client->server": 3,
        "server->client": 0,
    }


def test_a_nat_that_forgets_talks_to_the_server_from_elsewhere(pair: Callable[..., Pair]) -> None:
    one = pair({"client-server": LinkSpec(rebind=Rebind(first=Seconds(0.3), address=True))})
    first = one.ask(1)
    same = one.ask(2)
    one.client.settimeout(0.4)
    with pytest.raises(TimeoutError):
        one.client.recv(1)
    moved = one.ask(3)
    assert first == same
    assert moved is not None
    assert first is not None
    assert moved[0] != first[0]


def test_links_can_be_changed_while_datagrams_cross_them(pair: Callable[..., Pair]) -> None:
    one = pair({"client-server": LinkSpec(steps=())}, addresses="ports")
    with pytest.raises(TestExecutionError, match="no mechanism that takes changes"):
        one.environment.change_link([("client", "server")], LinkChange(do="blackhole"))


def test_changes_take_effect_at_once(tmp_path: Path) -> None:
    with recording_context(tmp_path, name="network", seed=42, links=list(panther_register_links())) as context:
        one = Pair(context, {"client-server": LinkSpec(delay=Seconds(0.001))})
        try:
            there = [("client", "server")]
            assert one.ask(1)
            first = one.environment.change_link(there, LinkChange(do="blackhole"))
            assert one.ask(2) is None
            second = one.environment.change_link(there, LinkChange(do="heal"))
            assert one.ask(3)
            assert first < second
        finally:
            one.close()


def test_two_services_without_ports_have_no_link(tmp_path: Path) -> None:
    with recording_context(tmp_path, links=list(panther_register_links())) as context:
        environment = LocalhostEnvironment(context, LocalhostOptions())
        plan = ServicePlan(run=ShellCommand("true"))
        environment.expect_links({"a-b": LinkSpec(delay=Seconds(1))}, changes=False)
        specs = [ServiceSpec(name=name, role="", plan=plan) for name in ("a", "b")]
        assert "nobody knows a port of either" in "".join(map(str, environment.preflight(specs)))
        environment.expect_links({"*": LinkSpec(delay=Seconds(1))}, changes=True)
        assert not list(environment.preflight(specs)), "any two services that talk to each other are meant"
        environment.teardown_environment()


def test_an_experiment_measures_the_link_it_asked_for(panther_project: MakeProject) -> None:
    outcome = panther_project(
        {
            "far.yaml": """
name: far
protocol: minip
network_environment: localhost
seed: 42
test_cases:
  - name: ping
    scenario: ping
    parameters: {count: 10}
    implementation: ping-pong-py
    links: {client-server: {delay: 20ms}}
"""
        }
    ).run("run far.yaml")
    outcome.assert_verdicts({"ping": "pass"})
    assert 40 <= outcome.measurements("ping")["client.minip.rtt.median"] * 1000 < 60
