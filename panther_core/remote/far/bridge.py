"""How bridge, guard and agent come to be, and how nothing is left of them."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import select
import shutil
import signal
import socket
import sys
import time
from collections.abc import Iterator
from typing import Any

from panther_core.remote.far.agent import Agent
from panther_core.remote.far.processes import PARENT_DEATH_SIGNAL, SUBREAPER, end_all, prctl
from panther_core.remote.far.wire import CHUNK, READY

MOST_HELD = 4 * CHUNK
PATIENCE = 10
"""Seconds that a bridge waits for the guard to finish: whoever says goodbye wants to know that nothing is left."""


def discard(folder: str) -> None:
    """Remove a folder that is locked by us; nobody sees it half removed."""
    aside = f"{folder}.{os.getpid()}"
    with contextlib.suppress(OSError):
        os.rename(folder, aside)
    shutil.rmtree(aside, ignore_errors=True)


def sweep(base: str) -> None:
    """Remove what agents have left that are gone, and everything once there is none."""
    agents = os.path.join(base, "agents")
    with contextlib.suppress(OSError):
        for name in os.listdir(agents):
            folder = os.path.join(agents, name)
            with contextlib.suppress(OSError), open(os.path.join(folder, "lock"), "a") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                end_all(0, folder)
                discard(folder)
        with locked(base, fcntl.LOCK_EX):
            os.rmdir(agents)
            trees, gone = os.path.join(base, "trees"), os.path.join(base, "trees.gone")
            shutil.rmtree(gone, ignore_errors=True)  # of one who was killed while it removed them
            with contextlib.suppress(FileNotFoundError):
                os.rename(trees, gone)  # half removed, they would be taken for whole
            shutil.rmtree(gone, ignore_errors=True)
            os.rmdir(base)


@contextlib.contextmanager
def locked(folder: str, how: int) -> Iterator[int]:
    """Hold a lock on a folder; give a descriptor of it, through which nothing is made in one that was removed."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        with contextlib.suppress(OSError):  # NFS locks no folders
            fcntl.flock(descriptor, how)
        yield descriptor
    finally:
        os.close(descriptor)


def enter(base: str, agent: str) -> None:
    """Make the folder of an agent; as long as it is there, nobody removes what all agents share."""
    if not os.path.isdir(os.path.dirname(base)):
        sys.exit(f"{os.path.dirname(base)} is no folder there")
    with contextlib.suppress(FileExistsError):
        os.mkdir(base, 0o700)
    if os.stat(base).st_uid != os.getuid():
        sys.exit(f"{base} belongs to somebody else")
    with locked(base, fcntl.LOCK_SH) as inside:
        for name in ("agents", f"agents/{agent}"):
            with contextlib.suppress(FileExistsError):
                os.mkdir(name, 0o700, dir_fd=inside)


def begin(config: dict[str, Any], folder: str, base: str) -> None:
    """Become the agent of ``folder``, with a guard above it; only the bridge returns, and at once."""
    lock = os.open(os.path.join(folder, "lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.fstat(lock).st_ino != os.stat(os.path.join(folder, "lock")).st_ino:
            raise BlockingIOError(errno.EAGAIN, "it belongs to an agent that has just ended")
    except OSError:
        os.close(lock)
        return
    end_all(0, folder)
    sweep(base)
    os.chdir(folder)  # the name of a socket may be no longer than 107 bytes
    with contextlib.suppress(FileNotFoundError):
        os.unlink("socket")
    listener = socket.socket(socket.AF_UNIX)
    listener.bind("socket")
    listener.listen(4)
    if os.fork():
        listener.close()
        os.close(lock)
        return
    os.setsid()
    nothing = os.open(os.devnull, os.O_RDWR)
    for number in range(3):
        os.dup2(nothing, number)
    os.chdir("/")
    prctl(SUBREAPER, 1)
    worker = os.fork()
    if not worker:
        work(listener, folder, base, config)
    listener.close()
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    while True:
        pid, _ = os.waitpid(-1, 0)
        if pid == worker:
            break
    end_all(os.getpid(), folder)
    discard(folder)
    sweep(base)
    os._exit(0)


def work(listener: socket.socket, folder: str, base: str, config: dict[str, Any]) -> None:
    """Be the agent, and end with all that it has started."""
    prctl(SUBREAPER, 1)
    prctl(PARENT_DEATH_SIGNAL, signal.SIGTERM)
    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    os.set_blocking(writer, False)
    signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    agent = Agent(listener, folder, base, float(config["lease"]))
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.signal(signal.SIGTERM, lambda *_: setattr(agent, "over", True))
    try:
        agent.run(reader)
    finally:
        agent.jobs.clear()
        os._exit(0)


def connect(folder: str) -> socket.socket | None:
    """Return a connection to the agent of ``folder``, if there is one."""
    link = socket.socket(socket.AF_UNIX)
    try:
        os.chdir(folder)
        link.connect("socket")
    except OSError:
        link.close()
        return None
    return link


def carry(link: socket.socket) -> bool:
    """Be the bridge: carry bytes both ways until one side ends; return whether it was the agent.

    The agent always reads, so what goes there never waits for what comes from there: two full pipes cannot lock up.
    """
    inside = link.fileno()
    ways = {0: (inside, bytearray()), inside: (1, bytearray())}
    for number in (0, 1, inside):
        os.set_blocking(number, False)
    while True:
        for number, events in waited(ways).poll():
            if number in ways and events & (select.POLLIN | select.POLLHUP):
                data = os.read(number, CHUNK)
                if not data:
                    return number == inside
                ways[number][1].extend(data)
            elif events & (select.POLLERR | select.POLLHUP):
                return False
        for target, held in ways.values():
            with contextlib.suppress(BlockingIOError):
                while held:
                    del held[: os.write(target, held)]


def waited(ways: dict[int, tuple[int, bytearray]]) -> select.poll:
    """Return what to wait for: where something may come from, unless too much of it is held, and where held goes to."""
    wanted = dict.fromkeys((0, 1, *ways), 0)
    for source, (target, held) in ways.items():
        wanted[source] |= select.POLLIN if len(held) < MOST_HELD or source == 0 else 0
        wanted[target] |= select.POLLOUT if held else 0
    poll = select.poll()
    for number, events in wanted.items():
        poll.register(number, events)
    return poll


def main(config: dict[str, Any]) -> None:
    """Be the bridge to the agent of that name; start it if there is none."""
    above = config["base"] or "/tmp"  # noqa: S108 - only its owner may enter what is made there, which is checked
    base = os.path.join(above, f"panther-{os.getuid()}")
    folder = os.path.join(base, "agents", config["agent"])
    for _ in range(500):
        try:
            with contextlib.suppress(FileNotFoundError):  # it was removed at this moment
                enter(base, config["agent"])
        except OSError as error:
            sys.exit(f"{base} cannot be used: {error.strerror}")
        link = connect(folder)
        if link is not None:
            with contextlib.suppress(OSError), open(os.path.join(folder, "lock"), "rb") as lock:
                os.write(1, READY)
                if carry(link):
                    signal.alarm(PATIENCE)
                    fcntl.flock(lock, fcntl.LOCK_SH)
            return
        with contextlib.suppress(FileNotFoundError):
            begin(config, folder, base)
        time.sleep(0.01)
    sys.exit(f"the agent in {folder} neither answers nor ends")
