"""What every implementation must keep."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import attrs
import pytest
from panther_test_replay.recording import Recording, Said

from panther_core.testing.conformance import ServiceConformance
from panther_hookspecs import ServiceContext


class TestConformance(ServiceConformance):
    """The conformance of the player."""

    plugin = "panther_test_replay.plugin"

    @pytest.fixture(autouse=True)
    def recorded(self, tmp_path_factory: pytest.TempPathFactory) -> None:
        """Make a recording to play."""
        path = tmp_path_factory.mktemp("recorded") / "x.jsonl"
        said = Said(time=0.0, side="client", data=b"x")
        path.write_bytes(Recording(protocol="minip", transport="udp", messages=(said,)).content())
        options: Mapping[str, Any] = {"recording": path}
        self.options = options  # type: ignore[misc]

    def contexts(self) -> Iterator[ServiceContext]:
        """Yield every context, as a client of a server."""
        for each in super().contexts():
            roles = {**each.roles, "server": "server"}
            yield attrs.evolve(each, target="server", roles=roles, protocol="minip", transport="udp", ports={"port": 7})
