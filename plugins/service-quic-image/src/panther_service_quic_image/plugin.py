"""Announces ``quic-image``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs

from panther_hookspecs import ServiceDescriptor, ServiceManager, hookimpl


@hookimpl
def panther_register_services() -> Iterator[ServiceDescriptor]:
    """Yield the driver of images, which claims what the interface has: an image itself says what it does not know."""
    from panther_protocol_quic.descriptors import described  # noqa: PLC0415 - of no use to who only lists plugins
    from panther_protocol_quic.implementation import load  # noqa: PLC0415 - the same

    from panther_service_quic_image.manager import ImageManager, ImageOptions  # noqa: PLC0415 - the same

    implementation = load(Path(__file__).with_name("implementation.toml"))

    def make(options: Any) -> ServiceManager:
        return ImageManager(implementation, options)

    yield attrs.evolve(described(implementation), factory=make, options=ImageOptions, needs=())
