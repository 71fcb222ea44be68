"""The child program that starts every process of a run, and that outlives none of them.

Run as ``python -I -S supervisor.py FD``; the descriptor is one end of a stream socket to the engine. Two processes:
the *worker* starts, reaps and kills; the *guard* above it only waits for the worker's end. Both are child subreapers,
so whatever a program forks, daemons included, stays below them: when the engine ends (the socket ends) the worker
kills all of it, and when somebody kills the worker the guard does.

Programs are started with ``posix_spawn``, which makes no copy of this process and takes half the time of fork and exec.
It cannot set a parent-death signal; the guard does more than that, as such a signal never reaches a grandchild.

Nothing but the standard library is imported here, and not much of it. Messages are length-prefixed ``marshal`` tuples,
since both ends are the same interpreter.
"""

# ruff: noqa: PTH106, PTH110, PTH113, PTH123, PTH208
# pathlib would take a third of the start-up time.

from __future__ import annotations

import ctypes
import errno
import marshal
import os
import select
import signal
import socket
import sys
import time
import traceback
from collections.abc import Callable, Iterable, Mapping
from typing import Any

LENGTH = 4
TICK = 0.005
SIGNAL_PATIENCE = 2.0
GROUPS_PATIENCE = 1.0
_PR_SET_CHILD_SUBREAPER = 36
_RESET = tuple(number for number in signal.valid_signals() if number not in (signal.SIGKILL, signal.SIGSTOP))


def frame(message: tuple[Any, ...]) -> bytes:
    """Return ``message`` as it goes over the socket."""
    body = marshal.dumps(message)
    return len(body).to_bytes(LENGTH, "big") + body


def unframe(buffer: bytearray) -> Iterable[tuple[Any, ...]]:
    """Take every complete message out of ``buffer``."""
    while len(buffer) >= LENGTH:
        end = LENGTH + int.from_bytes(buffer[:LENGTH], "big")
        if len(buffer) < end:
            return
        message = marshal.loads(buffer[LENGTH:end])  # noqa: S302 - the other end is our own process
        del buffer[:end]
        yield message


def _read(path: str) -> bytes:
    """Return a file of /proc, empty once its process has gone."""
    try:
        with open(path, "rb", buffering=0) as file:
            return file.readall()
    except OSError:
        return b""


def _listed(folder: str) -> list[str]:
    try:
        return os.listdir(folder)
    except OSError:
        return []


def parent_of(pid: int) -> int:
    """Return the parent of ``pid``, 0 once it has gone."""
    fields = _read(f"/proc/{pid}/stat").rpartition(b")")[2].split()
    return int(fields[1]) if len(fields) > 1 else 0


def _children_by_scan(pid: int) -> list[int]:
    return [int(name) for name in _listed("/proc") if name.isdigit() and parent_of(int(name)) == pid]


_KERNEL_LISTS_CHILDREN = os.path.exists(f"/proc/self/task/{os.getpid()}/children")


def children_of(pid: int) -> list[int]:
    """Return the children of every thread of ``pid``."""
    if not _KERNEL_LISTS_CHILDREN:
        return _children_by_scan(pid)
    found = []
    for thread in _listed(f"/proc/{pid}/task"):
        found += _read(f"/proc/{pid}/task/{thread}/children").split()
    return [int(each) for each in found]


def descendants(roots: Iterable[int]) -> list[int]:
    """Return ``roots`` and everything below them, parents first."""
    found = dict.fromkeys(roots)
    waiting = list(found)
    for pid in waiting:
        new = [child for child in children_of(pid) if child not in found]
        found.update(dict.fromkeys(new))
        waiting += new
    return list(found)


def program_below(pid: int, forks: int, argv: list[bytes]) -> int:
    """Return the process of ``argv`` that stands ``forks`` parents below ``pid``, 0 while (or once) there is none."""
    level, above = [pid], [pid]
    for _ in range(forks):
        level, above = [child for parent in level for child in children_of(parent)], level
    # What a wrapper has forked and not made another program of yet, or never will, is the wrapper still.
    wrappers = [_arguments(each) for each in above] if forks else []
    level = [each for each in level if _arguments(each) not in wrappers]
    if not level:
        return 0
    # A wrapper may have helpers beside the program, a compressor for example: the command line tells them apart.
    fitting = [each for each in level if _arguments(each)[-len(argv) :] == argv]
    return min(fitting or level)


