"""What services cost while they run, and the cap on what they print: one thread for all of them."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Protocol

import attrs

from panther_core.process.supervisor import descendants
from panther_hookspecs import Usage

TAIL = 64 << 10
"""Bytes of the latest output that are kept beside a capped file."""
_FIRST_CHECK = 0.02
_FIRST_SAMPLE = 0.05
_SHORTEST = 0.005
_HEADROOM = 4 << 20
_MOST_SAMPLES = 512
_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")


@attrs.frozen
class Sample:
    """One look at the whole tree of a service."""

    at: float
    """Seconds since the service was started."""
    cpu: float
    rss_bytes: int
    read_bytes: int
    write_bytes: int
    processes: int


@attrs.define
class StreamCap:
    """Keeps an output file at ``limit`` bytes while its program goes on writing."""

    path: Path
    limit: int
    kept: int = 0
    """Bytes in the file when it was last looked at."""
    dropped: int = 0
    _latest: bytes = b""
    _lock: threading.Lock = attrs.field(factory=threading.Lock)

    @property
    def written(self) -> int:
        """How much the program has written, as far as is known; it may be a little more."""
        return self.kept + self.dropped

    def check(self) -> None:
        """Cut the file back if it has grown too long, remembering the latest part of what is cut."""
        with self._lock, contextlib.suppress(OSError):
            size = self.path.stat().st_size
            self.kept = size if size <= self.limit else self._cut(size)

    def _cut(self, size: int) -> int:
        with self.path.open("r+b") as file:
            file.seek(max(self.limit, size - TAIL))
            self._latest = (self._latest + file.read(TAIL))[-TAIL:]
            self.dropped += os.fstat(file.fileno()).st_size - self.limit
            file.truncate(self.limit)
        return self.limit

    def finish(self) -> None:
        """Look for the last time, and write the latest output to ``<stream>.tail`` if any was cut."""
        self.check()
        if self.dropped and not self.path.is_relative_to("/proc"):
            with contextlib.suppress(OSError):  # Where the disk is full the tail is missing; how much was cut is known.
                self.path.with_name(f"{self.path.name}.tail").write_bytes(self._latest)


class Watched(Protocol):
    """What the sampler needs of a process."""

    @property
    def streams(self) -> Sequence[StreamCap]:
        """Its outputs."""

    @property
    def started(self) -> float:
        """When it was started, on the monotonic clock."""

    def roots(self) -> list[int]:
        """Return the tops of its trees; none once all has ended."""

    def sampled(self, sample: Sample) -> None:
        """Take one sample."""


@attrs.define(eq=False)
class _Watch:
    process: Watched
    sample_at: float
    check_at: float
    written: int = 0
    checked: float = 0.0


@attrs.define(eq=False)
class Sampler:
    """Looks at every process that lives longer than a moment."""

    interval: float = 0.25
    _new: list[_Watch] = attrs.field(factory=list)
    _wake: threading.Event = attrs.field(factory=threading.Event)
    _lock: threading.Lock = attrs.field(factory=threading.Lock)
    _thread: threading.Thread | None = None
    _closed: threading.Event = attrs.field(factory=threading.Event)

    def watch(self, process: Watched) -> None:
        """Begin to look at ``process``; nothing happens to one that ends at once."""
        now = time.monotonic()
        with self._lock:
            self._new.append(_Watch(process, now + _FIRST_SAMPLE, now + _FIRST_CHECK))
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="panther-sampler", daemon=True)
                self._thread.start()
        self._wake.set()

    def close(self) -> None:
        """End the thread."""
        self._closed.set()
        self._wake.set()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        watches: list[_Watch] = []
        while not self._closed.is_set():
            if not watches:
                self._wake.wait()
                self._closed.wait(_FIRST_CHECK)
            self._wake.clear()
            with self._lock:
                watches += self._new
                self._new.clear()
            watches = [watch for watch in watches if self._look(watch, time.monotonic())]
            due = min((min(watch.sample_at, watch.check_at) for watch in watches), default=0.0)
            pause = max(due - time.monotonic(), _SHORTEST)
            if watches and self._wake.wait(pause):
                self._closed.wait(min(pause, _FIRST_CHECK))  # Others may follow at once: one look for all of them.

    def _look(self, watch: _Watch, now: float) -> bool:
        """Do what is due for one process; False when it need not be watched any more."""
        roots = watch.process.roots()
        if not roots:
            return False
        if now >= watch.check_at:
            watch.check_at = now + self._until_next_check(watch, now)
        if now >= watch.sample_at:
            watch.sample_at = now + self.interval
            watch.process.sampled(take_sample(roots, now - watch.process.started))
        return True

    def _until_next_check(self, watch: _Watch, now: float) -> float:
        """Cut the outputs; return how long they need, at the present rate, to grow by a harmless amount."""
        for stream in watch.process.streams:
            stream.check()
        written = sum(stream.written for stream in watch.process.streams)
        rate = (written - watch.written) / (now - watch.checked) if watch.checked else written / _FIRST_CHECK
        watch.written, watch.checked = written, now
        return min(max(_HEADROOM / rate, _SHORTEST), self.interval) if rate > 0 else self.interval


def take_sample(roots: Iterable[int], at: float) -> Sample:
    """Add up what the trees below ``roots`` use at this moment."""
    pids = descendants(roots)
    cpu = rss = read = written = 0
    for pid in pids:
        # A process may vanish meanwhile, and one with other rights than ours hides its io.
        with contextlib.suppress(OSError):
            stat = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
            cpu += sum(map(int, stat[11:15]))
            rss += int(stat[21]) * _PAGE
            io = dict(line.split(b": ") for line in Path(f"/proc/{pid}/io").read_bytes().splitlines())
            read += int(io[b"read_bytes"])
            written += int(io[b"write_bytes"])
    return Sample(at, cpu / _TICKS, rss, read, written, len(pids))


def thinned(samples: list[Sample]) -> list[Sample]:
    """Return every second sample once there are too many, so that they still cover the whole time."""
    return samples if len(samples) < _MOST_SAMPLES else samples[::2]


def added(usage: Usage, figures: Sequence[float], floor: int = 0) -> Usage:
    """Return ``usage`` with the rusage ``figures`` of one more ended process; its peak counts only above ``floor``."""
    user, system, rss, read, written, voluntary, involuntary = figures
    return attrs.evolve(
        usage,
        cpu_user=usage.cpu_user + user,
        cpu_system=usage.cpu_system + system,
        max_rss_bytes=max(usage.max_rss_bytes, int(rss) if rss > floor or not usage.max_rss_bytes else 0),
        read_bytes=usage.read_bytes + int(read),
        write_bytes=usage.write_bytes + int(written),
        voluntary_switches=usage.voluntary_switches + int(voluntary),
        involuntary_switches=usage.involuntary_switches + int(involuntary),
    )
