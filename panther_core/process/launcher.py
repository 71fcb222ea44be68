"""The engine's end of a started process: waiting, signals, the end of its whole tree, and what it cost."""

from __future__ import annotations

import os
import queue
import signal as signals
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import attrs

from panther_core.process._failures import describe_start_failure
from panther_core.process.supervisor import program_below
from panther_core.process.usage import Sample, Sampler, StreamCap, added, take_sample, thinned
from panther_hookspecs import ExitStatus, Launcher, Process, ServiceCommand, Usage

KILL_PATIENCE = 10.0
"""Seconds to wait for a killed tree to vanish before it is called unkillable."""
_UNFIT = (b"PYTHONHOME", b"PYTHONSTARTUP", b"PYTHONINSPECT", b"PANTHER_SUPERVISOR")


def _inherited() -> dict[bytes, bytes]:
    """Return the environment that programs inherit: ours, without what would change any Python among them."""
    variables = dict(os.environb)
    for name in _UNFIT:
        variables.pop(name, None)
    return variables


def _bytes(variables: Mapping[str, str]) -> dict[bytes, bytes]:
    return {os.fsencode(key): os.fsencode(value) for key, value in variables.items()}


@attrs.frozen
class _Asked:
    """Why we are ending a process."""

    reason: str
    signal: int
    detail: str = ""


@attrs.define(eq=False)
class LocalProcess(Process):
    """A process below the supervisor. Its state is changed by the thread that reads the supervisor's notices."""

    name: str
    command: ServiceCommand
    cwd: str
    paths: tuple[str, str, str]
    streams: tuple[StreamCap, ...]
    token: int
    send: Callable[..., None]
    ask_pids: Callable[[int], tuple[int, ...]]
    pid: int = 0
    """0 if it could not be started."""
    started: float = attrs.field(factory=time.monotonic)
    samples: list[Sample] = attrs.field(factory=list)
    """Looks at the whole tree over time, thinned out when there are many."""
    floor: Callable[[], int] = attrs.field(kw_only=True)
    """How large every program looks at least, because it is started from a process of that size."""
    _began: queue.SimpleQueue[bool] = attrs.field(factory=queue.SimpleQueue)
    _ended: threading.Event = attrs.field(factory=threading.Event)
    _exit: ExitStatus | None = None
    _usage: Usage = Usage()
    _asked: _Asked | None = None
    _daemons: set[int] = attrs.field(factory=set)
    _gone: deque[queue.SimpleQueue[bool]] = attrs.field(factory=deque)

    @property
    def program_pid(self) -> int:
        """The process id of the program itself, below any wrapper that forks."""
        forks = self.command.forks
        if not forks or not self.pid:
            return self.pid
        return program_below(self.pid, forks, _encoded(self.command.program.argv)) or self.pid

    @property
    def exit(self) -> ExitStatus | None:
        """How it ended, or None while it runs."""
        return self._exit

    @property
    def usage(self) -> Usage:
        """What it and everything below it cost, daemons included; final once all has ended."""
        if self._exit is not None or not self.pid:
            return self._usage
        now = take_sample(self.roots(), 0.0)
        return attrs.evolve(
            self._usage,
            cpu_user=now.cpu,
            max_rss_bytes=max(self._usage.max_rss_bytes, now.rss_bytes),
            read_bytes=now.read_bytes,
            write_bytes=now.write_bytes,
            source="proc",
        )

    @property
    def capped(self) -> Mapping[str, int]:
        """Streams whose file was cut, each with the bytes that the program has written (at least)."""
        return {stream.path.name: stream.written for stream in self.streams if stream.dropped}

    def roots(self) -> list[int]:
        """Return the tops of its process trees: itself while it runs, and its daemons."""
        return [*([self.pid] if self.pid and self._exit is None else []), *tuple(self._daemons)]

    def pids(self) -> tuple[int, ...]:
        """Return every live process of the tree, daemons that left it included."""
        return self.ask_pids(self.token) if self.roots() else ()

    def signal(self, number: int) -> None:
        """Send a signal to the program, never to a wrapper; nothing happens if it has ended."""
        if self._exit is None:
            self.send("signal", self.token, int(number))

    def wait(self, timeout: float | None = None) -> ExitStatus | None:
        """Wait for the end; None if it still runs after ``timeout`` seconds."""
        self._ended.wait(timeout)
        return self._exit

    def stop(self, *, signal: int, grace: float) -> ExitStatus:
        """Ask the program to end with ``signal``; after ``grace`` seconds kill the whole tree. Return how it ended."""
        if self._exit is None:
            self._asked = _Asked("stopped", signal)
            self.signal(signal)
            if self.wait(grace) is None:
                detail = f"still ran {grace:g} s after {_signal_name(signal)}, so it was killed"
                return self.end("stopped", detail)
        return self.end("stopped")

    def kill(self) -> ExitStatus:
        """End the whole tree at once, daemons included."""
        return self.end("stopped")

    def end(self, reason: str, detail: str = "") -> ExitStatus:
        """Kill all that is left of the tree; ``reason`` and ``detail`` go into the status if the program still ran."""
        if self.roots():
            if self._exit is None:
                self._asked = _Asked(reason, signals.SIGKILL, detail)
            reply: queue.SimpleQueue[bool] = queue.SimpleQueue()
            self._gone.append(reply)
            self.send("kill", self.token)
            if self.roots():
                self._wait_until_gone(reply)
        unkillable = f"process {self.pid} cannot be killed: it hangs in the kernel"
        return self._exit or ExitStatus(signal=9, reason=reason, detail=unkillable)

    def _wait_until_gone(self, reply: queue.SimpleQueue[bool]) -> None:
        try:
            reply.get(timeout=KILL_PATIENCE)
        except queue.Empty:
            return

    def sampled(self, sample: Sample) -> None:
        """Take a look of the sampler."""
        self.samples = [*thinned(self.samples), sample]

    def begin(self) -> None:
        """Wait until the supervisor has started it, or could not."""
        self._began.get()

    def on_started(self, pid: int) -> None:
        """Notice: it runs."""
        self.pid = pid
        self._began.put(True)

    def on_failed(self, stage: str, number: int, detail: str) -> None:
        """Notice: it could not be started."""
        self.fail(
            describe_start_failure(
                stage, number, detail, program=self.command.argv[0], cwd=self.cwd, streams=self.paths
            )
        )

    def fail(self, detail: str) -> None:
        """Let it have ended before it began."""
        self._exit = ExitStatus(reason="start_failed", detail=detail)
        self._ended.set()
        self._began.put(False)

    def on_ended(self, code: int, figures: Sequence[float], daemons: Sequence[int]) -> None:
        """Notice: the process itself has ended, having left ``daemons`` behind."""
        self._daemons.update(daemons)
        self._finish_streams()
        peak = max((sample.rss_bytes for sample in self.samples), default=0)
        seen = attrs.evolve(
            self._usage, max_rss_bytes=max(peak, self._usage.max_rss_bytes), source="rusage+proc" if peak else "rusage"
        )
        self._usage = added(seen, figures, self.floor())
        self._exit = _status(code, self._asked)
        self._ended.set()

    def on_adopted(self, pid: int) -> None:
        """Notice: a process of the tree has left it."""
        self._daemons.add(pid)

    def on_cost(self, pid: int, figures: Sequence[float]) -> None:
        """Notice: a process that had left the tree has ended."""
        self._usage = added(self._usage, figures, self.floor())
        self._daemons.discard(pid)
        if not self.roots():
            self._finish_streams()

    def on_gone(self) -> None:
        """Notice: nothing of it is left."""
        self._daemons.clear()
        self._finish_streams()
        while self._gone:
            self._gone.popleft().put(True)

    def on_lost(self, detail: str) -> None:
        """Notice: the supervisor has gone, and everything below it was killed."""
        if not self.pid:
            self.fail(detail)
        elif self._exit is None:
            self._exit = ExitStatus(signal=9, reason="signal", detail=detail)
            self._ended.set()
        self.on_gone()

    def _finish_streams(self) -> None:
        for stream in self.streams:
            stream.finish()


