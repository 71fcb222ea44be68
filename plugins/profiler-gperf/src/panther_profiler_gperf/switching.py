"""Signals that make a running program write its profile, and how to know that it has done so.

gperftools gives the profiles of a program and of those that it forks the same names. So each process is signalled on
its own, and its file gets a name of its own as soon as it is there.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

import attrs

from panther_hookspecs import Process, is_running
from panther_profiler_gperf.processes import (
    catches,
    executable,
    forked,
    is_pending,
    is_waiting,
    open_files,
    parent,
    time_on_cpu,
)

OWN = ".pid"
"""Stands in the name of a file before the number of the process that has written it."""
_STEP = 0.005
_AGAIN = 0.5
"""A signal that comes while the allocator is busy has no effect, so it is repeated."""
_LOOK = 0.05
_PREFERRED = 0.25
"""How long to wait for a good moment: a busy program may never have one."""
_RUNNABLE = 2.0
"""How long a process that could run may be kept from it by others."""
_GONE_ON = 5_000_000
"""Nanoseconds of running after which what was being initialised surely is."""
_ENOUGH = 2
"""Processes that have ended when they were signalled, after which no other is."""
_CLEARED = ": by chance, or because it has cleared its variable CPUPROFILE (nginx keeps it with `env CPUPROFILE;`)"


def until(true: Callable[[], bool], patience: float) -> bool:
    """Wait for ``true``; return whether it came true in time."""
    deadline = time.monotonic() + patience
    while not true():
        if time.monotonic() >= deadline:
            return False
        time.sleep(_STEP)
    return True


def handler_is_there(pid: int, number: int, patience: float) -> bool:
    """Wait until a process has a handler for the signal, as it has when gperftools is in it; False if it has none."""
    until(lambda: catches(pid, number) or not is_running(pid), patience)
    return catches(pid, number)


def program_of(process: Process, number: int, patience: float) -> int:
    """Return the process id of the program once it handles the signal: strace starts it some time after itself."""
    until(lambda: catches(process.program_pid, number) or process.exit is not None, patience)
    return process.program_pid


def at_a_good_moment(pid: int) -> None:
    """Wait until it is likely that a process is in the middle of nothing.

    The handler takes locks and allocates memory. If it comes while gperftools is being initialised, or within
    malloc(), the program can hang. So the process should wait for something, or at least have gone on for a while.
    """
    before = time_on_cpu(pid)
    until(lambda: is_waiting(pid) or not is_running(pid), _PREFERRED)
    if not is_waiting(pid):
        until(lambda: time_on_cpu(pid) - before >= _GONE_ON or not is_running(pid), _RUNNABLE)


@attrs.frozen
class Sender:
    """Signals processes of a service."""

    process: Process
    number: int
    main: int
    """The program itself, which its environment can signal wherever it runs."""

    def send(self, pid: int) -> None:
        """Send the signal; nothing happens if the process has ended."""
        if pid == self.main:
            self.process.signal(self.number)
            return
        try:
            os.kill(pid, self.number)
        except (ProcessLookupError, PermissionError):
            return


@attrs.define(eq=False)
class CpuSwitch:
    """Switches sampling on and off, process by process."""

    sender: Sender
    sampling: int
    """The signal that takes a sample: it has a handler when gperftools is ready."""
    folder: Path
    patience: float
    refused: list[str] = attrs.field(factory=list, init=False)
    """Processes that could not be sampled, with the reason."""
    _on: dict[int, Path] = attrs.field(factory=dict, init=False)
    _died: list[int] = attrs.field(factory=list, init=False)
    _tried: set[int] = attrs.field(factory=set, init=False)
    _lock: threading.Lock = attrs.field(factory=threading.Lock, init=False)

    def on(self, pid: int, patience: float | None = None) -> None:
        """Begin to sample a process; its file gets the process's number."""
        with self._lock:
            if pid in self._tried or len(self._died) >= _ENOUGH:
                return
            self._tried.add(pid)
            if not handler_is_there(pid, self.sender.number, self.patience if patience is None else patience):
                if is_running(pid):
                    self.refused.append(f"process {pid} has no handler for the signal: gperftools is not in it")
                return
            handler_is_there(pid, self.sampling, _PREFERRED)
            at_a_good_moment(pid)
            self.sender.send(pid)
            self._await_file(pid)
            for path in self._written_by(pid):
                self._on[pid] = path.rename(self.folder / f"cpu.prof{OWN}{pid}")
                return
            if is_running(pid):
                self.refused.append(f"process {pid} did not take the signal, or has a handler of its own for it")
            else:
                self._died.append(pid)
                self.refused.append(f"process {pid} ended when it got the signal{_CLEARED}")

    def _await_file(self, pid: int) -> None:
        """Wait until a process has opened its file; one that got the signal does that at once, or never."""

        def is_over() -> bool:
            return bool(self._written_by(pid)) or not is_running(pid)

        until(lambda: is_over() or not is_pending(pid, self.sender.number), self.patience)
        until(is_over, min(_RUNNABLE, self.patience))

    def off(self) -> None:
        """End sampling in all processes; return when their files are complete."""
        with self._lock:
            while self._on:
                pid, path = self._on.popitem()
                if path in open_files(pid, self.folder):
                    at_a_good_moment(pid)
                    self.sender.send(pid)
                    if not until(lambda pid=pid, path=path: path not in open_files(pid, self.folder), self.patience):  # type: ignore[misc]
                        self.refused.append(f"process {pid} did not take the signal to stop")

    def is_on(self, pid: int) -> bool:
        """Return whether a process is being sampled."""
        return pid in self._on

    def _written_by(self, pid: int) -> list[Path]:
        return [path for path in open_files(pid, self.folder) if OWN not in path.name]


