"""The connection to an agent: made, broken, taken up again, without anybody above noticing more than a delay."""

from __future__ import annotations

import contextlib
import itertools
import os
import secrets
import select
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import IO, Any, NoReturn

import attrs

from panther_core.remote.boot import CANNOT_START, OLDEST, TOO_OLD, bootstrap, loader
from panther_core.remote.far.wire import CHUNK, READY, frame, unframe
from panther_hookspecs import (
    EnvironmentUnavailableError,
    PantherExperimentError,
    Reach,
    SystemLostError,
    TestExecutionError,
)

ANSWER_WITHIN = 30.0
SILENCE = 30.0
"""Seconds, or the lease if that is longer, after which a connection over which nothing comes counts as broken."""
BEATS = 3
"""How often the agent says within that time that it is there."""
LONGEST_PAUSE = 2.0

Told = Callable[[Mapping[str, Any], bytes], None]


@attrs.define(eq=False)
class Request:
    """A question without an answer yet; it is asked again after a break."""

    number: int
    data: bytes
    parts: IO[bytes] | None = None
    """Where the parts of a long answer go."""
    answer: Mapping[str, Any] | None = None
    done: threading.Event = attrs.field(factory=threading.Event)


@attrs.define(eq=False)
class Connection:
    """Talks with the agent called ``agent`` through ``reach``."""

    name: str
    """The system's, for messages."""
    reach: Reach
    agent: str
    lease: float
    base: str = ""
    python: str = "python3"
    oldest: tuple[int, int] = OLDEST
    """The version of Python that is needed there."""
    is_alive: Callable[[], bool] = lambda: True
    """Whether there is anything to come back to; asked before each attempt to take a broken connection up again."""
    facts: Mapping[str, str] = attrs.field(factory=dict)
    breaks: int = 0
    """How often it broke; counted before anything is heard over the next one."""
    _told: Told = attrs.field(default=lambda _message, _blob: None)
    _back: Callable[[bool], None] = attrs.field(default=lambda _reborn: None)
    _gone: Callable[[str], None] = attrs.field(default=lambda _why: None)
    _session: str = attrs.field(factory=lambda: secrets.token_hex(8))
    _birth: str = ""
    _heard: int = 0
    _buffer: bytearray = attrs.field(factory=bytearray)
    _process: subprocess.Popen[bytes] | None = None
    _errors: IO[bytes] = attrs.field(factory=tempfile.TemporaryFile)
    _requests: dict[int, Request] = attrs.field(factory=dict)
    _numbers: Iterator[int] = attrs.field(factory=lambda: itertools.count(1))
    _lock: threading.RLock = attrs.field(factory=threading.RLock)
    _closing: threading.Event = attrs.field(factory=threading.Event)
    _lost: str = ""
    _thread: threading.Thread | None = None

    def open(self, told: Told, back: Callable[[bool], None], gone: Callable[[str], None]) -> None:
        """Connect for the first time; EnvironmentUnavailableError says why that is not possible.

        All are called in the thread that reads: ``told`` with everything the agent tells by itself, ``back`` when a
        broken connection was taken up again (with whether the agent is a new one that knows nothing), and ``gone``
        once, when the agent cannot be reached any more.
        """
        self._told, self._back, self._gone = told, back, gone
        try:
            self._connect()
        except (OSError, PantherExperimentError) as error:
            self._errors.close()
            lasting = isinstance(error, FileNotFoundError | EnvironmentUnavailableError)
            raise EnvironmentUnavailableError(f"{self.name} cannot be used: {error}", lasting=lasting) from error
        self._thread = threading.Thread(target=self._serve, name=f"agent-{self.name}", daemon=True)
        self._thread.start()

    def ask(self, message: Mapping[str, Any], blob: bytes = b"", parts: IO[bytes] | None = None) -> Mapping[str, Any]:
        """Send a request and wait for the answer, over as many connections as it takes."""
        number = next(self._numbers)
        request = Request(number, frame({**message, "id": number, "heard": self._heard}, blob), parts)
        with self._lock:
            self.refuse_if_lost()
            self._requests[number] = request
            self._write(request.data)
        request.done.wait()
        answer = request.answer
        if answer is None:
            raise SystemLostError(self._lost)
        if "error" in answer:
            raise (SystemLostError if answer.get("full") else TestExecutionError)(f"on {self.name}: {answer['error']}")
        return answer

    def send(self, message: Mapping[str, Any]) -> None:
        """Send what needs no answer; after a break it is for the caller to say it again."""
        with self._lock:
            self._write(frame({**message, "heard": self._heard}))

    def close(self) -> None:
        """Say that nobody comes back, and wait until the agent has ended what runs there."""
        if not self._closing.is_set():
            self._closing.set()
            self.send({"do": "bye"})
            self._finish()

    def leave(self) -> None:
        """Break the connection without a word: what runs there goes on until the lease is over."""
        self._closing.set()
        process = self._process
        if process is not None:
            process.kill()
        self._finish()

    def _finish(self) -> None:
        if self._thread is not None:
            self._thread.join(ANSWER_WITHIN)
        self._end_process()
        self._errors.close()

    def refuse_if_lost(self) -> None:
        """Raise SystemLostError if there is nothing at the other end any more."""
        if self._lost:
            raise SystemLostError(self._lost)

    def _write(self, data: bytes) -> None:
        process = self._process
        if process is not None and process.stdin is not None:
            with contextlib.suppress(OSError, ValueError):  # whoever reads notices the break and takes it up again
                write_all(process.stdin, data)

    def _serve(self) -> None:
        """Read until the end; connect again whenever the connection breaks."""
        while True:
            self._read()
            if self._closing.is_set() or not self._again():
                return

    def _read(self) -> None:
        """Take what comes until the connection has ended, or its other end is silent: there is nobody then."""
        process = self._process
        assert process is not None
        assert process.stdout is not None
        coming = select.poll()
        coming.register(process.stdout, select.POLLIN)
        data = b"some"
        with contextlib.suppress(OSError, ValueError):
            while data:
                for message, blob in unframe(self._buffer):
                    self._take(message, blob)
                data = os.read(process.stdout.fileno(), CHUNK) if coming.poll(self._silence * 1000) else b""
                self._buffer += data

    @property
    def _silence(self) -> float:
        return max(self.lease, SILENCE)

    def _take(self, message: Mapping[str, Any], blob: bytes) -> None:
        if "for" in message:
            self._answer(message, blob)
            return
        if message["number"] <= self._heard:
            return
        self._heard = message["number"]
        self._told(message, blob)

    def _answer(self, message: Mapping[str, Any], blob: bytes) -> None:
        request = self._requests.get(message["for"])
        if request is None:
            return
        if message.get("more"):
            if request.parts is not None:
                request.parts.write(blob)
            return
        with self._lock:
            self._requests.pop(message["for"], None)
        request.answer = message
        request.done.set()

    def _again(self) -> bool:
        """Take a broken connection up again; return whether it was before the lease was over, or it was gone."""
        self.breaks += 1
        until, pause, why = time.monotonic() + self.lease, 0.05, "the connection broke"
        while not self._closing.wait(pause):
            if not self.is_alive():
                self._give_up(f"{self.name} is gone: {why}")
                return False
            try:
                self._connect()
            except (OSError, PantherExperimentError) as error:
                why = str(error)
            else:
                return True
            if time.monotonic() >= until:
                self._give_up(f"{self.name} was not reachable for {self.lease:g} s: {why}")
                return False
            pause = min(2 * pause, LONGEST_PAUSE)
        self._give_up(f"the connection to {self.name} was closed")
        return False

    def _give_up(self, why: str) -> None:
        with self._lock:
            self._lost = why
            requests, self._requests = list(self._requests.values()), {}
        for each in requests:
            each.done.set()
        self._gone(why)

    def _connect(self) -> None:
        """Start the bridge, greet the agent, ask again what has no answer."""
        self._end_process()
        self._errors.seek(0)
        self._errors.truncate()
        argv = self.reach((self.python, *loader(self.oldest)))
        process = subprocess.Popen(
            argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._errors, bufsize=0, start_new_session=True
        )
        watch = threading.Timer(ANSWER_WITHIN, process.kill)
        watch.daemon = True
        watch.start()
        try:
            hello = self._greet(process)
        except (OSError, PantherExperimentError):
            end(process)
            raise
        finally:
            watch.cancel()
        known, self._birth, self.facts = self._birth, hello["birth"], hello["facts"]
        reborn = bool(known) and known != self._birth
        if reborn:
            self._heard = 0
        with self._lock:
            self._process = process
            for request in self._requests.values():
                if request.parts is not None:
                    request.parts.seek(0)
                    request.parts.truncate()
                self._write(request.data)
        if known:
            self._back(reborn)

    def _greet(self, process: subprocess.Popen[bytes]) -> Mapping[str, Any]:
        """Send the program, wait until it is ready, exchange greetings; what the agent tells besides is taken."""
        assert process.stdin is not None
        assert process.stdout is not None
        with contextlib.suppress(BrokenPipeError):
            write_all(process.stdin, bootstrap({"agent": self.agent, "base": self.base, "lease": self.lease}))
        buffer = self._buffer = bytearray()
        while READY not in buffer:
            self._more(process, buffer)
        del buffer[: buffer.index(READY) + len(READY)]
        about = {"session": self._session, "lease": self.lease, "beat": self._silence / BEATS}
        write_all(process.stdin, frame({"do": "hello", "id": 0, "heard": self._heard, **about}))
        while True:
            for message, blob in unframe(buffer):
                if message.get("for") == 0:
                    return message
                self._take(message, blob)
            self._more(process, buffer)

    def _more(self, process: subprocess.Popen[bytes], buffer: bytearray) -> None:
        assert process.stdout is not None
        data = os.read(process.stdout.fileno(), CHUNK)
        if not data:
            process.wait()
            self._errors.seek(0)
            said = self._errors.read()[-1000:].decode(errors="replace").strip().splitlines()
            self._refuse(process.returncode, said[-1] if said else "")
        buffer += data

    def _refuse(self, code: int, said: str) -> NoReturn:
        """Raise what it means that the way there has ended with ``code``."""
        needed = ".".join(map(str, self.oldest))
        fix = f"\n  try: install Python {needed} or later there, or name it with `interpreter` of the provisioner"
        if code == TOO_OLD:
            raise EnvironmentUnavailableError(f"{self.python} is Python {said} there, not {needed} or later{fix}")
        if code in CANNOT_START:
            raise EnvironmentUnavailableError(
                f"{self.python} cannot be started there{f': {said}' if said else ''}{fix}"
            )
        raise SystemLostError(said or f"the way there ended with exit code {code}")

    def _end_process(self) -> None:
        if self._process is not None:
            end(self._process)
            self._process = None


def end(process: subprocess.Popen[bytes]) -> None:
    """End what carries a connection."""
    process.kill()
    process.wait()
    for stream in (process.stdin, process.stdout):
        if stream is not None:
            with contextlib.suppress(OSError):
                stream.close()


def write_all(stream: IO[bytes], data: bytes) -> None:
    """Write everything to an unbuffered stream."""
    view = memoryview(data)
    while view:
        view = view[stream.write(view) :]