def _arguments(pid: int) -> list[bytes]:
    return _read(f"/proc/{pid}/cmdline").split(b"\0")[:-1]


def environment_of(pid: int) -> dict[bytes, bytes]:
    """Return the environment with which ``pid`` was started, empty where it cannot be read."""
    pairs = (each.partition(b"=") for each in _read(f"/proc/{pid}/environ").split(b"\0"))
    return {key: value for key, equals, value in pairs if equals}


def kill(pid: int, number: int = signal.SIGKILL) -> None:
    """Send a signal to a process that may have gone."""
    try:
        os.kill(pid, number)
    except (ProcessLookupError, PermissionError):
        return


def find_program(name: bytes, env: dict[bytes, bytes]) -> bytes:
    """Return the file that ``name`` means, looking along the PATH of ``env`` and not of this process."""
    if b"/" in name:
        return name
    refused = False
    for folder in env.get(b"PATH", os.fsencode(os.defpath)).split(b":"):
        path = (folder or b".") + b"/" + name
        if os.access(path, os.X_OK) and os.path.isfile(path):
            return path
        refused = refused or os.path.isfile(path)
    raise OSError(errno.EACCES if refused else errno.ENOENT, "")


class Service:
    """One started command and what it has left behind."""

    def __init__(self, token: int, pid: int, forks: int, program: list[bytes]) -> None:
        """Keep what is needed to find the program below its wrappers."""
        self.token = token
        self.pid = pid
        self.forks = forks
        self.program = program
        self.sessions = {pid}
        self.daemons: set[int] = set()

    def roots(self) -> list[int]:
        """Return the top of each of its process trees; none when all has ended."""
        return [*([self.pid] if self.pid else []), *self.daemons]


