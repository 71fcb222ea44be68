"""The supervisor as the engine sees it: started with the run, gone with it, and every process of the run with it."""

from __future__ import annotations

import contextlib
import itertools
import queue
import socket
import subprocess
import sys
import threading
import weakref
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import attrs

from panther_core.process.clean import kill_run
from panther_core.process.commands import LocalCommandProcessor
from panther_core.process.launcher import LocalLauncher, LocalProcess
from panther_core.process.supervisor import frame, unframe
from panther_core.process.usage import Sampler
from panther_hookspecs import BaseEvent, ResourceExhaustionException, TestExecutionError

_PROGRAM = Path(__file__).with_name("supervisor.py")
_END_PATIENCE = 30.0


@attrs.define(eq=False)
class Supervisor:
    """Owns the child program that starts everything. Use it as a context manager; leaving it ends every process."""

    run_id: str
    launcher: LocalLauncher = attrs.field(init=False)
    commands: LocalCommandProcessor = attrs.field(init=False)
    pid: int = attrs.field(default=0, init=False)
    """The process that starts all others; 0 until it is up."""
    _output_limit: int
    _sampler: Sampler
    _child: subprocess.Popen[bytes]
    _link: socket.socket
    _processes: weakref.WeakValueDictionary[int, LocalProcess] = attrs.field(
        factory=weakref.WeakValueDictionary, init=False
    )
    _replies: dict[int, queue.SimpleQueue[tuple[int, ...]]] = attrs.field(factory=dict, init=False)
    _numbers: itertools.count[int] = attrs.field(factory=lambda: itertools.count(1), init=False)
    _sending: threading.Lock = attrs.field(factory=threading.Lock, init=False)
    _reader: threading.Thread = attrs.field(init=False)
    _floor: int = attrs.field(default=0, init=False)
    _lost: str = attrs.field(default="", init=False)
    _closing: bool = attrs.field(default=False, init=False)
    _crash: str = attrs.field(default="", init=False)

    @classmethod
    def start(
        cls,
        *,
        run_id: str,
        output_limit: int = 16 << 20,
        sample_interval: float = 0.25,
        emit: Callable[[BaseEvent], None] | None = None,
    ) -> Self:
        """Start the child program for one run. ``emit`` receives an event for each command that is run to its end."""
        ours, theirs = socket.socketpair()
        command = [sys.executable, "-I", "-S", str(_PROGRAM), str(theirs.fileno())]
        try:
            with theirs:
                child = subprocess.Popen(
                    command,
                    pass_fds=[theirs.fileno()],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    start_new_session=True,
                    cwd="/",
                    env={"PANTHER_SUPERVISOR": run_id},
                )
        except OSError as error:
            ours.close()
            raise ResourceExhaustionException(f"the process supervisor could not be started: {error}") from error
        supervisor = cls(
            run_id=run_id, output_limit=output_limit, sampler=Sampler(sample_interval), child=child, link=ours
        )
        supervisor.launcher = LocalLauncher(
            run_id=run_id,
            output_limit=output_limit,
            enroll=supervisor._enroll,
            send=supervisor._send,
            ask_pids=supervisor._ask_pids,
            sampler=supervisor._sampler,
            floor=lambda: supervisor._floor,
        )
        supervisor.commands = LocalCommandProcessor(supervisor.launcher, emit)
        supervisor._reader = threading.Thread(target=supervisor._read, name="panther-supervisor", daemon=True)
        supervisor._reader.start()
        return supervisor

    def __enter__(self) -> Self:
        """Return the running supervisor."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End every process of the run."""
        self.close()

    def close(self) -> None:
        """End every process of the run, and the supervisor; return when none is left."""
        self._closing = True
        with contextlib.suppress(OSError):  # It may have gone already; all who waited were told.
            self._link.shutdown(socket.SHUT_WR)
        self._reader.join(_END_PATIENCE)
        self._link.close()
        self._sampler.close()

    def _enroll(self, make: Callable[[int], LocalProcess]) -> LocalProcess:
        token = next(self._numbers)
        process = self._processes[token] = make(token)
        return process

    def _send(self, *message: object) -> None:
        """Send a request; raise when nobody can carry it out any more."""
        data = frame(message)
        try:
            with self._sending:
                self._link.sendall(data)
        except OSError:
            self._reader.join(_END_PATIENCE)
        if self._lost and message[0] == "spawn":
            raise TestExecutionError(self._lost)

    def _ask_pids(self, token: int) -> tuple[int, ...]:
        number = next(self._numbers)
        reply = self._replies[number] = queue.SimpleQueue()
        self._send("pids", number, token)
        if self._lost:
            self._replies.pop(number, None)
            return ()
        return reply.get()

    def _read(self) -> None:
        """Carry every notice to the process it is about, until there will be no more."""
        buffer = bytearray()
        try:
            while data := self._receive():
                buffer += data
                for kind, *rest in unframe(buffer):
                    self._dispatch(kind, rest)
        except BaseException as error:
            self._crash = f"its notices could not be read: {error!r}"
            raise
        finally:
            with contextlib.suppress(OSError):
                self._link.shutdown(socket.SHUT_RDWR)
            self._over()

    def _receive(self) -> bytes:
        try:
            return self._link.recv(1 << 16)
        except OSError:
            return b""

    def _dispatch(self, kind: str, rest: list[Any]) -> None:
        if kind == "ready":
            self.pid, floor = rest
            self._floor = floor * 3 // 2  # It grows a little while it works.
        elif kind == "pids":
            reply = self._replies.pop(rest[0], None)
            if reply is not None:
                reply.put(tuple(rest[1]))
        elif kind == "crashed":
            self._crash = str(rest[0])
        else:
            process = self._processes.get(rest[0])
            if process is not None:
                getattr(process, f"on_{kind}")(*rest[1:])

    def _over(self) -> None:
        """Wait until the guard has ended what was left, then tell all who still wait."""
        try:
            self._child.wait(_END_PATIENCE)
        except subprocess.TimeoutExpired:
            kill_run(self.run_id)
        if not self._closing:
            kill_run(self.run_id)
        why = self._crash.strip().rpartition("\n")[2] or "somebody has killed it"
        self._lost = (
            f"the process supervisor (pid {self.pid}) of run {self.run_id} is closed"
            if self._closing
            else f"the process supervisor (pid {self.pid}) of run {self.run_id} has ended: {why}\n"
            "  because of that all its programs were ended\n  try: run the experiment again"
        )
        for process in list(self._processes.values()):
            process.on_lost(self._lost)
        for number in list(self._replies):
            self._replies.pop(number).put(())
