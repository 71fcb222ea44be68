"""Links with services that talk TCP: a proxy between the services, which delays and holds up and loses nothing."""

from __future__ import annotations

import hashlib
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
from panther_env_localhost.environment import LocalhostEnvironment
from panther_env_localhost.options import LocalhostOptions
from panther_link_relay.plugin import panther_register_links

from panther_core.testing import RecordingContext, recording_context
from panther_hookspecs import (
    BitRate,
    LinkChange,
    LinkSpec,
    LinkStep,
    NetworkPlan,
    Seconds,
    ServicePlan,
    ServiceSpec,
    Share,
    ShellCommand,
    TestExecutionError,
)

PLAN = ServicePlan(run=ShellCommand("true"))
SPECS = [
    ServiceSpec(name="server", role="server", plan=PLAN, ports={"port": 4433}, transport="tcp"),
    ServiceSpec(name="client", role="client", plan=PLAN),
]
THERE = [("client", "server")]
PATIENCE = 30


class Pair:
    """A server that is a socket of this process, and the door in front of it."""

    def __init__(self, context: RecordingContext, links: Mapping[str, LinkSpec]) -> None:
        self.folder = context.folder
        self.environment = LocalhostEnvironment(context, LocalhostOptions())
        self.environment.expect_links(links, changes=False)
        assert not list(self.environment.preflight(SPECS))
        server = self.environment.plan_addresses(SPECS)["server"]
        seen = self.environment.endpoint_seen("client", server)
        self.environment.setup_environment(NetworkPlan(links=links))
        self.server = socket.create_server((server.ip, server.ports["port"]))
        self.server.settimeout(PATIENCE)
        self.door = seen.ip, seen.ports["port"]
        self.ends: list[socket.socket] = []

    def connect(self) -> tuple[socket.socket, socket.socket]:
        """Return both ends of a connection through the door."""
        client = socket.create_connection(self.door, PATIENCE)
        server, _ = self.server.accept()
        server.settimeout(PATIENCE)
        self.ends += client, server
        return client, server

    def close(self) -> None:
        for each in (self.server, *self.ends):
            each.close()
        self.environment.teardown_environment()
        assert list(self.environment.verify_clean()) == []


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Callable[[Mapping[str, LinkSpec]], Pair]]:
    with recording_context(tmp_path, name="network", seed=42, links=list(panther_register_links())) as context:
        made: list[Pair] = []

        def make(links: Mapping[str, LinkSpec]) -> Pair:
            made.append(Pair(context, links))
            return made[-1]

        yield make
        for each in made:
            each.close()


def test_an_answer_takes_the_round_trips_that_it_would_take_on_such_a_link(
    pair: Callable[[Mapping[str, LinkSpec]], Pair],
) -> None:
    one = pair({"client-server": LinkSpec(delay=Seconds(0.05))})
    began = time.monotonic()
    client, server = one.connect()
    assert time.monotonic() - began >= 0.05, "the service hears of the call after one way"
    client.sendall(b"marco")
    assert server.recv(10) == b"marco"
    assert time.monotonic() - began >= 0.15, "the first bytes follow the handshake"
    server.sendall(b"polo")
    assert client.recv(10) == b"polo"
    assert time.monotonic() - began >= 0.2
    (artifact,) = one.environment.collect()
    flows = json.loads((one.folder / artifact.path).read_text())["flows"]
    assert all(flow["seen"]["held_p50"] >= 0.05 for flow in flows)


def test_all_bytes_arrive_in_order_and_both_ends_are_told(pair: Callable[[Mapping[str, LinkSpec]], Pair]) -> None:
    one = pair({"client->server": LinkSpec(delay=Seconds(0.01), jitter=Seconds(0.005), rate=BitRate(400e6))})
    client, server = one.connect()
    data = hashlib.shake_256(b"seed").digest(6_000_000)

    def send() -> None:
        client.sendall(data)
        client.shutdown(socket.SHUT_WR)

    sender = threading.Thread(target=send)
    sender.start()
    received = b"".join(iter(lambda: server.recv(1 << 16), b""))
    sender.join()
    assert received == data
    server.sendall(b"thank you")
    server.close()
    assert client.recv(100) == b"thank you"
    assert client.recv(100) == b""


def test_a_rate_is_kept_by_all_connections_together(pair: Callable[[Mapping[str, LinkSpec]], Pair]) -> None:
    one = pair({"client->server": LinkSpec(rate=BitRate(8e6))})
    began = time.monotonic()
    ends = [one.connect(), one.connect()]
    for client, _ in ends:
        client.sendall(bytes(150_000))
        client.shutdown(socket.SHUT_WR)
    got = [len(b"".join(iter(lambda: server.recv(1 << 16), b""))) for _, server in ends]  # noqa: B023 - used at once
    assert got == [150_000, 150_000]
    assert time.monotonic() - began >= 0.3, "300 kB at 1 MB/s, and the headers"


def test_what_is_sent_into_a_hole_arrives_once_the_link_is_healed(
    pair: Callable[[Mapping[str, LinkSpec]], Pair],
) -> None:
    one = pair({"client-server": LinkSpec(delay=Seconds(0.001))})
    client, server = one.connect()
    client.sendall(b"a")
    assert server.recv(10) == b"a"
    for word in ("blackhole", "partition"):
        one.environment.change_link(THERE, LinkChange(do=word))
        client.sendall(b"b")
        server.settimeout(0.2)
        with pytest.raises(TimeoutError):
            server.recv(10)
        one.environment.change_link(THERE, LinkChange(do="heal"))
        server.settimeout(PATIENCE)
        assert server.recv(10) == b"b"


def test_a_server_that_is_gone_is_seen_as_gone(pair: Callable[[Mapping[str, LinkSpec]], Pair]) -> None:
    one = pair({"client-server": LinkSpec(delay=Seconds(0.001))})
    one.server.close()
    with socket.create_connection(one.door, PATIENCE) as client, pytest.raises(ConnectionResetError):
        client.recv(10)


def test_what_cannot_happen_to_a_stream_is_refused_before_the_run_and_while_it_runs(
    pair: Callable[[Mapping[str, LinkSpec]], Pair], tmp_path: Path
) -> None:
    with recording_context(tmp_path / "other", links=list(panther_register_links())) as context:
        environment = LocalhostEnvironment(context, LocalhostOptions())
        lossy = LinkSpec(delay=Seconds(1), loss=Share(0.1), steps=(LinkStep(at=Seconds(1), do="lose", packets=3),))
        environment.expect_links({"*": lossy}, changes=True)
        (problem,) = map(str, environment.preflight(SPECS))
        assert "cannot do lose, loss to a link with server, which talks tcp" in problem
        assert "netns, or of blackhole, delay, jitter, rate, steps alone" in problem
    one = pair({"client-server": LinkSpec(delay=Seconds(0.001))})
    with pytest.raises(TestExecutionError, match="rebind: server talks tcp"):
        one.environment.change_link(THERE, LinkChange(do="rebind"))
