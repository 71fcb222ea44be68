"""What addresses services ask for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from panther_hookspecs import ServiceSpec


def needs_ipv6(services: Sequence[ServiceSpec]) -> bool:
    """Return whether any service mentions an IPv6 address in what it runs or reads."""
    return any(".ip6}" in text for spec in services for text in _texts(spec))


def _texts(spec: ServiceSpec) -> Iterator[str]:
    plan = spec.plan
    for command in (plan.run, *plan.pre_run, *plan.post_run, *([plan.ready.command] if plan.ready.command else [])):
        yield from (*command.argv, *command.env.values())
    yield from (content.decode("utf-8", "replace") for content in plan.files.values())
