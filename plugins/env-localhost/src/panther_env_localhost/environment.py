"""The environment itself: processes on loopback addresses."""

from __future__ import annotations

import socket
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import attrs

from panther_env_localhost.addresses import Reservations, needs_ipv6
from panther_env_localhost.options import LocalhostOptions
from panther_hookspecs import Endpoint, LocalNetworkEnvironment, Problem, Process, ServiceLaunch, ServiceSpec


@attrs.define(slots=False)
class LocalhostEnvironment(LocalNetworkEnvironment):
    """Runs the services of one case as process groups of this machine."""

    options: Any = attrs.field(factory=LocalhostOptions)
    _reserved: Reservations | None = attrs.field(default=None, init=False)

    def preflight(self, services: Sequence[ServiceSpec]) -> Iterable[Problem]:
        """Yield what localhost cannot do for these services."""
        yield from super().preflight(services)
        if self.options.network_topology:
            yield Problem(
                what="localhost has no topology",
                where="network_environment.network_topology",
                why="all services share the loopback interface",
                fix="another network environment",
            )
        if not self._ports():
            yield Problem(what="last_port is smaller than first_port", where="network_environment.last_port")
        if needs_ipv6(services) and not _has_ipv6():
            yield Problem(
                what="a service needs IPv6, and loopback has no ::1", fix="sysctl net.ipv6.conf.lo.disable_ipv6=0"
            )

    def _ports(self) -> range:
        """Return the ports to choose from: those of the options, else those of the run."""
        first, last = self.context.port_range
        return range(self.options.first_port or first, (self.options.last_port or last) + 1)

    def plan_addresses(self, services: Sequence[ServiceSpec]) -> Mapping[str, Endpoint]:
        """Reserve an address for every service, or ports of a shared one where that is asked for or IPv6 is needed."""
        self._reserved = Reservations(self.context.case_id)
        ipv6 = needs_ipv6(services)
        endpoints: Mapping[str, Endpoint] = {}
        if self.options.addresses == "loopback" and not ipv6:
            endpoints = self._reserved.own_addresses(services)
            if services and not endpoints:
                self.note("info", "the protocol's own ports are taken or need a privilege: other ports are used")
        if not endpoints:
            endpoints = self._reserved.shared_address(services, self._ports(), ipv6=ipv6 or _has_ipv6())
        for each in endpoints.values():
            self.note("debug", f"{each.name} is at {each.ip} {dict(each.ports)}")
        return endpoints

    def start_service(self, launch: ServiceLaunch) -> Process:
        """Let go of the service's ports, start it, and return at once."""
        if self._reserved is not None:
            self._reserved.let_go(launch.name)
        return super().start_service(launch)

    def advise(self, stderr: str) -> str:
        """Return the way out for a program that takes its port on all addresses of the machine."""
        if "address already in use" in stderr.lower():
            return "addresses: ports, because it takes its port on all addresses of this machine"
        return ""

    def teardown_environment(self) -> None:
        """End what still runs and give the addresses back."""
        super().teardown_environment()
        if self._reserved is not None:
            self._reserved.release()


def _has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True
