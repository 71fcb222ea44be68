"""Announces ``ngtcp2`` and ``ngtcp2-trixie``: what this machine has, and what a later release of Debian has."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import attrs

from panther_hookspecs import ServiceDescriptor, hookimpl


@hookimpl
def panther_register_services() -> Iterator[ServiceDescriptor]:
    """Yield the implementation that the file beside this one describes, from both places."""
    from panther_protocol_quic.descriptors import described  # noqa: PLC0415 - of no use to who only lists plugins
    from panther_protocol_quic.implementation import load  # noqa: PLC0415

    here = load(Path(__file__).with_name("implementation.toml"))
    yield described(here)
    later = f"{here.summary}, from Debian trixie"
    yield described(attrs.evolve(here, name="ngtcp2-trixie", summary=later, release="trixie"))
