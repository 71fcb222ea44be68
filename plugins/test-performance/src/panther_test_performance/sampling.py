"""What every service uses while it runs, sampled from /proc."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Self

import attrs

TICK = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")
SERIES = "performance/series.csv"
"""Where the samples stand in the folder of an attempt."""


@attrs.frozen(kw_only=True)
class Sample:
    """What a service has used up to a moment."""

    at: float
    """Seconds since the epoch."""
    cpu: float = 0.0
    rss: int = 0
    read: int = 0
    written: int = 0


@attrs.define
class Sampler:
    """Looks at the processes of every service again and again, in a thread of its own, as long as the block runs."""

    pids: Mapping[str, Callable[[], Iterable[int]]]
    """Gives the live processes of each service."""
    interval: float
    samples: dict[str, list[Sample]] = attrs.field(factory=dict)
    _used: dict[int, tuple[str, Sample]] = attrs.field(factory=dict)
    """The last that was seen of every process; one that has ended keeps what it used."""
    _zero: float = attrs.field(factory=lambda: time.time() - time.monotonic())
    _over: threading.Event = attrs.field(factory=threading.Event)
    _thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        """Start to look."""
        self.look()
        self._thread = threading.Thread(target=self._run, name="sampler", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Look a last time and stop."""
        self._over.set()
        if self._thread is not None:
            self._thread.join()
        self.look()

    def _run(self) -> None:
        while not self._over.wait(self.interval):
            self.look()

    def look(self) -> None:
        """Take one sample of every service."""
        now = self._zero + time.monotonic()
        for service, pids in self.pids.items():
            live = [(pid, found) for pid in pids() if (found := usage(pid, now)) is not None]
            self._used |= {pid: (service, found) for pid, found in live}
            used = [each for owner, each in self._used.values() if owner == service]
            self.samples.setdefault(service, []).append(
                Sample(
                    at=now,
                    cpu=sum(each.cpu for each in used),
                    rss=sum(each.rss for _, each in live),
                    read=sum(each.read for each in used),
                    written=sum(each.written for each in used),
                )
            )

    def write(self, path: Path) -> None:
        """Write all samples as a table."""
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w", encoding="ascii") as file:
            file.write("time,service,cpu_seconds,rss_bytes,read_bytes,written_bytes\n")
            for service, samples in self.samples.items():
                for each in samples:
                    file.write(f"{each.at:.6f},{service},{each.cpu:.4f},{each.rss},{each.read},{each.written}\n")


def usage(pid: int, now: float) -> Sample | None:
    """Return what a process has used so far, or None if it is gone."""
    try:
        words = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
        counters = _io(pid)
        return Sample(
            at=now,
            cpu=(int(words[11]) + int(words[12])) / TICK,
            rss=int(words[21]) * PAGE,
            read=counters.get("read_bytes", 0),
            written=counters.get("write_bytes", 0),
        )
    except (OSError, IndexError, ValueError):
        return None


def _io(pid: int) -> Mapping[str, int]:
    """Return the I/O counters, or nothing for a process of somebody else."""
    try:
        lines = Path(f"/proc/{pid}/io").read_text(encoding="ascii").splitlines()
    except PermissionError:
        return {}
    return {key: int(value) for key, _, value in (line.partition(": ") for line in lines)}


def used_between(samples: Iterable[Sample], begin: float, end: float) -> Sample:
    """Return what was used between two moments: differences of counters, the largest memory."""
    every = list(samples)
    inside = [each for each in every if begin <= each.at <= end] or every
    first, last = _at(every, begin), _at(every, end)
    return Sample(
        at=end,
        cpu=max(0.0, last.cpu - first.cpu),
        rss=max((each.rss for each in inside), default=0),
        read=max(0, last.read - first.read),
        written=max(0, last.written - first.written),
    )


def _at(samples: list[Sample], moment: float) -> Sample:
    """Return the counters at a moment, interpolated between the samples around it."""
    before = [each for each in samples if each.at <= moment]
    after = [each for each in samples if each.at > moment]
    if not before or not after:
        return (before or after or [Sample(at=moment)])[-1 if before else 0]
    one, other = before[-1], after[0]
    share = (moment - one.at) / (other.at - one.at)
    return Sample(
        at=moment,
        cpu=one.cpu + share * (other.cpu - one.cpu),
        read=round(one.read + share * (other.read - one.read)),
        written=round(one.written + share * (other.written - one.written)),
    )
