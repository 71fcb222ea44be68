"""Reads the profiles of callgrind: instructions of each function, alone and with what it calls."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import attrs

from panther_profiler_valgrind.profile import Profile, ProfileError, Share, nameless, part

_RECURSION = re.compile(r"'\d+\Z")
_NAME = re.compile(r"\((\d+)\)(?: (.*))?", re.DOTALL)
_POSITIONS = frozenset("0123456789+-*")
_EVENT = "Ir"
Key = tuple[str, str]
"""Object and function, all levels of a recursion taken together."""


@attrs.define
class CallProfile:
    """What a file of callgrind holds."""

    program: str = ""
    total: int = 0
    """The tool's own total, with which each file ends."""
    own: dict[tuple[str, str], int] = attrs.field(factory=dict)
    """Instructions by source file and function, exactly as callgrind_annotate lists them."""
    received: dict[tuple[str, str], int] = attrs.field(factory=dict)
    """Instructions of all calls to a function, by its file and name, as callgrind_annotate lists inclusive ones."""
    self_cost: dict[Key, int] = attrs.field(factory=dict)
    calls: dict[tuple[Key, Key], list[int]] = attrs.field(factory=dict)
    """Instructions and number of the calls from one function to another."""

    def inclusive(self) -> dict[Key, int]:
        """Return the instructions of each function with those of all that it calls."""
        entered: dict[Key, int] = {}
        left: dict[Key, int] = {}
        for (caller, callee), (cost, _) in self.calls.items():
            entered[callee] = entered.get(callee, 0) + cost
            left[caller] = left.get(caller, 0) + cost
        found = {}
        for key, cost in self.self_cost.items():
            found[key] = min(max(entered.get(key, 0) or cost + left.get(key, 0), cost), self.total)
        return found


@attrs.define
class _Reader:
    """The state of a file that is being read."""

    found: CallProfile
    names: dict[tuple[str, str], str] = attrs.field(factory=dict)
    obj: str = ""
    file: str = ""
    fn: str = ""
    callee_obj: str = ""
    callee_file: str = ""
    callee: str = ""
    called: int = 0
    column: int = 1

    def name(self, kind: str, text: str) -> str:
        """Return a name that may be written as a number after its first use."""
        match = _NAME.fullmatch(text)
        if match is None:
            return text
        if match[2] is not None:
            self.names[kind, match[1]] = match[2]
        return self.names.get((kind, match[1]), match[1])

    def line(self, text: str) -> None:
        """Take one line."""
        if text[0] in _POSITIONS:
            fields = text.split()
            self._cost(int(fields[self.column]) if len(fields) > self.column else 0)
            return
        key, _, value = text.partition("=")
        match key:
            case "fn":
                self.fn = self.name("fn", value)
            case "fl" | "fi" | "fe":
                self.file = self.name("fl", value)
            case "ob":
                self.obj = self.callee_obj = self.name("ob", value)
            case "cob":
                self.callee_obj = self.name("ob", value)
            case "cfi" | "cfl":
                self.callee_file = self.name("fl", value)
            case "cfn":
                self.callee = self.name("fn", value)
            case "calls":
                self.called = int(value.split()[0])
            case "jfi" | "jfn":
                self.name({"jfi": "fl", "jfn": "fn"}[key], value)
            case _:
                self._header(text)

    def _header(self, text: str) -> None:
        key, _, value = text.partition(":")
        match key:
            case "cmd":
                self.found.program = value.split()[0] if value.strip() else ""
            case "events":
                events = value.split()
                self.column = 1 + (events.index(_EVENT) if _EVENT in events else 0)
            case "totals":
                self.found.total += int(value.split()[self.column - 1])

    def _cost(self, cost: int) -> None:
        found, caller = self.found, _key(self.obj, self.fn)
        if not self.called:
            place = (self.file, self.fn)
            found.own[place] = found.own.get(place, 0) + cost
            found.self_cost[caller] = found.self_cost.get(caller, 0) + cost
            return
        place = (self.callee_file or self.file, self.callee)
        found.received[place] = found.received.get(place, 0) + cost
        callee = _key(self.callee_obj, self.callee)
        if callee != caller:
            sums = found.calls.setdefault((caller, callee), [0, 0])
            sums[0] += cost
            sums[1] += self.called
            found.self_cost.setdefault(callee, 0)
        self.called, self.callee_file, self.callee_obj = 0, "", self.obj


def _key(obj: str, fn: str) -> Key:
    return obj, _RECURSION.sub("", fn)


def read_calls(path: Path) -> CallProfile:
    """Return what the files of a process hold; ProfileError if one is not complete.

    Before each fork callgrind writes a part with a number at the end of its name, and begins to count anew.
    """
    found = CallProfile()
    for part_of_it in (path, *sorted(path.parent.glob(f"{path.name}.*"))):
        before = found.total
        _read_part(part_of_it, found)
        if found.total == before:
            raise ProfileError(f"{part_of_it.name} has no totals at its end")
    return found


def _read_part(path: Path, found: CallProfile) -> None:
    reader = _Reader(found)
    with path.open(encoding="utf-8", errors="replace") as file:
        for line in file:
            text = line.rstrip("\n")
            # The last line may be half of one.
            if text and text != line and not text.startswith("#"):
                reader.line(text)


def _called(key: Key) -> str:
    obj, function = key
    return (nameless(obj) or function) if function.startswith("0x") else function


def profile_of(path: Path) -> Profile:
    """Return the profile of one process."""
    found = read_calls(path)
    return Profile(
        program=found.program,
        numbers={"instructions": found.total},
        whole=found.total,
        shares=tuple(_shares(found)),
        folded=dict(_folded(found)),
        title="instructions; longer paths are estimated from the calls between two functions",
    )


def _shares(found: CallProfile) -> Iterator[Share]:
    inclusive = found.inclusive()
    calls: dict[Key, int] = {}
    for (_, callee), (_, number) in found.calls.items():
        calls[callee] = calls.get(callee, 0) + number
    for key, cost in found.self_cost.items():
        yield Share(name=key[1], amount=cost, inclusive=inclusive[key], calls=calls.get(key, 0), place=key[0])


_LEAST_PART = 0.0005
_DEEPEST = 64


def _folded(found: CallProfile) -> Iterable[tuple[str, int]]:
    """Return stacks with instructions.

    callgrind knows how much each function spent in calls to each other one, but not along which path the caller
    itself was reached: a path gets its proportional part. What is too small or recursive stays with its caller.
    """
    callees: dict[Key, list[tuple[Key, int]]] = {}
    for (caller, callee), (cost, _) in found.calls.items():
        callees.setdefault(caller, []).append((callee, cost))
    called = {callee for _, callee in found.calls}
    inclusive = found.inclusive()
    lines: dict[str, int] = {}
    least = found.total * _LEAST_PART
    waiting: list[tuple[tuple[Key, ...], float]]
    waiting = [((key,), float(inclusive[key])) for key in found.self_cost if key not in called]
    while waiting:
        path, amount = waiting.pop()
        below = callees.get(path[-1], [])
        whole = found.self_cost[path[-1]] + sum(cost for _, cost in below)
        rest = amount
        for callee, cost in below:
            share = part(amount * cost, whole)
            if share >= least and callee not in path and len(path) < _DEEPEST:
                waiting.append(((*path, callee), share))
                rest -= share
        line = ";".join(_called(key).replace(";", ":") for key in path)
        lines[line] = lines.get(line, 0) + round(rest)
    return sorted(lines.items())
