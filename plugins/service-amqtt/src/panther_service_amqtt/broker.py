"""Runs a broker on the library aMQTT: ``broker.py FOLDER ADDRESS PORT``."""

from __future__ import annotations

import asyncio
import logging
import signal
import sys
from pathlib import Path

from amqtt.broker import Broker  # type: ignore[import-untyped]
from panther_protocol_mqtt.recording import NAME

_PLUGINS = "panther_service_amqtt.recorder"


async def serve(folder: Path, address: str, port: str) -> None:
    """Serve until a signal comes."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    broker = Broker(
        {
            "listeners": {"default": {"type": "tcp", "bind": f"{address}:{port}"}},
            "plugins": {
                "amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True},
                f"{_PLUGINS}.ConnectionRecorder": {"file": str(folder / NAME)},
            },
        }
    )
    await broker.start()
    await stop.wait()
    await broker.shutdown()


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO)
    logging.getLogger("transitions").setLevel(logging.WARNING)
    asyncio.run(serve(Path(sys.argv[1]), *sys.argv[2:]))
