"""Reads the XML of memcheck, helgrind and drd, also of a process that was killed in the middle of it."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, cast
from xml.etree import ElementTree as ET

import attrs

_CHUNK = 1 << 16
_UNREADABLE = dict.fromkeys((*range(9), 11, 12, *range(14, 32), 0xFFFE, 0xFFFF), "\N{REPLACEMENT CHARACTER}")
"""Characters that XML does not allow, but arguments of programs may have."""
_PARTS = re.compile(r"\(([\d,]+) direct, ([\d,]+) indirect\)")


@attrs.frozen
class Frame:
    """One place in a stack."""

    ip: str
    obj: str = ""
    fn: str = ""
    file: str = ""
    line: int = 0

    def __str__(self) -> str:
        """Return the place as a person reads it."""
        if self.file:
            return f"{self.fn or self.ip} ({self.file}:{self.line})"
        within = f" (in {Path(self.obj).name})" if self.obj else ""
        return f"{self.fn or self.ip}{within}"


@attrs.frozen
class Stack:
    """A stack of an error, with what it is (nothing for the error itself); without frames, a mere remark."""

    text: str
    frames: tuple[Frame, ...] = ()


@attrs.frozen(kw_only=True)
class ToolError:
    """One error as the tool reports it."""

    unique: str
    kind: str
    what: str
    stacks: tuple[Stack, ...] = ()
    leaked_bytes: int = 0
    leaked_blocks: int = 0
    indirect_bytes: int = 0
    """Of the leaked bytes, those that only lost blocks point to."""
    suppression: str = ""

    @property
    def is_leak(self) -> bool:
        """Whether it is a leak; valgrind counts each of those once."""
        return self.kind.startswith("Leak_")


@attrs.frozen
class Death:
    """The signal that a process died of."""

    name: str
    event: str
    address: str
    frames: tuple[Frame, ...]


@attrs.define
class Report:
    """What the tool wrote about one process."""

    path: Path
    pid: int = 0
    ppid: int = 0
    program: str = ""
    forked: bool = True
    """Whether the process is a copy that another one under valgrind has forked."""
    errors: list[ToolError] = attrs.field(factory=list)
    counts: dict[str, int] = attrs.field(factory=dict)
    """How often each error came, by its unique number; without leaks."""
    suppressed: dict[str, int] = attrs.field(factory=dict)
    death: Death | None = None
    flaw: str = ""
    """What is wrong with the file; nothing if it is complete."""

    def count(self, error: ToolError) -> int:
        """Return how often an error came; 1 where the count was lost with the end of the file."""
        return 1 if error.is_leak else self.counts.get(error.unique, 1)


def read_report(path: Path) -> Report:
    """Return what a file says; what stands before a flaw is kept."""
    report = Report(path)
    try:
        for element in _elements(path):
            _take(report, element)
    except ET.ParseError as error:
        report.flaw = str(error)
    return report


def _elements(path: Path) -> Iterator[ET.Element]:
    """Yield the children of the root as soon as they are complete, and forget them afterwards."""
    parser: ET.XMLPullParser[Any] = ET.XMLPullParser(("start", "end"))
    depth, root = 0, ET.Element("")
    for text in _texts(path):
        parser.feed(text)
        if not text:
            parser.close()
        for event, element in cast(Iterator[tuple[str, ET.Element]], parser.read_events()):
            depth += 1 if event == "start" else -1
            if event == "start" and depth == 1:
                root = element
            elif event == "end" and depth == 1:
                yield element
                root.clear()


def _texts(path: Path) -> Iterator[str]:
    """Yield a file in pieces without characters that XML does not allow, and an empty text at its end."""
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    with path.open("rb") as file:
        while data := file.read(_CHUNK):
            if text := decoder.decode(data):
                yield text.translate(_UNREADABLE)
    if text := decoder.decode(b"", final=True):
        yield text
    yield ""


def _take(report: Report, element: ET.Element) -> None:
    match element.tag:
        case "pid":
            report.pid = int(element.text or 0)
        case "ppid":
            report.ppid = int(element.text or 0)
        case "args":
            report.program = element.findtext("argv/exe", "")
        case "status":
            # Only a program that valgrind has started says that it is running.
            report.forked = report.forked and element.findtext("state") != "RUNNING"
        case "error":
            report.errors.append(_error(element))
        case "errorcounts":
            report.counts = {unique: count for count, unique in _pairs(element, "unique")}
        case "suppcounts":
            report.suppressed = {name: count for count, name in _pairs(element, "name")}
        case "fatal_signal":
            report.death = _death(element)


def _pairs(element: ET.Element, key: str) -> Iterator[tuple[int, str]]:
    for pair in element.iter("pair"):
        yield int(pair.findtext("count", "0")), pair.findtext(key, "")


def _error(element: ET.Element) -> ToolError:
    what = element.findtext("what") or element.findtext("xwhat/text") or ""
    leaked = int(element.findtext("xwhat/leakedbytes", "0"))
    parts = _PARTS.search(what)
    return ToolError(
        unique=element.findtext("unique", ""),
        kind=element.findtext("kind", ""),
        what=what,
        stacks=tuple(_stacks(element)),
        leaked_bytes=leaked,
        leaked_blocks=int(element.findtext("xwhat/leakedblocks", "0")),
        indirect_bytes=int(parts[2].replace(",", "")) if parts else 0,
        suppression=element.findtext("suppression/rawtext", "").strip(),
    )


def _stacks(element: ET.Element) -> Iterator[Stack]:
    """Yield the stacks, each with the text before it; a text without a stack makes one without frames."""
    text: str | None = ""
    for child in element:
        if child.tag in ("auxwhat", "xauxwhat"):
            if text:
                yield Stack(text)
            text = child.findtext("text") if child.tag == "xauxwhat" else child.text
        elif child.tag == "stack":
            yield Stack(text or "", _frames(child))
            text = ""
    if text:
        yield Stack(text)


def _frames(stack: ET.Element) -> tuple[Frame, ...]:
    return tuple(
        Frame(
            frame.findtext("ip", ""),
            frame.findtext("obj", ""),
            frame.findtext("fn", ""),
            frame.findtext("file", ""),
            int(frame.findtext("line", "0")),
        )
        for frame in stack.iter("frame")
    )


def _death(element: ET.Element) -> Death:
    stack = element.find("stack")
    return Death(
        element.findtext("signame", "") or f"signal {element.findtext('signo', '')}",
        element.findtext("event", ""),
        element.findtext("siaddr", ""),
        () if stack is None else _frames(stack),
    )


def suppressed_total(reports: Mapping[int, Report]) -> int:
    """Return how many errors suppressions have kept out of the reports."""
    return sum(sum(report.suppressed.values()) for report in reports.values())
