"""Addresses and ports for the services of one case, reserved so that no other case or PANTHER takes them."""

from __future__ import annotations

import hashlib
import ipaddress
import socket
from collections.abc import Iterable, Mapping, Sequence

import attrs

from panther_hookspecs import Endpoint, EnvironmentUnavailableError, ServicePlan, ServiceSpec

_BLOCK = 256
_BLOCKS = 255 * 256
"""127.1.0.0/24 to 127.255.255.0/24; 127.0.x.x is left to the machine."""
_FIRST_BLOCK = int(ipaddress.ip_address("127.1.0.0"))
_PER_BLOCK = 254
_ALIASES = 8
_BESIDE = 10_000
"""Distance from a service's port to that of what stands before it."""
_TRIES = 64
"""Blocks to look at before the ports themselves are the problem."""
_KINDS = {"tcp": (socket.SOCK_STREAM,), "udp": (socket.SOCK_DGRAM,)}


def claim(name: str) -> socket.socket | None:
    """Return a socket that holds ``name`` for this network stack until it is closed; None if somebody has it.

    The kernel gives the name back even if PANTHER is killed.
    """
    holder = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        holder.bind(f"\0panther-{name}")
    except OSError:
        holder.close()
        return None
    return holder


def _start(key: str, size: int) -> int:
    """Return where to begin to look, the same for the same case, so that it mostly gets the same addresses again."""
    return int.from_bytes(hashlib.blake2b(key.encode(), digest_size=8).digest(), "big") % size


def needs_ipv6(services: Sequence[ServiceSpec]) -> bool:
    """Return whether any service mentions an IPv6 address in what it runs or reads."""
    return any(_mentions(spec.plan, ".ip6}") for spec in services)


def _mentions(plan: ServicePlan, what: str) -> bool:
    """Return whether a text is in any command or file of a plan; a file may be large and need not be text."""
    commands = [plan.run, *plan.pre_run, *plan.post_run, *([plan.ready.command] if plan.ready.command else [])]
    words = (word for command in commands for word in (*command.argv, *command.env.values()))
    return any(what in word for word in words) or any(what.encode() in content for content in plan.files.values())


def _free(spec: ServiceSpec, address: str) -> bool:
    """Return whether a service can take its ports at ``address``."""
    kinds = _KINDS.get(spec.transport, tuple(each for pair in _KINDS.values() for each in pair))
    return all(_can_bind(kind, address, port) for kind in kinds for port in spec.ports.values())


def _can_bind(kind: socket.SocketKind, address: str, port: int) -> bool:
    with socket.socket(socket.AF_INET, kind) as probe:
        try:
            probe.bind((address, port))
        except OSError:
            return False
    return True


