"""A profile as ``perf report`` tells it, and whether the file it was made from is complete."""

from __future__ import annotations

import re
import struct
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

import attrs

from panther_hookspecs import HotFunction

_HEADER = struct.Struct("<8sQQQQQQ")
"""Magic, size of the header and of an attribute; then offset and size of attributes and of data."""
_MAGIC = b"PERFILE2"
_ADDRESS = re.compile(r"(?:0x[0-9a-f]+|0)\Z")
_COLUMNS = 4
REPORT = (
    *("report", "--stdio", "-q", "--no-children", "--no-inline", "--percent-limit", "0", "-f"),
    *("-g", "folded,0,caller,count", "-F", "sample,pid,dso,sym", "-t", ";"),
)
"""Arguments of the ``perf`` that makes the text: a line for each function of a thread, followed by its stacks."""


def defect_of(path: Path) -> str:
    """Return what is wrong with a file of ``perf record``, nothing if it is complete.

    perf itself ends with 0 when it cannot read a file. While it records, the size of the data in the header is 0.
    """
    size = path.stat().st_size if path.is_file() else 0
    if not size:
        return "it is missing or empty"
    with path.open("rb") as file:
        head = file.read(_HEADER.size)
    if len(head) < _HEADER.size or not head.startswith(_MAGIC):
        return "it is no file of perf record"
    *_, data, length = _HEADER.unpack(head)
    if not length:
        return "it was never completed"
    return "it is cut off" if size < data + length else ""


@attrs.define
class Profile:
    """Samples by stack, function and thread; reports of several files are added up."""

    samples: int = 0
    kernel: int = 0
    """Samples in the kernel."""
    threads: Counter[str] = attrs.field(factory=Counter)
    stacks: Counter[tuple[str, ...]] = attrs.field(factory=Counter)
    """Outermost first, after the name of the thread."""
    _flat: Counter[str] = attrs.field(factory=Counter)
    _programs: dict[str, str] = attrs.field(factory=dict)

    def read(self, lines: Iterable[str]) -> None:
        """Add what ``perf report`` wrote."""
        thread, name, left = "", "", 0
        for line in lines:
            columns = [column.strip() for column in line.rstrip("\n").split(";")]
            if len(columns) >= _COLUMNS and columns[0].isdigit():
                self._keep(thread, (name,), left)
                left = int(columns[0])
                thread, name = self._function(left, ";".join(columns[1:-2]), columns[-2], columns[-1])
                continue
            count, _, stack = line.strip().partition(" ")
            if count.isdigit() and stack:
                frames = tuple(_readable(frame.strip()) for frame in stack.split(";"))
                self._keep(thread, (*frames[:-1], name), int(count))
                left -= int(count)
        self._keep(thread, (name,), left)

    def _function(self, count: int, who: str, program: str, symbol: str) -> tuple[str, str]:
        """Count the samples of one function in one thread; return the names of both."""
        where, _, called = symbol.partition(" ")
        name = _readable(called.strip(), program)
        if count:
            self.samples += count
            self.kernel += count if where == "[k]" else 0
            self.threads[who.partition(":")[0]] += count
            self._flat[name] += count
            self._programs.setdefault(name, program)
        return who.partition(":")[2], name

    def _keep(self, thread: str, frames: tuple[str, ...], count: int) -> None:
        if count > 0:
            self.stacks[thread, *frames] += count

    def functions(self) -> list[HotFunction]:
        """Return every function, the one with most samples of its own first. A recursive one counts once a stack."""
        cumulative: Counter[str] = Counter()
        for stack, count in self.stacks.items():
            for name in set(stack[1:]):
                cumulative[name] += count
        found = (
            HotFunction(name, self._flat[name], both, place=self._programs.get(name, ""))
            for name, both in cumulative.items()
        )
        return sorted(found, key=lambda each: (-each.flat, -each.cumulative, each.name))

    def folded(self) -> Iterator[str]:
        """Yield ``outer;inner count`` for every stack, as flame graphs are drawn from."""
        for stack in sorted(self.stacks):
            yield f"{';'.join(stack)} {self.stacks[stack]}"


def _readable(symbol: str, program: str = "") -> str:
    """Return the name of a function; an address without a name is another one in every run."""
    unknown = not symbol or symbol == "[unknown]" or _ADDRESS.match(symbol)
    return f"[{program.strip('[]')}]" if unknown and program else "[unknown]" if unknown else symbol
