"""What every network environment can do, as data: for plans, for `panther doctor` and for the documentation."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from panther_core.registry import Registry
from panther_hookspecs import LinkDescriptor, NetworkEnvironmentDescriptor

BY_ITSELF = "yes"
_DATAGRAMS = " (UDP only)"
MEANINGS: Mapping[str, str] = {
    "delay": "packets are held back",
    "jitter": "by a time that varies",
    "loss": "some vanish",
    "reorder": "some overtake others",
    "duplicate": "some arrive twice",
    "corrupt": "some arrive with a wrong bit",
    "rate": "as fast as a slow line",
    "queue": "with a queue of so many packets",
    "burst": "at most so many hit in a row",
    "drop": "packets vanish by their number",
    "blackhole": "everything vanishes now and then",
    "rebind": "a NAT forgets",
    "steps": "links change while services talk",
    "capture": "packets are recorded",
    "ipv6": "services have IPv6 addresses",
    "limits": "processors, memory and files of a service are limited",
    "images": "services run in images",
    "rootless": "needs no privilege",
    "deterministic_time": "time passes as the simulation says",
}
"""What a network environment may be able to do, in plain words."""


def abilities(environment: NetworkEnvironmentDescriptor, links: Iterable[LinkDescriptor]) -> Mapping[str, str]:
    """Return all that an environment can do: ``yes``, or the link mechanisms that do it for it."""
    proxied = {"links": False, "proxied_links": True}
    usable = {proxied[each] for each in environment.capabilities & proxied.keys()}
    found = dict.fromkeys(environment.capabilities - proxied.keys(), BY_ITSELF)
    for link in links:
        for impairment in link.impairments if link.is_proxy in usable else ():
            if found.get(impairment) != BY_ITSELF:
                name = link.name + ("" if not link.is_proxy or impairment in link.stream_impairments else _DATAGRAMS)
                found[impairment] = ", ".join(filter(None, (found.get(impairment), name)))
    return found


def matrix(registry: Registry) -> tuple[tuple[str, ...], ...]:
    """Return a table: its head with the names of the environments, then a row for each ability."""
    environments = registry.all(NetworkEnvironmentDescriptor)
    links = sorted(registry.all(LinkDescriptor), key=lambda each: each.rank)
    able = [abilities(each, links) for each in environments]
    names = dict.fromkeys((*MEANINGS, *sorted(name for each in able for name in each)))
    head = ("ability", "meaning", *(each.name for each in environments))
    rows = ((name, MEANINGS.get(name, ""), *(each.get(name, "-") for each in able)) for name in names)
    return (head, *rows)
