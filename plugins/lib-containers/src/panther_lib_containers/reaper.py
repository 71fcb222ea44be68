"""Removes the containers and networks of one attempt when PANTHER dies: a program of its own, one for each attempt.

Run as ``python -I -S reaper.py PROJECT SOCKET FOLDER RUN``. It reads its standard input, whose other end PANTHER holds.
A byte is a farewell: all was removed. An end without one means that PANTHER was killed, or has given up on a call.
A call of Docker with a file of FOLDER may then still be creating things: it is ended, and what it has asked the engine
for may come a moment later. The control groups go with it that RUN has made for services among others in a container.

Nothing but the standard library is imported here, and not much of it; HTTP of version 1.0 is all that is needed.
"""

# ruff: noqa: PTH106, PTH123, PTH208
# pathlib would take a third of the start-up time.

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import time
from typing import Any

_QUIET, _PAUSE, _LIMIT, _CALL = 0.3, 0.03, 120.0, 30.0
_TOOLS = (b"docker", b"docker-compose", b"docker-buildx", b"timeout")


def asked(place: str, method: str, target: str) -> socket.socket:
    """Ask the engine for something without waiting for it; raise OSError if there is none."""
    engine = socket.socket(socket.AF_UNIX)
    engine.settimeout(_CALL)
    engine.connect(place)
    engine.sendall(f"{method} {target} HTTP/1.0\r\n\r\n".encode())
    return engine


def answer(engine: socket.socket) -> Any:
    """Return what the engine answers, None for nothing; raise OSError or ValueError if it does not."""
    with engine:
        text = b"".join(iter(lambda: engine.recv(1 << 16), b""))
    head, _, body = text.partition(b"\r\n\r\n")
    return json.loads(body) if body.strip() and b" 2" in head[:12] else None


def remove(place: str, project: str) -> bool:
    """Remove what carries the project's label; return whether nothing was there, and surely so."""
    wanted = f"filters=%7B%22label%22%3A%5B%22panther.project%3D{project}%22%5D%7D"
    try:
        containers = answer(asked(place, "GET", f"/containers/json?all=1&{wanted}"))
        removals = [asked(place, "DELETE", f"/containers/{each['Id']}?force=1&v=1") for each in containers or ()]
        for each in removals:
            answer(each)
        networks = answer(asked(place, "GET", f"/networks?{wanted}"))
        for each in networks or ():
            answer(asked(place, "DELETE", f"/networks/{each['Id']}"))
    except (OSError, ValueError):
        return False
    return bool(containers == [] and networks == [])


def end_calls(folder: str) -> None:
    """End every call of Docker that was given a file of ``folder``."""
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open(f"/proc/{name}/cmdline", "rb") as file:
                    words = file.read().split(b"\0")
                if words[0].rpartition(b"/")[2] in _TOOLS and any(word.startswith(folder.encode()) for word in words):
                    os.kill(int(name), signal.SIGKILL)
            except OSError:  # it has ended meanwhile
                continue


def remove_groups(run: str) -> None:
    """Remove the control groups of a run, in which nothing is any more."""
    for parent, names, _ in os.walk("/sys/fs/cgroup"):
        for name in names:
            if name.rpartition("-")[0] == f"panther-{run}":
                try:
                    os.rmdir(f"{parent}/{name}")
                except OSError:  # it went with the group of its container, or something still ends in it
                    continue


def main(project: str, place: str, folder: str, run: str) -> None:
    """Wait for the end of PANTHER, and remove everything unless it has said that this is not needed."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    if sys.stdin.buffer.read(1):
        return
    end = time.monotonic() + _LIMIT
    quiet_since = time.monotonic()
    while time.monotonic() < min(end, quiet_since + _QUIET):
        end_calls(folder)
        if not remove(place, project):
            quiet_since = time.monotonic()
        remove_groups(run)
        time.sleep(_PAUSE)


if __name__ == "__main__":
    main(*sys.argv[1:])