def _signal_name(number: int) -> str:
    return signals.Signals(number).name if number in signals.valid_signals() else f"signal {number}"


def _status(code: int, asked: _Asked | None) -> ExitStatus:
    """Return the status; a death by another signal than ours is the program's own, even while it is being stopped."""
    number = -code if code < 0 else None
    exit_code = None if code < 0 else code
    if asked is not None and number in (None, asked.signal, signals.SIGKILL):
        return ExitStatus(code=exit_code, signal=number, reason=asked.reason, detail=asked.detail)
    return ExitStatus(code=exit_code, signal=number, reason="exit" if number is None else "signal")


def _encoded(texts: Sequence[str]) -> list[bytes]:
    return [os.fsencode(text) for text in texts]


@attrs.define(eq=False)
class LocalLauncher(Launcher):
    """Starts processes through the supervisor of one run."""

    run_id: str
    output_limit: int
    enroll: Callable[[Callable[[int], LocalProcess]], LocalProcess]
    """Gives a new process its number and makes notices reach it."""
    send: Callable[..., None]
    ask_pids: Callable[[int], tuple[int, ...]]
    sampler: Sampler
    floor: Callable[[], int]

    def start(
        self,
        command: ServiceCommand,
        *,
        name: str,
        folder: Path,
        env: Mapping[str, str] | None = None,
        output_limit: int | None = None,
    ) -> LocalProcess:
        """Start ``command`` with ``folder/stdout`` and ``folder/stderr`` as its output.

        ``env`` replaces the inherited environment; the command's own variables come on top of either. A command that
        cannot start gives a Process that has already ended with reason ``start_failed``.
        """
        return self.launch(
            command,
            name=name,
            cwd=folder,
            stdin="/dev/null",
            stdout=folder / "stdout",
            stderr=folder / "stderr",
            env=env,
            output_limit=output_limit,
        )

    def launch(
        self,
        command: ServiceCommand,
        *,
        name: str,
        cwd: Path,
        stdin: str,
        stdout: Path,
        stderr: Path,
        env: Mapping[str, str] | None = None,
        output_limit: int | None = None,
    ) -> LocalProcess:
        """Start ``command`` with any files as its input and output."""
        limit = self.output_limit if output_limit is None else output_limit
        folder = str(cwd.absolute() / (command.program.working_dir or ""))
        paths = (stdin, str(stdout.absolute()), str(stderr.absolute()))
        streams = tuple(StreamCap(Path(path), limit) for path in paths[1:])
        process = self.enroll(
            lambda token: LocalProcess(
                name=name,
                command=command,
                cwd=folder,
                paths=paths,
                streams=streams,
                token=token,
                send=self.send,
                ask_pids=self.ask_pids,
                floor=self.floor,
            )
        )
        marks = {"PANTHER_RUN": self.run_id, "PANTHER_SERVICE": name, "PANTHER_PROCESS": str(process.token)}
        variables = (_inherited() if env is None else _bytes(env)) | _bytes({**command.program.env, **marks})
        self.send(
            "spawn",
            process.token,
            _encoded(command.argv),
            variables,
            os.fsencode(folder),
            _encoded(paths),
            command.forks,
            _encoded(command.program.argv),
        )
        process.begin()
        if process.pid:
            self.sampler.watch(process)
        return process
