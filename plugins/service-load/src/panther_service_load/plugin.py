"""What PANTHER loads: the implementation ``load``."""

from __future__ import annotations

from collections.abc import Iterable

from panther_hookspecs import ServiceDescriptor, hookimpl
from panther_service_load.manager import LoadManager, LoadOptions


@hookimpl
def panther_register_services() -> Iterable[ServiceDescriptor]:
    """Announce ``load``, which plays the client of any protocol with a dialect and a scenario ``load``."""
    yield ServiceDescriptor(
        name="load",
        summary="Puts open- or closed-loop load on a server, in any protocol that has a dialect",
        factory=LoadManager,
        options=LoadOptions,
        roles=("client",),
        scenarios={"client": ("load",)},
    )