class Worker:
    """Serves the engine until the socket ends."""

    def __init__(self, link: socket.socket, run_id: bytes) -> None:
        """Serve the engine at the other end of ``link``."""
        self.link = link
        self.run_id = run_id
        self.buffer = bytearray()
        self.outbox: list[bytes] = []
        self.services: dict[int, Service] = {}
        self.main_of: dict[int, Service] = {}
        self.adopted: dict[int, Service | None] = {}
        self.killing: set[int] = set()
        self.undelivered: list[tuple[float, int, int]] = []
        self.handlers: dict[str, Callable[..., None]] = {
            "spawn": self.spawn,
            "signal": self.signal,
            "kill": self.kill,
            "pids": self.pids,
        }

    def tell(self, *message: object) -> None:
        """Queue a message; it is sent before this process sleeps again."""
        self.outbox.append(frame(message))

    def flush(self) -> None:
        """Send what is queued."""
        if self.outbox:
            data, self.outbox = b"".join(self.outbox), []
            self.link.sendall(data)

    def run(self, wake: int, engine: int) -> None:
        """Serve until the engine closes its end or has gone.

        ``engine`` is its pidfd, or -1: a process that the engine has forked may hold the socket open when it has gone.
        """
        poll = select.poll()
        for fd in (self.link.fileno(), wake, *([engine] if engine >= 0 else [])):
            poll.register(fd, select.POLLIN)
        while True:
            busy = self.killing or self.undelivered
            ready = {number for number, _ in poll.poll(TICK * 1000 if busy else None)}
            if wake in ready:
                os.read(wake, 4096)
                self.reap()
            if engine in ready or (self.link.fileno() in ready and not self.receive()):
                return
            if busy or self.killing:
                self.deliver()
                self.kill_on()
            self.flush()

    def receive(self) -> bool:
        """Take what has arrived and do it; False when there will be no more."""
        data = self.link.recv(1 << 18)
        self.buffer += data
        for kind, *rest in unframe(self.buffer):
            self.handlers[kind](*rest)
        return bool(data)

    def spawn(
        self,
        token: int,
        argv: list[bytes],
        env: dict[bytes, bytes],
        cwd: bytes,
        streams: list[bytes],
        forks: int,
        program: list[bytes],
    ) -> None:
        """Start ``argv`` as the leader of a session of its own and tell the engine its pid, or why it did not start."""
        opened: list[int] = []
        stage = "cwd"
        try:
            os.chdir(cwd)
            for stage, path in zip(("stdin", "stdout", "stderr"), streams, strict=True):
                flags = os.O_RDONLY if stage == "stdin" else os.O_WRONLY | os.O_CREAT | os.O_APPEND
                opened.append(os.open(path, flags, 0o644))
            stage = "program"
            pid = os.posix_spawn(
                find_program(argv[0], env),
                argv,
                env,
                setsid=True,
                setsigmask=(),
                setsigdef=_RESET,
                file_actions=[(os.POSIX_SPAWN_DUP2, fd, number) for number, fd in enumerate(opened)],
            )
        except OSError as error:
            self.tell("failed", token, stage, error.errno, "")
        except ValueError as error:
            self.tell("failed", token, stage, 0, str(error))
        else:
            service = self.services[token] = self.main_of[pid] = Service(token, pid, forks, program)
            self.tell("started", token, service.pid)
        finally:
            for fd in opened:
                os.close(fd)

    def reap(self) -> None:
        """Take every process that has ended, then look at what became ours by that."""
        while True:
            try:
                pid, status, cost = os.wait4(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if not pid:
                return
            figures = (
                cost.ru_utime,
                cost.ru_stime,
                cost.ru_maxrss * 1024,
                cost.ru_inblock * 512,
                cost.ru_oublock * 512,
                cost.ru_nvcsw,
                cost.ru_nivcsw,
            )
            self.reaped(pid, os.waitstatus_to_exitcode(status), figures)

    def reaped(self, pid: int, code: int, figures: tuple[float, ...]) -> None:
        """Tell the engine about one ended process: a service itself, or something that it had left behind."""
        service = self.main_of.pop(pid, None)
        if service is not None:
            service.pid = 0
            self.adopt(service)
            self.tell("ended", service.token, code, figures, list(service.daemons))
        else:
            service = self.adopted.pop(pid, None)
            self.adopt(service)
            if service is None:
                return
            service.daemons.discard(pid)
            self.tell("cost", service.token, pid, figures)
        if not service.roots():
            self.forget(service)

    def forget(self, service: Service) -> None:
        """Drop a service of which nothing lives."""
        self.services.pop(service.token, None)
        if service.token in self.killing:
            self.killing.discard(service.token)
            self.tell("gone", service.token)

    def adopt(self, last: Service | None = None) -> None:
        """Find out which service left each of our new children behind; ``last`` is the likeliest one."""
        for pid in children_of(os.getpid()):
            if pid in self.main_of or pid in self.adopted:
                continue
            env = environment_of(pid)
            service = self.owner_of(pid, env) or last
            if service is None and not env:
                continue  # at the moment when it becomes another program it has none: the next look tells whose it is
            self.adopted[pid] = service
            if service is not None:
                self.services[service.token] = service
                service.daemons.add(pid)
                self.tell("adopted", service.token, pid)

    def owner_of(self, pid: int, env: Mapping[bytes, bytes]) -> Service | None:
        """Return the service that ``pid`` belongs to, by its environment or by its session."""
        if env.get(b"PANTHER_RUN") == self.run_id:
            found = self.services.get(int(env.get(b"PANTHER_PROCESS", b"0")))
            if found is not None:
                found.sessions.add(_session(pid))
                return found
        # A program may have overwritten its environment, as servers do that set their title.
        session = _session(pid)
        return next((each for each in self.services.values() if session in each.sessions), None)

    def signal(self, token: int, number: int) -> None:
        """Send a signal to the program of a service, later if its wrapper has not started it yet."""
        self.undelivered.append((time.monotonic() + SIGNAL_PATIENCE, token, number))
        self.deliver()

    def deliver(self) -> None:
        """Send the signals whose program exists by now."""
        waiting, self.undelivered = self.undelivered, []
        for until, token, number in waiting:
            service = self.services.get(token)
            if service is None or not service.pid:
                continue
            pid = program_below(service.pid, service.forks, service.program)
            if pid:
                kill(pid, number)
            elif time.monotonic() < until:
                self.undelivered.append((until, token, number))

    def kill(self, token: int) -> None:
        """End everything of a service; the engine is told when nothing is left."""
        if token not in self.services:
            self.tell("gone", token)
            return
        self.killing.add(token)

    def kill_on(self) -> None:
        """Send SIGKILL once more to all that is being ended: between two passes programs may have forked."""
        if self.killing:
            self.adopt()
        for token in self.killing:
            for pid in descendants(self.services[token].roots()):
                kill(pid)

    def pids(self, request: int, token: int) -> None:
        """Tell every live process of a service."""
        self.adopt()
        service = self.services.get(token)
        self.tell("pids", request, descendants(service.roots()) if service else [])

    def end(self) -> None:
        """End every process, whosoever it is, and tell how they ended if anybody still listens."""
        for pause in kill_all_below():
            self.reap()
            try:
                self.flush()
            except OSError:
                self.outbox.clear()
            time.sleep(pause)


def _session(pid: int) -> int:
    try:
        return os.getsid(pid)
    except ProcessLookupError:
        return -1


def kill_all_below() -> Iterable[float]:
    """Kill everything below this process until nothing is left; yield how long to wait before the next pass."""
    pause = 0.0005
    while True:
        for pid in descendants([os.getpid()])[1:]:
            kill(pid)
        yield pause
        try:
            if os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None:
                continue
        except ChildProcessError:
            return
        pause = min(pause * 2, 0.1)


def prepare(libc: ctypes.CDLL) -> None:
    """Make this process deaf to the terminal and the new parent of every orphan below it."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGPIPE, signal.SIGCHLD):
        signal.signal(number, lambda *_: None)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    if libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0):
        raise OSError("PR_SET_CHILD_SUBREAPER is refused")


def work(link: socket.socket, engine: int) -> None:
    """Be the worker until the engine, a process id, has gone."""
    wake, notify = os.pipe()
    for fd in (wake, notify):
        os.set_blocking(fd, False)
    signal.set_wakeup_fd(notify, warn_on_full_buffer=False)
    worker = Worker(link, os.environb.get(b"PANTHER_SUPERVISOR", b""))
    worker.tell("ready", os.getpid(), int(_read("/proc/self/statm").split()[1]) * os.sysconf("SC_PAGE_SIZE"))
    try:
        worker.flush()
        worker.run(wake, _pidfd(engine))
    except (BrokenPipeError, ConnectionResetError, ProcessLookupError):
        return
    except Exception:
        worker.tell("crashed", traceback.format_exc())
        raise
    finally:
        worker.end()


def _pidfd(pid: int) -> int:
    try:
        return os.pidfd_open(pid)
    except ProcessLookupError:
        raise
    except OSError:
        return -1  # An old kernel, or a sandbox that refuses the call: the socket alone has to tell.


def guard(worker: int) -> None:
    """Wait until the worker has ended, then end what is left of its work, which now stands below this process."""
    while os.wait()[0] != worker:
        continue
    for pause in kill_all_below():
        while True:
            try:
                if os.waitpid(-1, os.WNOHANG)[0] == 0:
                    break
            except ChildProcessError:
                return
        time.sleep(pause)


def groups_of(owners: Iterable[str]) -> list[str]:
    """Return the control groups that ``owners`` have made where the group of this process is, or beside it."""
    wanted, found = {f"panther-{owner}" for owner in owners}, []
    for line in _read("/proc/self/cgroup").decode().splitlines():
        _, controllers, path = line.split(":", 2)
        for controller in controllers.split(","):
            own = f"/sys/fs/cgroup/{controller}{path}".rstrip("/")
            for folder in (own, own.rpartition("/")[0]):
                found += [f"{folder}/{name}" for name in _listed(folder) if name.rpartition("-")[0] in wanted]
    return found


def remove_groups(owners: tuple[str, ...]) -> None:
    """Remove the control groups that a killed engine has left; the last process in one may still be ending."""
    end = time.monotonic() + GROUPS_PATIENCE
    while time.monotonic() < end and (left := groups_of(owners)):
        for folder in left:
            try:
                os.rmdir(folder)
            except OSError:
                time.sleep(TICK)


def main() -> None:
    """Split into guard and worker."""
    engine = os.getppid()
    libc = ctypes.CDLL(None)
    prepare(libc)
    link = socket.socket(fileno=int(sys.argv[1]))
    link.set_inheritable(False)
    pid = os.fork()
    if pid:
        link.close()
        guard(pid)
        remove_groups((os.environ.get("PANTHER_SUPERVISOR", ""), f"trial-{engine}"))
        return
    prepare(libc)
    work(link, engine)


if __name__ == "__main__":
    main()
