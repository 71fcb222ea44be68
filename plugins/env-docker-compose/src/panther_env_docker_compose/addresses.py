"""The addresses of one case: a network that nobody has, known before anything is created."""

from __future__ import annotations

import hashlib
import ipaddress
import socket
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import attrs
from panther_lib_containers.claims import claim

from panther_hookspecs import Endpoint, EnvironmentUnavailableError, ServiceSpec

_PREFIX = 24
_FIRST_HOST = 2
"""The engine takes the first address for itself."""
_MOST = 250
_FIRST_ALIAS, _LAST_ALIAS, _ALIASES = 128, 255, 8


def _digest(key: str) -> bytes:
    return hashlib.blake2b(key.encode(), digest_size=8).digest()


@attrs.define
class Reservation:
    """A network for one case, held against other cases and other runs."""

    subnet: ipaddress.IPv4Network
    subnet6: str
    holder: socket.socket

    def endpoints(self, services: Sequence[ServiceSpec], *, ipv6: bool) -> Mapping[str, Endpoint]:
        """Return where each service will be found, on the ports that its protocol knows."""
        if len(services) > _MOST:
            raise EnvironmentUnavailableError(f"{len(services)} services are too many for one network ({_MOST})")
        return {
            spec.name: Endpoint(
                name=spec.name,
                ip=str(self.subnet[number]),
                ip6=str(ipaddress.IPv6Network(self.subnet6)[number]) if ipv6 else "",
                hostname=spec.name,
                ports=spec.ports,
            )
            for number, spec in enumerate(services, _FIRST_HOST)
        }

    def aliases(self, address: str) -> tuple[str, ...]:
        """Return addresses of the network that nobody has, for a NAT in front of the service at ``address``."""
        own = ipaddress.ip_address(address)
        network = self.subnet if own.version == self.subnet.version else ipaddress.IPv6Network(self.subnet6)
        first = _FIRST_ALIAS + (int(own) - int(network[_FIRST_HOST])) * _ALIASES
        numbers = range(first, first + _ALIASES)
        return tuple(str(network[number]) for number in numbers if number < _LAST_ALIAS)

    def release(self) -> None:
        """Give the network back."""
        self.holder.close()


def reserve(key: str, pool: str, taken: Iterable[str]) -> Reservation:
    """Return a network of ``pool`` that is in no use; for the same case mostly the same."""
    busy = [ipaddress.ip_network(each, strict=False) for each in (*taken, *_routes())]
    networks = list(ipaddress.IPv4Network(pool).subnets(new_prefix=_PREFIX))
    start = int.from_bytes(_digest(key), "big") % len(networks)
    for subnet in (*networks[start:], *networks[:start]):
        if any(each.version == subnet.version and subnet.overlaps(each) for each in busy):
            continue
        holder = claim(str(subnet))
        if holder is not None:
            text = _digest(str(subnet)).hex()
            return Reservation(subnet, f"fd{text[:2]}:{text[2:6]}:{text[6:10]}::/64", holder)
    raise EnvironmentUnavailableError(f"no network of {pool} is free\n  try: another pool, or `panther clean`")


def _routes() -> Iterator[str]:
    """Yield the networks that this machine has a way to already, the default way apart."""
    try:
        lines = Path("/proc/net/route").read_text().splitlines()[1:]
    except OSError:
        return
    for line in lines:
        words = line.split()
        address, mask = (int.from_bytes(bytes.fromhex(words[at])[::-1], "big") for at in (1, 7))
        if mask:
            yield f"{ipaddress.IPv4Address(address)}/{mask.bit_count()}"
