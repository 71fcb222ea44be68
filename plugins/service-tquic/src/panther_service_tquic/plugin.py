"""Announces ``tquic``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from panther_hookspecs import ServiceDescriptor, hookimpl


@hookimpl
def panther_register_services() -> Iterator[ServiceDescriptor]:
    """Yield the implementation that the file beside this one describes."""
    from panther_protocol_quic.descriptors import describe  # noqa: PLC0415 - of no use to who only lists plugins

    yield describe(Path(__file__).with_name("implementation.toml"))
