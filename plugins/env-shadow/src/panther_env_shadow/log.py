"""Reads what the simulator writes about itself: how far it is, how processes ended, what it could not do. Pure."""

from __future__ import annotations

import re
import signal
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

import attrs

from panther_hookspecs import ExitStatus

_LINE = re.compile(r"\S+ \[\d+:[^\]]*\] (\S+) \[(\w+)\] \[([^\]]*)\] \[[^\]]*\] \[[^\]]*\] (.*)")
_TIME = re.compile(r"(\d+):(\d\d):(\d\d)\.(\d{9})\Z")
_HEARTBEAT = re.compile(rb"simtime (\d+)(?: ns)? reported by getrusage")
_ENDED = re.compile(r"process '[^']*' exited with status .*; expected end state was running but was (\w+): (\w+)")
_SYSCALL = re.compile(r"Detected unsupported syscall (\S+) \(\d+\) called from thread \d+ in process (\S+)")
_PREFIX = re.compile(r"\A(\*\* ?|Error:)*\s*(\d+: )?")
_NO_REASON = ("Starting Shadow", "Caused by", "See the log")


@attrs.frozen(kw_only=True)
class Ending:
    """How and when the process of a host ended."""

    code: int | None = None
    signal: int | None = None
    at: float = 0.0
    """Simulated seconds from the beginning."""


@attrs.frozen
class Lack:
    """Something that a program asked for and the simulator could not do."""

    host: str
    kind: str
    """``syscall``, or ``other``: an option, a flag, a kind of socket."""
    what: str


@attrs.frozen(kw_only=True)
class Told:
    """What the log of a whole simulation tells."""

    endings: Mapping[str, Ending]
    """By host; a host that is missing ran until all was over."""
    lacks: Mapping[Lack, int]
    finished: bool


def read_log(lines: Iterable[str]) -> Told:
    """Read the whole log."""
    endings: dict[str, Ending] = {}
    lacks: Counter[Lack] = Counter()
    finished = False
    for line in lines:
        match = _LINE.match(line)
        if match is None:
            continue
        time, level, place, text = match.groups()
        host = place.partition(":")[0]
        if level == "ERROR" and (ended := _ENDED.search(text)):
            endings[host] = _ending(ended[1], ended[2], _seconds(time))
        elif level == "WARN" and host != "n/a":
            lacks[_lack(host, text.removeprefix("(LOG_ONCE) "))] += 1
        finished = finished or text.startswith("Finished simulation")
    return Told(endings=endings, lacks=lacks, finished=finished)


def _ending(word: str, value: str, at: float) -> Ending:
    if word == "exited":
        return Ending(code=int(value), at=at)
    return Ending(signal=signal.Signals[value].value if value in signal.Signals.__members__ else int(value), at=at)


def _lack(host: str, text: str) -> Lack:
    match = _SYSCALL.match(text)
    return Lack(host, "syscall", match[1]) if match else Lack(host, "other", text)


def _seconds(text: str) -> float:
    match = _TIME.match(text)
    if match is None:
        return 0.0
    hours, minutes, seconds, nanoseconds = map(int, match.groups())
    return hours * 3600 + minutes * 60 + seconds + nanoseconds / 1e9


def newest_heartbeat(text: bytes) -> float | None:
    """Return the simulated seconds of the last heartbeat in a part of the log, if there is one."""
    found = _HEARTBEAT.findall(text)
    return int(found[-1]) / 1e9 if found else None


def complaints(stderr: str) -> Iterator[str]:
    """Yield the reasons that the simulator gives for having failed, the outermost first."""
    for raw in stderr.partition("Stack backtrace")[0].splitlines():
        line = _PREFIX.sub("", raw)
        if line and not line.startswith(_NO_REASON):
            yield line


def status_of(ending: Ending | None, *, stop: float | None, ends_by_itself: bool) -> ExitStatus:
    """Return how a service ended in the words of PANTHER: one that was asked to end has been stopped."""
    if ending is None:
        if ends_by_itself:
            return ExitStatus(
                signal=signal.SIGKILL, reason="timeout", detail="it still ran when simulated time was over"
            )
        return ExitStatus(signal=signal.SIGKILL, reason="stopped", detail="it did not end when it was asked to")
    asked = stop is not None and ending.at >= stop
    reason = "stopped" if asked else "exit" if ending.signal is None else "signal"
    return ExitStatus(code=ending.code, signal=ending.signal, reason=reason)
