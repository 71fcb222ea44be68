"""The commands that an agent runs: how they start, what they tell, how they end."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import select
import shutil
import signal
import socket
import time
from collections.abc import Callable
from typing import Any

from panther_core.remote.far.files import ALL_FULL, last_of, raised, which
from panther_core.remote.far.processes import below, children, end_all, kill, read
from panther_core.remote.far.wire import CHUNK

GRACE = 2.0
LEAST_FREE = 1 << 16
CONTROL_LINE = 1 << 20
_RESET = tuple(number for number in signal.valid_signals() if number not in (signal.SIGKILL, signal.SIGSTOP))


class Job:
    """One command."""

    def __init__(self, name: str, pid: int, log: str, timeout: float | None) -> None:
        """Keep what is needed to follow and to end it."""
        self.name = name
        self.pid = pid
        self.log = log
        self.begun = time.monotonic()
        self.timeout = timeout
        self.deadline = self.begun + timeout if timeout else 0.0
        self.kill_at = 0.0
        self.reason = "ended"
        self.control: socket.socket | None = None
        self.heard = b""
        self.stdin = -1
        self.written = 0
        self.unwritten = bytearray()

    def due(self) -> float:
        """Return when something has to be done about it, 0 for never."""
        return self.kill_at or self.deadline


class Jobs:
    """All commands of one agent."""

    def __init__(self, folder: str, poll: select.poll, tell: Callable[..., None]) -> None:
        """Keep logs in ``folder`` and ``tell`` what happens, one message at a time."""
        self.folder, self.poll, self.tell = folder, poll, tell
        self.live: dict[str, Job] = {}
        self.ended: dict[str, str] = {}
        """The logs of those that have ended and that nobody has forgotten yet."""

    def start(self, name: str, message: dict[str, Any]) -> None:
        """Start a command, unless it was started before."""
        if name in self.live or name in self.ended:
            return
        log = os.path.join(self.folder, f"{name}.log")
        try:
            job = self.live[name] = self.spawn(name, log, message)
        except OSError as error:
            self.ended[name] = log
            if error.errno in ALL_FULL:
                self.tell({"lost": name, "why": f"{error.strerror}: {error.filename or log}"})
                return
            text = f"{error.filename or message['argv'][0]}: {error.strerror}".encode()
            code = 127 if error.errno == errno.ENOENT else 126
            self.tell({"end": name, "reason": "ended", "code": code, "seconds": 0.0, "size": len(text)}, text)
        else:
            if job.control is not None:
                self.poll.register(job.control, select.POLLIN)

    def look_at_clock(self, now: float) -> None:
        """End what is over its time."""
        for job in list(self.live.values()):
            if job.kill_at and now >= job.kill_at:
                doomed = below([job.pid])
                kill(job.pid, group=True)
                for pid in doomed:
                    kill(pid)
                job.kill_at = 0.0
            elif not job.kill_at and job.deadline and now >= job.deadline:
                self.stop(job, "timeout")

    def take(self, ready: dict[int, int]) -> None:
        """Do what the descriptors of commands are ready for."""
        for job in list(self.live.values()):
            if job.control is not None and job.control.fileno() in ready:
                self.listen(job)
            if job.stdin in ready:
                self.feed(job)

    def spawn(self, name: str, log: str, message: dict[str, Any]) -> Job:
        """Start a command as the leader of a session of its own."""
        env = {
            **os.environ,
            **message["env"],
            "PANTHER_AGENT": self.folder,
            "PANTHER_JOB": name,
            "PANTHER_CONTROL": "3",
        }
        argv = message["argv"]
        with contextlib.ExitStack() as stack:
            stack.callback(os.chdir, "/")
            os.chdir(os.path.join(self.work(), message["cwd"]))
            program = which(argv[0], env.get("PATH", os.defpath))
            output = raised(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644), stack)
            ours, theirs = socket.socketpair()
            control = raised(os.dup(theirs.detach()), stack)
            writer = -1
            if message["stdin"]:
                reader, writer = os.pipe()
                stdin = raised(reader, stack)
            else:
                stdin = raised(os.open(os.devnull, os.O_RDONLY), stack)
            try:
                pid = os.posix_spawn(
                    program,
                    argv,
                    env,
                    setsid=True,
                    setsigmask=(),
                    setsigdef=_RESET,
                    file_actions=[
                        (os.POSIX_SPAWN_DUP2, fd, number) for number, fd in enumerate((stdin, output, output, control))
                    ],
                )
            except OSError:
                ours.close()
                raise
        job = Job(name, pid, log, message["timeout"])
        ours.setblocking(False)
        job.control = ours
        if writer >= 0:
            os.set_blocking(writer, False)
            job.stdin = writer
        return job

    def work(self) -> str:
        """Return the folder for what commands write."""
        path = os.path.join(self.folder, "scratch")
        os.makedirs(path, exist_ok=True)
        return path

    def feed(self, job: Job) -> None:
        """Write what a command has not taken yet."""
        try:
            while job.unwritten:
                del job.unwritten[: os.write(job.stdin, job.unwritten)]
            with contextlib.suppress(KeyError):
                self.poll.unregister(job.stdin)
        except BlockingIOError:
            self.poll.register(job.stdin, select.POLLOUT)
        except OSError:
            self.shut_stdin(job)

    def shut_stdin(self, job: Job) -> None:
        """Close the standard input of a command."""
        if job.stdin >= 0:
            with contextlib.suppress(KeyError):
                self.poll.unregister(job.stdin)
            os.close(job.stdin)
            job.stdin = -1

    def listen(self, job: Job) -> bool:
        """Take what a command tells about itself; return whether there was anything."""
        data = b""
        while job.control is not None and not data:
            try:
                data = job.control.recv(CHUNK)
            except BlockingIOError:
                return False
            except OSError:
                data = b""
            if not data:
                self.shut_control(job)
        *lines, job.heard = (job.heard + data).split(b"\n")
        if len(job.heard) > CONTROL_LINE:
            lines, job.heard = [*lines, job.heard[:CONTROL_LINE]], b""
        for line in lines:
            self.hear(job, line)
        return bool(data)

    def shut_control(self, job: Job) -> None:
        """Close what a command tells about itself through."""
        if job.control is not None:
            self.poll.unregister(job.control)
            job.control.close()
            job.control = None

    def hear(self, job: Job, line: bytes) -> None:
        """Understand one line, or pass on that it is none."""
        try:
            message = json.loads(line)
            if "duration" in message:
                text = str(message["duration"])
                begun = job.deadline if text[:1] in ("+", "-") and job.deadline else time.monotonic()
                job.deadline = begun + float(text)
            self.tell({"job": job.name, "said": dict(message)})
        except (ValueError, TypeError):
            self.tell({"job": job.name, "bad": line[:200].decode(errors="replace")})

    def stop(self, job: Job, reason: str) -> None:
        """Ask a command to end, and be ready to make it."""
        job.reason, job.deadline = reason, 0.0
        job.kill_at = time.monotonic() + GRACE
        kill(job.pid, signal.SIGTERM, group=True)

    def reap(self) -> None:
        """Take what has ended; what a command has left in its group ends with it."""
        mains = {job.pid: job for job in self.live.values()}
        while True:
            try:
                found = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            except ChildProcessError:
                return
            if found is None:
                return
            job = mains.get(found.si_pid)
            if job is not None:
                kill(job.pid, group=True)
            _, status = os.waitpid(found.si_pid, 0)
            if job is not None:
                self.end(job, os.waitstatus_to_exitcode(status))

    def end(self, job: Job, code: int) -> None:
        """Tell that a command has ended, and how."""
        while self.listen(job):
            pass
        self.shut_control(job)
        self.shut_stdin(job)
        del self.live[job.name]
        self.ended[job.name] = job.log
        self.end_left_behind(job.name)
        size, tail = last_of(job.log)
        space = os.statvfs(self.folder)
        told = {"end": job.name, "reason": job.reason, "code": code, "size": size}
        told["seconds"] = round(time.monotonic() - job.begun, 6)
        if space.f_blocks and space.f_bavail * space.f_frsize < LEAST_FREE:
            told["full"] = True
        self.tell(told, tail)

    def end_left_behind(self, name: str) -> None:
        """Kill what a command that has ended left behind outside of its group; such processes are our children now."""
        mains = {job.pid for job in self.live.values()}
        for pid in children() - mains:
            if f"PANTHER_JOB={name}".encode() in read(f"/proc/{pid}/environ").split(b"\0"):
                for each in (*below([pid]), pid):
                    kill(each)

    def clear(self) -> None:
        """End and forget everything."""
        for job in self.live.values():
            kill(job.pid, signal.SIGTERM, group=True)
        until = time.monotonic() + GRACE
        while self.live and time.monotonic() < until:
            self.reap()
            time.sleep(0.01)
        end_all(os.getpid(), self.folder)
        self.reap()
        self.live.clear()
        self.ended.clear()
        shutil.rmtree(os.path.join(self.folder, "scratch"), ignore_errors=True)
