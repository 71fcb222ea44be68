"""Reads a log of strace as it was written: line by line, in memory that does not grow with the log.

The hot path is one regular expression and a few additions for each line; everything rarer has a function of its own.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

import attrs

from panther_profiler_strace.addresses import address_in, path_in
from panther_profiler_strace.trace import (
    MOST_FAILURES,
    MOST_THINGS,
    OTHERS,
    Call,
    Death,
    Failure,
    Row,
    Target,
    Task,
    Trace,
)
from panther_profiler_strace.traffic import MOVING, RECEIVING, SENDING, Traffic

CUT = "+++ cut here: the log had reached its limit +++"
"""Stands in a log where lines are missing."""
_CHUNK = 1 << 20
_CALL = re.compile(r"(\d+) +(\d+\.\d+) (\w+)\((?:\d+<(.*?)>(?=[,)]))?(.*)\) += ([-?\w]+)(.*) <(\d+\.\d+)>\Z")
_RESUMED = re.compile(r"(\d+) +(\d+\.\d+) <\.\.\. (\w+) resumed>(.*)\Z", re.DOTALL)
_UNFINISHED = " <unfinished ...>"
_EVENT = re.compile(r"(\d+) +\d+\.\d+ (---|\+\+\+) (.*) (?:---|\+\+\+)\Z")
_NEVER_RETURNED = re.compile(
    r"\d+ +\d+\.\d+ (?:\w+\(|<\.\.\. \w+ resumed>).*(?:= \?(?: <unavailable>)?|<detached \.\.\.>)\Z"
)
_ROW = re.compile(r"\s*[\d.]+\s+(\d+)\.(\d{6})\s+\d+\s+(\d+)\s+(\d+)?\s*(\w+)\Z")
_ERROR = re.compile(r" (E[A-Z0-9_]+|\(errno \d+\)) ?(?:\(([^)]*)\))?")
_FATAL = frozenset(
    {"SIGSEGV", "SIGBUS", "SIGFPE", "SIGILL", "SIGABRT", "SIGSYS", "SIGTRAP", "SIGPIPE", "SIGXFSZ", "SIGXCPU"}
)
_STARTING = frozenset({"clone", "clone3", "fork", "vfork"})
_NAMING_PATHS = frozenset(
    {"open", "openat", "openat2", "creat", "stat", "lstat", "newfstatat", "statx", "access", "faccessat", "faccessat2"}
    | {"readlink", "readlinkat", "unlink", "unlinkat", "mkdir", "mkdirat", "rmdir", "rename", "renameat", "renameat2"}
    | {"chdir", "chmod", "fchmodat", "chown", "lchown", "fchownat", "truncate", "utimensat", "statfs", "execve"}
    | {"link", "linkat", "symlink", "symlinkat", "mknod", "mknodat", "getxattr", "lgetxattr", "inotify_add_watch"}
)
_EXAMPLE = 240
_FEW = 8


@attrs.frozen
class Seen:
    """One call that has returned, for the functions that look closer at it."""

    name: str
    arguments: str
    result: str
    error: str
    call: Call
    task: Task
    target: Target | None
    nanoseconds: int


Handler = Callable[[Seen], None]


@attrs.define
class LogReader:
    """Adds the lines of one log to a trace."""

    root: str = ""
    """Folder of the attempt; paths below it are told apart by what follows it."""
    trace: Trace = attrs.field(factory=Trace)
    _traffic: Traffic = attrs.field(init=False)
    _live: dict[str, Task] = attrs.field(factory=dict)
    _calls: dict[str, tuple[Call, Handler | None]] = attrs.field(factory=dict)
    _pending: dict[str, str] = attrs.field(factory=dict)
    _last_signal: dict[str, str] = attrs.field(factory=dict)
    _in_table: bool = False
    _slot_from: float = 1.0
    _slot_until: float = 0.0

    def __attrs_post_init__(self) -> None:
        """Let traffic be added to the same trace."""
        self._traffic = Traffic(self.trace)

    def read(self, file: BinaryIO) -> Trace:
        """Read all of ``file`` and return what it says."""
        for lines in _chunks(file):
            self.trace.lines += len(lines)
            for line in lines:
                match = _CALL.match(line)
                if match is not None:
                    self._returned(match)
                else:
                    self._other(line)
        self.trace.tasks += self._live.values()
        self._live.clear()
        return self.trace

    def _returned(self, match: re.Match[str]) -> None:
        """Count a call that has returned. Every line comes through here."""
        number, when, name, description, arguments, result, more, took = match.groups()
        call, handler = self._calls.get(name) or self._new_call(name)
        nanoseconds = int(took.replace(".", ""))
        call.count += 1
        call.nanoseconds += nanoseconds
        if nanoseconds > call.slowest:  # noqa: PLR1730 - max() takes three times as long
            call.slowest = nanoseconds
        task = self._live.get(number) or self._new_task(number)
        task.count += 1
        task.nanoseconds += nanoseconds
        moment = float(when)
        if not self._slot_from <= moment < self._slot_until:
            self._move_to(moment)
        slot = self._traffic.slot
        slot.calls += 1
        target = None
        if description is not None:
            target = self.trace.targets.get(description) or self._traffic.target(description)
            target.count += 1
            target.nanoseconds += nanoseconds
            tally = target.by_call.get(name)
            if tally is None:
                target.by_call[name] = [1, nanoseconds]
            else:
                tally[0] += 1
                tally[1] += nanoseconds
        error = ""
        if more and more[0] == " ":
            error = self._more(call, task, target, name, arguments, result, more)
        if handler is not None:
            handler(Seen(name, arguments, result, error, call, task, target, nanoseconds))

    def _move_to(self, moment: float) -> None:
        timeline = self.trace.timeline
        self._traffic.slot = timeline.at(moment)
        index = int((moment - timeline.begin) / timeline.width)
        self._slot_from = timeline.begin + index * timeline.width
        self._slot_until = self._slot_from + timeline.width

    def _new_call(self, name: str) -> tuple[Call, Handler | None]:
        call = self.trace.calls[name] = Call(name)
        made = self._calls[name] = (call, self._handler(name))
        return made

    def _handler(self, name: str) -> Handler | None:
        if name in RECEIVING or name in SENDING or name in MOVING or name == "sendfile":
            return self._moved
        if name in _NAMING_PATHS:
            return self._named_path
        if name in _STARTING:
            return self._started
        known: dict[str, Handler] = {"connect": self._connected, "bind": self._bound, "setsockopt": self._option_set}
        return known.get(name)

    def _new_task(self, number: str) -> Task:
        self.trace.task_count += 1
        task = self._live[number] = Task(number)
        return task

    def _more(
        self, call: Call, task: Task, target: Target | None, name: str, arguments: str, result: str, more: str
    ) -> str:
        """Take what stands between result and time: an error, or that the call was tampered with; return the error."""
        injected = "(INJECTED" in more or "(DELAYED" in more
        self.trace.injected += injected
        match = _ERROR.match(more) if result in ("-1", "?") else None
        if match is None:
            return ""
        error = match[1]
        call.errors += 1
        task.errors += 1
        self._traffic.slot.errors += 1
        call.by_error[error] = call.by_error.get(error, 0) + 1
        if target is not None:
            target.errors += 1
        self._failed(name, error, match[2] or "", target, arguments, injected=injected)
        return error

    def _failed(
        self, name: str, error: str, text: str, target: Target | None, arguments: str, *, injected: bool
    ) -> None:
        what, place = self._failed_on(name, target, arguments)
        failures = self.trace.failures
        failure = failures.get((name, error, place))
        if failure is None:
            key = (name, error, place if len(failures) < MOST_FAILURES else OTHERS)
            example = f"{name}({'' if target is None else f'<{target.name}>'}{arguments})"
            shown = example if len(example) <= _EXAMPLE else f"{example[:_EXAMPLE]}..."
            failure = failures.setdefault(key, Failure(name, error, text, key[2], shown))
        failure.count += 1
        failure.injected += injected
        if what in failure.targets or len(failure.targets) < _FEW:
            failure.targets[what] = failure.targets.get(what, 0) + 1

    def _failed_on(self, name: str, target: Target | None, arguments: str) -> tuple[str, str]:
        """Return what a call failed on, and what of that is the same in another run."""
        address = address_in(arguments) if "{sa_family" in arguments else ""
        if address or (target is not None and target.kind not in ("file", "other")):
            return address or (target.remote or target.name if target else ""), target.kind if target else ""
        path = path_in(arguments, target) if name in _NAMING_PATHS else target.name if target else ""
        if self.root and path.startswith(self.root):
            path = path[len(self.root) :].lstrip("/")
        return path, re.sub(r"\d+", "N", path)

    def _moved(self, seen: Seen) -> None:
        if seen.target is not None and (seen.error or seen.result.isdigit()):
            self._traffic.moved(
                seen.name, seen.target, seen.arguments, 0 if seen.error else int(seen.result), seen.error
            )

    def _named_path(self, seen: Seen) -> None:
        path = path_in(seen.arguments, seen.target)
        if path:
            paths = self.trace.paths
            key = path if path in paths or len(paths) < MOST_THINGS else OTHERS
            used = paths.get(key) or paths.setdefault(key, Call(key))
            used.count += 1
            used.errors += bool(seen.error)
            used.nanoseconds += seen.nanoseconds
        if seen.name == "execve" and not seen.error:
            seen.task.program = path.rpartition("/")[2]

    def _started(self, seen: Seen) -> None:
        if seen.error or not seen.result.isdigit():
            return
        child = self._live.get(seen.result) or self._new_task(seen.result)
        child.parent = seen.task.number
        child.thread = "CLONE_THREAD" in seen.arguments
        child.program = child.program or seen.task.program

    def _connected(self, seen: Seen) -> None:
        if seen.target is not None and seen.error in ("", "EINPROGRESS") and "->" not in seen.target.name:
            seen.target.remote = address_in(seen.arguments)

    def _bound(self, seen: Seen) -> None:
        """Carry over what is known of a socket to the name that it has once it is bound."""
        old, address = seen.target, address_in(seen.arguments)
        if old is not None and not seen.error and address and (old.segment or old.remote):
            new = self._traffic.target(f"{old.name.partition(':')[0]}:[{address}]")
            new.segment, new.remote = old.segment, new.remote or old.remote

    def _option_set(self, seen: Seen) -> None:
        match = re.match(r", SOL_UDP, (?:UDP_SEGMENT|0x67)\b[^,]*, \[(\d+)\]", seen.arguments)
        if match and seen.target is not None and not seen.error:
            seen.target.segment = int(match[1])

    def _other(self, line: str) -> None:
        """Take a line that is no complete call."""
        number = line.partition(" ")[0]
        if number.isdigit() and number not in self._live:
            self._new_task(number)
        if line.endswith(_UNFINISHED):
            self._pending[number] = line[: -len(_UNFINISHED)]
            return
        match = _RESUMED.match(line)
        if match is not None:
            _, when, name, rest = match.groups()
            whole = _CALL.match(self._pending.pop(number, f"{number} {when} {name}(") + rest)
            if whole is not None:
                self._returned(whole)
                return
        event = _EVENT.match(line)
        if event is not None:
            self._event(event[1], event[3], is_signal=event[2] == "---")
        elif not self._table_line(line) and not _NEVER_RETURNED.match(line):
            self._strange(line)

    def _strange(self, line: str) -> None:
        if line == CUT:
            self.trace.cut = True
            self._pending.clear()
        else:
            self.trace.unread += 1

    def _event(self, number: str, text: str, *, is_signal: bool) -> None:
        """Take the arrival of a signal, or the end of a task."""
        if is_signal:
            name = text.partition(" ")[0]
            if name.startswith("SIG"):
                self.trace.signals[name] = self.trace.signals.get(name, 0) + 1
            if name in _FATAL:
                self._last_signal[number] = text
            return
        self._pending.pop(number, None)
        task = self._live.pop(number, None) or Task(number)
        task.ended = text
        detail = self._last_signal.pop(number, "")
        killed = re.match(r"killed by (SIG\w+)", text)
        if killed and detail.startswith(killed[1]) and len(self.trace.deaths) < MOST_FAILURES:
            self.trace.deaths.append(Death(task.program, killed[1], detail))
        if len(self.trace.tasks) < MOST_THINGS:
            self.trace.tasks.append(task)
        else:
            last = self.trace.tasks[-1]
            last.number, last.program, last.ended = OTHERS, "", ""
            last.count, last.errors = last.count + task.count, last.errors + task.errors
            last.nanoseconds += task.nanoseconds

    def _table_line(self, line: str) -> bool:
        """Take a line of strace's own table, which stands at the end of each complete log."""
        if line.startswith("% time"):
            self._in_table = True
            return True
        if line.startswith(("------", "System call usage summary")) or (not line and not self._in_table):
            return True
        match = _ROW.match(line) if self._in_table else None
        if match is None:
            return False
        seconds, micro, count, errors, name = match.groups()
        if name == "total":
            self._in_table = False
            self.trace.tables += 1
        else:
            row = self.trace.table.setdefault(name, Row())
            row.count += int(count)
            row.errors += int(errors or 0)
            row.microseconds += int(seconds) * 10**6 + int(micro)
        return True


def _chunks(file: BinaryIO) -> Iterator[list[str]]:
    """Yield the lines of a file, about a megabyte at a time; a last line without its end is yielded as well."""
    carried = ""
    for data in iter(functools.partial(file.read, _CHUNK), b""):
        lines = (carried + data.decode("latin-1")).split("\n")
        carried = lines.pop()
        yield lines
    if carried:
        yield [carried]


def read_log(path: Path, root: str = "") -> Trace:
    """Read the log at ``path``."""
    with path.open("rb") as file:
        return LogReader(root).read(file)
