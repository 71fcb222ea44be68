"""The environment itself: processes on loopback addresses."""

from __future__ import annotations

import functools
import socket
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import attrs

from panther_env_localhost.addresses import Reservations, needs_ipv6
from panther_env_localhost.helpers import Helpers
from panther_env_localhost.options import LocalhostOptions
from panther_hookspecs import (
    Artifact,
    Endpoint,
    EnvironmentUnavailableError,
    LinkChange,
    LinkSpec,
    LocalNetworkEnvironment,
    NetworkPlan,
    Problem,
    Process,
    Proxy,
    ServiceLaunch,
    ServiceSpec,
    door_problems,
    doors_of,
    loopback_recordings,
)

_CAPTURE = "capture"


@attrs.define(slots=False)
class LocalhostEnvironment(LocalNetworkEnvironment):
    """Runs the services of one case as process groups of this machine."""

    options: Any = attrs.field(factory=LocalhostOptions)
    _reserved: Reservations | None = attrs.field(default=None, init=False)
    _links: Mapping[str, LinkSpec] = attrs.field(factory=dict, init=False)
    _changes: bool = attrs.field(default=False, init=False)
    _endpoints: Mapping[str, Endpoint] = attrs.field(factory=dict, init=False)
    _proxy: Proxy = attrs.field(factory=Proxy, init=False)
    _helpers: Helpers | None = attrs.field(default=None, init=False)
    _recorded: tuple[str, ...] = attrs.field(default=(), init=False)

    def mistakes(self, services: Sequence[ServiceSpec]) -> Iterable[Problem]:
        """Yield what services that share an interface cannot have."""
        yield from super().mistakes(services)
        yield from self.unfit_topology("all services share the loopback interface")
        if not self._ports():
            yield Problem(what="last_port is smaller than first_port", where="network_environment.last_port")
        mechanisms = self.context.links
        yield from door_problems(self.get_name(), self._links, services, mechanisms, changes=self._changes)

    def preflight(self, services: Sequence[ServiceSpec]) -> Iterable[Problem]:
        """Yield whether this machine has the addresses, besides."""
        yield from super().preflight(services)
        if needs_ipv6(services) and not _has_ipv6():
            yield Problem(
                what="a service needs IPv6, and loopback has no ::1", fix="sysctl net.ipv6.conf.lo.disable_ipv6=0"
            )

    def expect_links(self, links: Mapping[str, LinkSpec], *, changes: bool) -> None:
        """Learn which services do not talk to each other directly."""
        self._links, self._changes = links, changes

    def _ports(self) -> range:
        """Return the ports to choose from: those of the options, else those of the run."""
        first, last = self.context.port_range
        return range(self.options.first_port or first, (self.options.last_port or last) + 1)

    def plan_addresses(self, services: Sequence[ServiceSpec]) -> Mapping[str, Endpoint]:
        """Reserve an address for every service, or ports of a shared one where that is asked for or IPv6 is needed."""
        reserved = self._reserved = Reservations(self.context.case_id)
        ipv6 = needs_ipv6(services)
        endpoints: Mapping[str, Endpoint] = {}
        if self.options.addresses == "loopback" and not ipv6:
            endpoints = reserved.own_addresses(services)
            if services and not endpoints:
                self.note("info", "the protocol's own ports are taken or need a privilege: other ports are used")
        place, aliases = (
            reserved.beside,
            reserved.aliases() if endpoints else [f"127.0.0.{each}" for each in range(1, 9)],
        )
        if not endpoints:
            ipv6 = ipv6 or _has_ipv6()
            endpoints = reserved.shared_address(services, self._ports(), ipv6=ipv6)
            place = functools.partial(_shared, reserved, self._ports(), ipv6=ipv6)
        self._endpoints = endpoints
        self._proxy = Proxy(doors_of(self._links, services, endpoints, place, aliases, changes=self._changes))
        for each in endpoints.values():
            self.note("debug", str(each))
        return endpoints

    def endpoint_seen(self, viewer: str, endpoint: Endpoint) -> Endpoint:
        """Return the door of the proxy, where there is one in front of a service."""
        return self._proxy.seen_by(viewer, endpoint)

    def setup_environment(self, config: NetworkPlan | Mapping[str, Any]) -> None:
        """Start the proxy and the recorders, and wait until they are ready."""
        asked = config if isinstance(config, NetworkPlan) else NetworkPlan(**config)
        helpers = self._helpers = Helpers(self.context.launcher, self.context.folder, self.context.cancelled)
        for key in {f"{each.source}->{each.target}" for each in self._proxy.doors.doors}:
            assert self._reserved is not None  # doors were planned with it
            self._reserved.let_go(key)
        told = self._proxy.begin(self.context, self.options.link_mechanism, helpers.start, changes=self._changes)
        if told:
            self.note("info", told)
        if asked.capture:
            self._record(helpers, optional=asked.capture_optional)
        helpers.wait(self.options.timeout)

    def _record(self, helpers: Helpers, *, optional: bool) -> None:
        """Start a recorder for each service."""
        if not _may_record():
            if not optional:
                raise EnvironmentUnavailableError(
                    f"{self.get_name()} cannot record packets: that needs root or CAP_NET_RAW\n"
                    "  try: network_environment: netns, which needs neither"
                )
            self.note("warning", "packets are not recorded: that needs root or CAP_NET_RAW")
            return
        folder = self.context.folder / _CAPTURE
        folder.mkdir(exist_ok=True)
        limits = int(self.options.capture_limit), self.options.capture_length
        found = dict(loopback_recordings(self._endpoints, self._proxy.doors.seen, folder, *limits))
        self._recorded = tuple(found)
        for name, recording in found.items():
            helpers.start(f"recorder-{name}", self.context.recorder(recording))

    def change_link(self, directions: Sequence[tuple[str, str]], change: LinkChange) -> float:
        """Let the proxy do something else from now on."""
        return self._proxy.change(self.context, directions, change)

    def collect(self) -> Iterable[Artifact]:
        """End what records and impairs, so that it writes what it has seen, and yield that."""
        if self._helpers is not None:
            self._helpers.end()
        yield from self._proxy.report(self.context.folder)
        for name in self._recorded:
            path = f"{_CAPTURE}/{name}.pcapng"
            yield Artifact(path=path, kind="capture", service=name, title=f"Packets of {name}")

    def verify_clean(self) -> Iterable[str]:
        """Yield every process of the case that is alive."""
        yield from super().verify_clean()
        if self._helpers is not None:
            yield from self._helpers.alive()

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
        if self._helpers is not None:
            self._helpers.stop()
        if self._reserved is not None:
            self._reserved.release()


def _shared(
    reserved: Reservations, choice: range, key: str, service: Endpoint, _transport: str, *, ipv6: bool
) -> Endpoint:
    return reserved.shared(key, service.ports, choice, ipv6=ipv6)


def _may_record() -> bool:
    try:
        socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0).close()
    except PermissionError:
        return False
    return True


def _has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True
