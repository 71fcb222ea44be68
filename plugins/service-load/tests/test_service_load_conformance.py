"""What every implementation must keep."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import attrs

from panther_core.testing.conformance import ServiceConformance
from panther_hookspecs import ServiceContext


class TestConformance(ServiceConformance):
    """The conformance of ``load`` with a protocol that has a dialect."""

    plugin = "panther_service_load.plugin"

    def contexts(self) -> Iterator[ServiceContext]:
        """Yield every context, with a server to talk to and a dialect to do it in."""
        for each in super().contexts():
            roles = {**each.roles, "server": "server"}
            yield attrs.evolve(each, target="server", roles=roles, dialect=Path("dialect.py"), transport="udp")