@attrs.define(eq=False)
class Follower:
    """A thread that switches sampling on in processes of the service as they come up."""

    process: Process
    switch: CpuSwitch
    forks: bool
    """Whether only those are meant that the program has forked."""
    program: str
    """Name of the program that they must run; any if empty."""
    skipped: set[int] = attrs.field(factory=set, init=False)
    """Processes that were forked by one that was being sampled: they would spoil its file."""
    _stopped: threading.Event = attrs.field(factory=threading.Event, init=False)
    _thread: threading.Thread | None = attrs.field(default=None, init=False)

    def start(self) -> None:
        """Begin to look for processes."""
        self._thread = threading.Thread(target=self._run, name="panther-gperf", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Look no more; return when the thread has ended."""
        self._stopped.set()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        before: frozenset[int] = frozenset()
        while not self._stopped.is_set():
            # One that is about to start another program looks forked for a moment: it must be seen twice.
            now = self._wanted()
            for pid in sorted(now & before):
                if self.switch.is_on(parent(pid)):
                    self.skipped.add(pid)
                else:
                    self.switch.on(pid)
            before = now
            self._stopped.wait(_LOOK)

    def _wanted(self) -> frozenset[int]:
        pids = self.process.pids()
        meant = forked(pids) if self.forks else pids
        return frozenset(pid for pid in meant if self.program in ("", Path(executable(pid)).name))


def dump_heap(sender: Sender, pid: int, folder: Path, patience: float) -> Path | None:
    """Let a process write a heap profile; return the file when it is complete, None if the process wrote none."""
    if not handler_is_there(pid, sender.number, patience):
        return None
    deadline = time.monotonic() + patience
    before = frozenset(folder.glob("*.heap"))
    while time.monotonic() < deadline and is_running(pid):
        sender.send(pid)
        until(lambda: bool(frozenset(folder.glob("*.heap")) - before), _AGAIN)
        for path in sorted(frozenset(folder.glob("*.heap")) - before):
            until(lambda path=path: path not in open_files(pid, folder), patience)  # type: ignore[misc]
            return path
    return None


def named_after(path: Path, pid: int) -> Path:
    """Give a heap profile the number of its process, so that no other process writes over it."""
    stem, _, number = path.name.removesuffix(".heap").rpartition(".")
    return path.rename(path.with_name(f"{stem}{OWN}{pid}.{number}.heap"))
