"""Removes the containers and networks of one attempt when PANTHER dies: a program of its own, one for each attempt.

It reads its standard input, whose other end PANTHER holds. A line is a farewell: all was removed. An end without one
means that PANTHER was killed. A call of Compose may then still be creating things, so it looks several times.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import time

_QUIET_PASSES, _PAUSE, _LIMIT, _CALL = 6, 0.15, 120.0, 30.0


def docker(*words: str) -> list[str] | None:
    """Return the words that a call prints; None if it fails."""
    try:
        done = subprocess.run(["docker", *words], capture_output=True, timeout=_CALL, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return None if done.returncode else done.stdout.decode("utf-8", "replace").split()


def remove(project: str) -> bool:
    """Remove what carries the project's label; return whether nothing was there, and surely so."""
    label = f"label=panther.project={project}"
    containers = docker("ps", "--all", "--quiet", "--filter", label)
    if containers:
        docker("rm", "--force", "--volumes", *containers)
    networks = docker("network", "ls", "--quiet", "--filter", label)
    if networks:
        docker("network", "rm", *networks)
    return containers == [] and networks == []


def main(project: str) -> None:
    """Wait for the end of PANTHER, and remove everything unless it has said that this is not needed."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    if sys.stdin.buffer.read(1):
        return
    end, quiet = time.monotonic() + _LIMIT, 0
    while quiet < _QUIET_PASSES and time.monotonic() < end:
        quiet = quiet + 1 if remove(project) else 0
        time.sleep(_PAUSE)


if __name__ == "__main__":
    main(sys.argv[1])
