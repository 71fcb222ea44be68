"""What works on a system that is not this one. Sent through the connection itself, to any Python from 3.9 on.

Three processes. The *bridge* is what the connection starts; it only carries bytes between its own standard streams and
the socket of the *agent*, and dies with the connection. The agent starts commands, keeps what they tell until somebody
has heard it, and ends everything when the lease is over. The *guard* above the agent ends everything when the agent
itself is killed. Both are child subreapers, so whatever a command forks stays below them.

What is told about commands is numbered and told again after a break; a request without an answer is asked again by the
other side, so each one may come twice.
"""

from __future__ import annotations

import contextlib
import errno
import os
import select
import shutil
import socket
import tarfile
import time
from collections import deque
from collections.abc import Iterator
from typing import Any

from panther_core.remote.far.files import facts, packed, told_error
from panther_core.remote.far.jobs import Jobs
from panther_core.remote.far.wire import CHUNK, frame, unframe


class Agent:
    """Serves one side after the other, until the lease is over or it is told that nobody comes back."""

    def __init__(self, listener: socket.socket, folder: str, base: str, lease: float) -> None:
        """Serve those who connect to ``listener``."""
        self.listener, self.folder, self.base, self.lease = listener, folder, base, lease
        self.birth = f"{os.getpid()}-{time.time_ns()}"
        self.session = ""
        self.link: socket.socket | None = None
        self.incoming, self.outgoing = bytearray(), bytearray()
        self.told: deque[tuple[int, bytes]] = deque()
        self.number = 0
        self.streams: deque[tuple[int, Iterator[bytes]]] = deque()
        self.alone_since = time.monotonic()
        self.beat = self.next_beat = 0.0
        self.over = False
        self.poll = select.poll()
        self.jobs = Jobs(folder, self.poll, self.tell)

    # The loop

    def run(self, wake: int) -> None:
        """Serve until there is nothing to serve any more."""
        self.poll.register(self.listener, select.POLLIN)
        self.poll.register(wake, select.POLLIN)
        while not self.over:
            ready = dict(self.poll.poll(self.patience()))
            if self.listener.fileno() in ready:
                self.welcome()
            if wake in ready:
                os.read(wake, 4096)
                self.jobs.reap()
            self.jobs.take(ready)
            self.look_at_clock()
            self.converse(ready)

    def patience(self) -> float | None:
        """Return for how many milliseconds nothing has to be done."""
        due = [each.due() for each in self.jobs.live.values() if each.due()]
        if self.link is None:
            due.append(self.alone_since + self.lease)
        elif self.beat:
            due.append(self.next_beat)
        return max(0.0, (min(due) - time.monotonic()) * 1000 + 1) if due else None

    def look_at_clock(self) -> None:
        """End what is over its time, and everything when the lease is; say from time to time that somebody is here."""
        now = time.monotonic()
        self.jobs.look_at_clock(now)
        if self.link is None and now >= self.alone_since + self.lease:
            self.over = True
        if self.link is not None and self.beat and now >= self.next_beat:
            self.next_beat = now + self.beat
            self.outgoing += b"" if self.outgoing else frame({"for": -1})

    def welcome(self) -> None:
        """Take a new connection; it replaces one that may have broken without a word."""
        link, _ = self.listener.accept()
        link.setblocking(False)
        self.part()
        self.link = link
        self.poll.register(link, select.POLLIN)

    def part(self) -> None:
        """Be alone from now on; what was told and not confirmed stays."""
        if self.link is not None:
            self.poll.unregister(self.link)
            self.link.close()
        self.link, self.alone_since = None, time.monotonic()
        self.incoming.clear()
        self.outgoing.clear()
        self.streams.clear()

    def converse(self, ready: dict[int, int]) -> None:
        """Take what the other side sends, and send what it can take."""
        if self.link is None:
            return
        try:
            if ready.get(self.link.fileno(), 0) & ~select.POLLOUT:
                data = self.link.recv(CHUNK)
                if not data:
                    self.part()
                    return
                self.incoming += data
                for message, blob in unframe(self.incoming):
                    self.obey(message, blob)
            self.flush()
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            self.part()

    def flush(self) -> None:
        """Send; take more of a stream only when what was taken before is on its way."""
        while self.link is not None:
            while self.streams and len(self.outgoing) < CHUNK:
                request, parts = self.streams[0]
                try:
                    self.outgoing += frame({"for": request, "more": True}, next(parts))
                except StopIteration:
                    self.outgoing += frame({"for": request})
                    self.streams.popleft()
                except OSError as error:
                    self.outgoing += frame({"for": request, **told_error(error)})
                    self.streams.popleft()
            if not self.outgoing:
                self.poll.modify(self.link, select.POLLIN)
                return
            try:
                sent = self.link.send(self.outgoing)
            except BlockingIOError:
                self.poll.modify(self.link, select.POLLIN | select.POLLOUT)
                return
            del self.outgoing[:sent]

    # What the other side asks for

    def obey(self, message: dict[str, Any], blob: bytes) -> None:
        """Do what a message says and answer it, if it wants an answer."""
        what = message["do"]
        self.forget_told(message["heard"])
        try:
            answer = getattr(self, f"do_{what}")(message, blob) or {}
        except (OSError, tarfile.TarError) as error:
            answer = told_error(error)
        if self.link is not None and "id" in message and answer is not True:
            self.outgoing += frame({"for": message["id"], **answer})

    def do_hello(self, message: dict[str, Any], _blob: bytes) -> dict[str, Any]:
        """Begin, or go on with, a session; another one has lost its claim to what runs here."""
        if message["session"] != self.session:
            if self.session:
                self.jobs.clear()
                self.told.clear()
            self.session = message["session"]
        self.lease, self.beat = message["lease"], message["beat"]
        for _, each in self.told:
            self.outgoing += each
        return {"birth": self.birth, "facts": facts(self.folder)}

    def forget_told(self, heard: int) -> None:
        """Forget what the other side has."""
        while self.told and self.told[0][0] <= heard:
            self.told.popleft()

    def do_have(self, message: dict[str, Any], _blob: bytes) -> dict[str, Any]:
        """Say whether a tree is here, and where."""
        path = self.tree(message["tree"])
        return {"have": os.path.lexists(path), "path": path}

    def do_put(self, message: dict[str, Any], blob: bytes) -> None:
        """Take one part of a tree; unpack it with the last one."""
        path = self.tree(message["tree"])
        if os.path.lexists(path):
            return  # the answer to the last part was lost, or another agent was faster
        taken = os.path.join(self.folder, message["tree"])
        with open(taken, "r+b" if message["offset"] else "wb") as file:
            if file.seek(0, os.SEEK_END) < message["offset"]:
                raise OSError(errno.ESTALE, "what came before this part is gone", taken)
            file.seek(message["offset"])
            file.write(blob)
        if message["last"]:
            unpacked = f"{taken}.d"
            shutil.rmtree(unpacked, ignore_errors=True)
            try:
                with tarfile.open(taken) as archive:
                    archive.extractall(unpacked)
                os.makedirs(os.path.dirname(path), exist_ok=True)
                if not os.path.lexists(path):
                    os.replace(unpacked, path)
            except OSError as error:
                if error.errno not in (errno.EEXIST, errno.ENOTEMPTY):
                    raise
            finally:
                shutil.rmtree(unpacked, ignore_errors=True)
                os.unlink(taken)

    def tree(self, digest: str) -> str:
        """Return where a tree of that content is kept, for all agents of this user."""
        return os.path.join(self.base, "trees", digest)

    def do_start(self, message: dict[str, Any], _blob: bytes) -> None:
        """Start a command, unless it was started before; remove what is kept of others that have ended."""
        for job in message["forget"]:
            log = self.jobs.ended.pop(job, None)
            if log:
                with contextlib.suppress(OSError):
                    os.unlink(log)
        self.jobs.start(message["job"], message)

    def do_write(self, message: dict[str, Any], blob: bytes) -> None:
        """Hand bytes to a command, unless they were handed over before."""
        job = self.jobs.live.get(message["job"])
        if job is None:
            raise ProcessLookupError(errno.ESRCH, "it does not run")
        if job.stdin < 0 or message["number"] <= job.written:
            return
        job.written = message["number"]
        job.unwritten += blob
        self.jobs.feed(job)

    def do_cancel(self, message: dict[str, Any], _blob: bytes) -> None:
        """End a command."""
        job = self.jobs.live.get(message["job"])
        if job is not None and not job.kill_at:
            self.jobs.stop(job, "cancelled")

    def do_restarting(self, message: dict[str, Any], _blob: bytes) -> None:
        """Tell a command that it is known that the host will restart."""
        job = self.jobs.live.get(message["job"])
        if job is not None and job.control is not None:
            with contextlib.suppress(OSError):
                job.control.send(b"ok\n")

    def do_fetch(self, message: dict[str, Any], _blob: bytes) -> Any:
        """Send a file or folder as an archive, in parts."""
        self.streams.append((message["id"], packed(os.path.join(self.jobs.work(), message["path"]))))
        return True

    def do_remove(self, message: dict[str, Any], _blob: bytes) -> None:
        """Remove a folder of ours."""
        path = os.path.realpath(message["path"])
        if path.startswith(os.path.realpath(self.folder) + os.sep):
            shutil.rmtree(path, ignore_errors=True)

    def do_bye(self, _message: dict[str, Any], _blob: bytes) -> None:
        """End; nobody comes back."""
        self.over = True

    def tell(self, message: dict[str, Any], blob: bytes = b"") -> None:
        """Tell something about a command, now and again until it is confirmed."""
        self.number += 1
        data = frame({"number": self.number, **message}, blob)
        self.told.append((self.number, data))
        if self.link is not None:
            self.outgoing += data
