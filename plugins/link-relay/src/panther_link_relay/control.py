"""The socket on which a relay is told to change what it does while it works."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from panther_link_relay.pipe import Pipe

PATIENCE = 1.0


def listening(path: str) -> socket.socket:
    """Return a socket that listens at ``path``, which may be longer than sockets like."""
    folder, name = os.path.split(path)
    place = os.open(folder, os.O_PATH)
    made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)  # noqa: PTH108 - pathlib would take a third of the start-up time
        made.bind(f"/proc/self/fd/{place}/{name}")
    finally:
        os.close(place)
    made.listen(8)
    made.setblocking(False)
    return made


def answer(listener: socket.socket, pipes: Iterable[Pipe], do: Callable[[Pipe, Mapping[str, Any]], None]) -> None:
    """Take one change, do it and say when."""
    with contextlib.suppress(OSError, ValueError):
        caller, _ = listener.accept()
        with caller:
            caller.settimeout(PATIENCE)
            change: dict[str, Any] = json.loads(caller.makefile("rb").readline())
            concerned = [pipe for pipe in pipes if pipe.name in change["flows"]]
            for pipe in concerned:
                do(pipe, change)
            said = {"at": time.monotonic()} if concerned else {}
            caller.sendall(json.dumps(said).encode() + b"\n")
