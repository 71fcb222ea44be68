"""Addresses and ports: nobody gets those of another case, and what a killed PANTHER held is free again."""

from __future__ import annotations

import ipaddress
import socket
import subprocess
import sys
from collections.abc import Iterator

import attrs
import pytest
from panther_env_localhost.addresses import Reservations, claim, needs_ipv6

from panther_hookspecs import EnvironmentUnavailableError, Readiness, ServicePlan, ServiceSpec, ShellCommand


def service(name: str, *args: str, **more: object) -> ServiceSpec:
    plan = ServicePlan(run=ShellCommand("program", args), **more)  # type: ignore[arg-type]
    return ServiceSpec(name=name, role=name, plan=plan, ports={"port": 44330, "control": 8000}, transport="tcp")


SERVER = """
import socket
with socket.create_server(("{ip}", {port})) as server:
    with socket.create_connection(("{ip}", {port})) as client:
        server.accept()[0].close()
        client.recv(1)
"""


@pytest.fixture
def case() -> Iterator[Reservations]:
    made = Reservations("some-case")
    yield made
    made.release()


@pytest.fixture
def other() -> Iterator[Reservations]:
    made = Reservations("some-case")
    yield made
    made.release()


def test_every_service_has_its_own_loopback_address_and_the_ports_of_the_protocol(case: Reservations) -> None:
    endpoints = case.own_addresses([service(f"s{number}") for number in range(300)])
    addresses = {ipaddress.ip_address(each.ip) for each in endpoints.values()}
    assert len(addresses) == 300
    assert all(address.is_loopback for address in addresses)
    assert not addresses & set(ipaddress.ip_network("127.0.0.0/16"))
    assert {tuple(each.ports.items()) for each in endpoints.values()} == {(("port", 44330), ("control", 8000))}


def test_addresses_of_living_cases_never_meet(case: Reservations, other: Reservations) -> None:
    services = [service("a"), service("b")]
    mine, theirs = case.own_addresses(services), other.own_addresses(services)
    assert not {each.ip for each in mine.values()} & {each.ip for each in theirs.values()}


def test_the_same_case_gets_the_same_address_again(case: Reservations) -> None:
    first = case.own_addresses([service("a")])
    case.release()
    assert case.own_addresses([service("a")]) == first


def test_an_address_on_which_a_closed_connection_lingers_is_left_alone(case: Reservations) -> None:
    first = case.own_addresses([service("a")])["a"]
    case.release()
    subprocess.run([sys.executable, "-c", SERVER.format(ip=first.ip, port=first.ports["port"])], check=True)
    assert not can_bind(socket.AF_INET, socket.SOCK_STREAM, first.ip, first.ports["port"])
    second = case.own_addresses([service("a")])["a"]
    assert second.ip != first.ip
    assert can_bind(socket.AF_INET, socket.SOCK_STREAM, second.ip, second.ports["port"])


def test_ports_that_somebody_has_on_all_addresses_are_no_use(case: Reservations) -> None:
    with socket.socket() as stranger:
        stranger.bind(("0.0.0.0", 0))
        spec = attrs.evolve(service("a"), ports={"port": stranger.getsockname()[1]})
        assert case.own_addresses([spec]) == {}
    assert case.own_addresses([spec])["a"].ports == spec.ports


def test_ports_of_a_shared_address_are_held_until_their_service_starts(case: Reservations) -> None:
    endpoints = case.shared_address([service("a"), service("b")], range(20000, 20100), ipv6=True)
    ports = [port for each in endpoints.values() for port in each.ports.values()]
    assert len(set(ports)) == 4
    assert {(each.ip, each.ip6) for each in endpoints.values()} == {("127.0.0.1", "::1")}
    case.let_go("a")
    for name, free in (("a", True), ("b", False)):
        for family, address in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
            for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
                assert can_bind(family, kind, address, endpoints[name].ports["port"]) is free


def test_a_port_that_is_in_use_is_left_alone(case: Reservations, other: Reservations) -> None:
    first = other.shared_address([service("a")], range(20000, 20100), ipv6=False)["a"].ports["port"]
    other.release()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        stranger.bind(("127.0.0.1", first))
        endpoints = case.shared_address([service("a")], range(20000, 20100), ipv6=False)
        assert first not in endpoints["a"].ports.values()


def test_a_port_stays_with_its_case_after_its_service_has_started(case: Reservations, other: Reservations) -> None:
    mine = case.shared_address([service("a")], range(20000, 20004), ipv6=False)
    case.let_go("a")
    theirs = other.shared_address([service("a")], range(20000, 20004), ipv6=False)
    assert not set(mine["a"].ports.values()) & set(theirs["a"].ports.values())


def test_running_out_of_ports_is_said_with_the_way_out(case: Reservations) -> None:
    with pytest.raises(EnvironmentUnavailableError, match="no port from 20000 to 20000 is free\n  try: a wider"):
        case.shared_address([service("a")], range(20000, 20001), ipv6=False)


def test_what_a_killed_process_has_held_is_free_again() -> None:
    script = (
        "from panther_env_localhost.addresses import claim; import time; "
        "held = claim('test-killed'); print('held', flush=True); time.sleep(600)"
    )
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        assert claim("test-killed") is None
        holder.kill()
    again = claim("test-killed")
    assert again is not None
    again.close()


@pytest.mark.parametrize(
    ("spec", "needed"),
    [
        (service("a", "--to", "{server.ip}"), False),
        (service("a", "--to", "[{server.ip6}]:{server.port}"), True),
        (service("a", files={"config": b"listen {self.ip6};"}), True),
        (service("a", ready=Readiness(kind="command", command=ShellCommand("probe", ("{self.ip6}",)))), True),
    ],
)
def test_a_service_that_mentions_an_ipv6_address_needs_one(spec: ServiceSpec, needed: bool) -> None:
    assert needs_ipv6([service("plain"), spec]) is needed


def can_bind(family: socket.AddressFamily, kind: socket.SocketKind, address: str, port: int) -> bool:
    with socket.socket(family, kind) as probe:
        try:
            probe.bind((address, port))
        except OSError:
            return False
    return True
