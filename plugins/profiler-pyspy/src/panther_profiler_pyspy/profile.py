"""What py-spy wrote, in either of its formats, as samples by stack and by function."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import attrs

from panther_hookspecs import HotFunction

_FRAME = re.compile(r"(?P<name>.*) \((?P<file>.*?)(?::(?P<line>\d+))?\)\Z")
_PROCESS = re.compile(r"process \d+:\"?(?P<command>.*?)\"?\Z")
_ADDRESS = re.compile(r"0x[0-9a-f]+\Z")


class Frame(NamedTuple):
    """One place in a program."""

    function: str
    file: str = ""
    line: int = 0

    @property
    def whole(self) -> str:
        """The function with its file, as it is told everywhere."""
        return f"{self.function} ({self.file})" if self.file else self.function

    def text(self, *, lines: bool) -> str:
        """Return the frame as a flame graph shows it."""
        place = f"{self.file}:{self.line}" if lines and self.line else self.file
        return (f"{self.function} ({place})" if place else self.function).replace(";", ":")

    @property
    def is_process(self) -> bool:
        """Whether it stands for a process, not for a function of it."""
        return self.function.startswith("process ") and not self.file


@attrs.define
class Profile:
    """Samples by stack; files of several starts are added up."""

    samples: int = 0
    threads: int = 0
    """Threads that were seen; 0 where no file tells."""
    stacks: Counter[tuple[Frame, ...]] = attrs.field(factory=Counter)
    """Outermost first."""

    def read_timeline(self, path: Path) -> None:
        """Add a speedscope file. ValueError if it is not complete."""
        with path.open(encoding="utf-8", errors="replace") as file:
            document = json.load(file)
        try:
            frames = [_of_speedscope(each) for each in document["shared"]["frames"]]
            seen = [tuple(stack) for each in document["profiles"] for stack in each["samples"]]
            self.threads += sum(bool(each["samples"]) for each in document["profiles"])
            for stack, count in Counter(seen).items():
                self._add(tuple(frames[index] for index in stack), count)
        except (KeyError, TypeError, IndexError) as error:
            raise ValueError(f"it is no profile of py-spy: {error!r}") from error

    def read_stacks(self, lines: Iterable[str]) -> None:
        """Add a file of stacks with their counts. ValueError if a line is not complete."""
        for line in lines:
            stack, _, count = line.rstrip("\n").rpartition(" ")
            if not (count.isdigit() and line.endswith("\n")):
                raise ValueError(f"it is cut off at {line[-80:]!r}")
            self._add(tuple(_of_text(each) for each in stack.split(";") if each), int(count))

    def _add(self, stack: tuple[Frame, ...], count: int) -> None:
        self.samples += count
        self.stacks[stack] += count

    def functions(self) -> list[HotFunction]:
        """Return every function, the one with most samples of its own first. A recursive one counts once a stack."""
        flat: Counter[tuple[str, str]] = Counter()
        cumulative: Counter[tuple[str, str]] = Counter()
        for stack, count in self.stacks.items():
            called = [(frame.whole, frame.function) for frame in stack if not frame.is_process]
            if called:
                flat[called[-1]] += count
            for each in set(called):
                cumulative[each] += count
        found = (HotFunction(name, flat[name, short], both, short=short) for (name, short), both in cumulative.items())
        return sorted(found, key=lambda each: (-each.flat, -each.cumulative, each.name))

    def folded(self, *, lines: bool) -> Iterator[str]:
        """Yield ``outer;inner count`` for every stack, as flame graphs are drawn from."""
        counts: Counter[str] = Counter()
        for stack, count in self.stacks.items():
            counts[";".join(frame.text(lines=lines) for frame in stack)] += count
        for stack_text in sorted(counts):
            yield f"{stack_text or '[unknown]'} {counts[stack_text]}"


def _of_speedscope(frame: dict[str, Any]) -> Frame:
    return _frame(str(frame["name"]), str(frame.get("file") or ""), int(frame.get("line") or 0))


def _of_text(text: str) -> Frame:
    match = _FRAME.match(text)
    return _frame(match["name"], match["file"], int(match["line"] or 0)) if match else _frame(text, "", 0)


def _frame(name: str, file: str, line: int) -> Frame:
    """Return a frame that is the same in every run: without addresses, process ids and folders."""
    process = _PROCESS.match(name) if not file else None
    if process:
        return Frame(f"process {process['command']}")
    short = _short(file)
    return Frame(f"[{short or 'unknown'}]") if _ADDRESS.match(name) else Frame(name, short, line)


def _short(file: str) -> str:
    """Return the name of a file, with its folder where all packages have such a file."""
    parts = file.split("/")
    return "/".join(parts[-2:]) if parts[-1].startswith("__") else parts[-1]