@attrs.define
class Reservations:
    """What one case holds. The names stay until the end; the sockets on the ports only until their service starts."""

    key: str
    _names: list[socket.socket] = attrs.field(factory=list)
    _ports: dict[str, list[socket.socket]] = attrs.field(factory=dict)
    _spare: list[str] = attrs.field(factory=list)
    """Addresses of the block that no service has."""
    _tried: set[int] = attrs.field(factory=set)
    _doors: set[tuple[str, int]] = attrs.field(factory=set)

    def own_addresses(self, services: Sequence[ServiceSpec]) -> Mapping[str, Endpoint]:
        """Give every service an address of its own, and the ports that the protocol knows.

        Nothing is returned if these ports cannot be had: they need a privilege, or somebody has them on all addresses.
        """
        endpoints: dict[str, Endpoint] = {}
        for first in range(0, len(services), _PER_BLOCK):
            endpoints |= self._block(services[first : first + _PER_BLOCK])
        return endpoints if len(endpoints) == len(services) else {}

    def _block(self, services: Sequence[ServiceSpec]) -> Mapping[str, Endpoint]:
        """Return endpoints in a block that nobody holds, and on which no closed connection lingers."""
        start = _start(self.key, _BLOCKS)
        tries = _TRIES
        for number in range(_BLOCKS):
            block = (start + number) % _BLOCKS
            if not self._hold(f"block-{block}"):
                continue
            first = _FIRST_BLOCK + block * _BLOCK + 1
            addresses = [str(ipaddress.ip_address(first + each)) for each in range(len(services))]
            if all(map(_free, services, addresses)):
                rest = range(first + len(services), first + _PER_BLOCK)
                self._spare = [str(ipaddress.ip_address(each)) for each in rest]
                return {
                    spec.name: Endpoint(name=spec.name, ip=address, hostname=address, ports=spec.ports)
                    for spec, address in zip(services, addresses, strict=True)
                }
            self._names.pop().close()
            tries -= 1
            if not tries:
                break
        return {}

    def shared_address(self, services: Sequence[ServiceSpec], ports: range, *, ipv6: bool) -> Mapping[str, Endpoint]:
        """Give every service 127.0.0.1, ::1 if wanted, and ports that no other service has."""
        return {spec.name: self.shared(spec.name, spec.ports, ports, ipv6=ipv6) for spec in services}

    def shared(self, key: str, names: Iterable[str], ports: range, *, ipv6: bool) -> Endpoint:
        """Return 127.0.0.1, ::1 if wanted, and a port that nobody else has for each name; ``key`` lets go of them."""
        start = _start(self.key, len(ports))
        candidates = (port for port in (*ports[start:], *ports[:start]) if port not in self._tried)
        chosen: dict[str, int] = {}
        for name in names:
            free = next((port for port in candidates if self._hold_port(key, port, ipv6=ipv6)), None)
            if free is None:
                raise EnvironmentUnavailableError(
                    f"no port from {ports[0]} to {ports[-1]} is free\n  try: a wider first_port and last_port"
                )
            chosen[name] = free
        return Endpoint(name=key, ip="127.0.0.1", ip6="::1" if ipv6 else "", hostname="localhost", ports=chosen)

    def aliases(self) -> list[str]:
        """Return addresses of the block from which a proxy may talk in the name of a service."""
        taken, self._spare = self._spare[-_ALIASES:], self._spare[:-_ALIASES]
        return taken

    def beside(self, key: str, service: Endpoint, transport: str) -> Endpoint:
        """Return other ports at the address of a service, so that its certificates fit whoever stands before it."""
        chosen: dict[str, int] = {}
        (kind,) = _KINDS[transport]
        for name, port in service.ports.items():
            candidates = (*range(port + _BESIDE, 65536), *range(1024, port))
            free = (each for each in candidates if (service.ip, each) not in self._doors)
            found = next((each for each in free if _can_bind(kind, service.ip, each)), None)
            if found is None:
                raise EnvironmentUnavailableError(f"no port at {service.ip} is free for {key}\n  try: fewer links")
            self._doors.add((service.ip, found))
            chosen[name] = found
        return Endpoint(name=key, ip=service.ip, hostname=service.hostname, ports=chosen)

    def _hold(self, name: str) -> bool:
        holder = claim(name)
        if holder is not None:
            self._names.append(holder)
        return holder is not None

    def _hold_port(self, service: str, port: int, *, ipv6: bool) -> bool:
        """Hold ``port`` by name against every PANTHER, and by sockets against everybody else."""
        self._tried.add(port)
        families = [(socket.AF_INET, "127.0.0.1"), *([(socket.AF_INET6, "::1")] if ipv6 else [])]
        sockets: list[socket.socket] = []
        try:
            for family, address in families:
                for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
                    sockets.append(socket.socket(family, kind))
                    sockets[-1].bind((address, port))
            held = self._hold(f"port-{port}")
        except OSError:
            held = False
        if held:
            self._ports.setdefault(service, []).extend(sockets)
        else:
            _close(sockets)
        return held

    def let_go(self, service: str) -> None:
        """Free the ports of a service, which is about to take them itself."""
        _close(self._ports.pop(service, []))

    def release(self) -> None:
        """Give everything back."""
        for service in tuple(self._ports):
            self.let_go(service)
        _close(self._names)
        self._names.clear()


def _close(sockets: Sequence[socket.socket]) -> None:
    for each in sockets:
        each.close()
