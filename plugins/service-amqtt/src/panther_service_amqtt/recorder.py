"""The broker's own record of who has connected, as a plugin of aMQTT."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from amqtt.contexts import BaseContext  # type: ignore[import-untyped]
from amqtt.plugins.base import BasePlugin  # type: ignore[import-untyped]
from panther_protocol_mqtt.recording import Recorder


class ConnectionRecorder(BasePlugin[BaseContext]):  # type: ignore[misc]
    """Writes a line for every connection that the broker has accepted, and for its end."""

    def __init__(self, context: BaseContext) -> None:
        """Open the record."""
        super().__init__(context)
        self._file = Path(self.config.file).open("w", encoding="utf-8")  # noqa: SIM115 - closed with the broker
        self._recorder = Recorder(self._file)

    async def on_broker_client_connected(self, *, client_id: str, **_more: Any) -> None:
        """Write that a client has connected; this broker speaks version 3.1.1 only."""
        self._recorder.note("connected", client=client_id, version="3.1.1")

    async def on_broker_client_disconnected(self, *, client_id: str, **_more: Any) -> None:
        """Write that a client has gone."""
        self._recorder.note("disconnected", client=client_id)

    async def close(self) -> None:
        """Close the record."""
        self._file.close()

    @dataclass
    class Config:
        """Where the record is."""

        file: str
