"""From the reports of all processes to findings and numbers."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

import attrs

from panther_hookspecs import Finding
from panther_profiler_valgrind.identity import digest_of_death, fingerprint, place_of, symbol_of
from panther_profiler_valgrind.profile import nameless, who_allocates
from panther_profiler_valgrind.report import Report, Stack, ToolError

_UNSTABLE = re.compile(
    r",? (?:at 0x[0-9A-Fa-f]+|by thread #?\d+)|^Thread #?\d+: |\s*\(.*0x.*\)| stated on the next line$"
)
_LOCKS = re.compile(r'lock order "0x\w+ before 0x\w+" violated')
_WARNINGS = frozenset({"Leak_PossiblyLost", "Leak_StillReachable", "Leak_IndirectlyLost"})
_LEAKS = {
    "Leak_DefinitelyLost": "definitely lost",
    "Leak_IndirectlyLost": "indirectly lost",
    "Leak_PossiblyLost": "possibly lost",
    "Leak_StillReachable": "still reachable",
}
CRASHES = frozenset({"SIGSEGV", "SIGBUS", "SIGFPE", "SIGILL", "SIGABRT", "SIGTRAP", "SIGSYS"})
"""Signals that a program brings upon itself; with the others somebody else has ended it."""


@attrs.frozen(kw_only=True)
class Seen:
    """One error of one process, with what is new in it compared to the process that it was forked from."""

    report: Report
    error: ToolError
    fingerprint: str
    count: int
    leaked_bytes: int = 0
    leaked_blocks: int = 0
    indirect_bytes: int = 0


def seen_errors(reports: Mapping[int, Report]) -> list[Seen]:
    """Return the errors of all processes.

    A forked process loses again what its parent had lost already when it was forked. That is counted once.
    """
    losses: dict[tuple[int, str], _Loss] = {}
    for report in reports.values():
        for error in report.errors:
            if error.is_leak:
                key = (report.pid, fingerprint(error))
                losses[key] = losses.get(key, _Loss()).plus(error)
    return [each for report in reports.values() for each in _seen_in(report, losses)]


@attrs.frozen
class _Loss:
    """An amount of lost memory."""

    size: int = 0
    blocks: int = 0
    indirect: int = 0

    def plus(self, error: ToolError) -> _Loss:
        return _Loss(
            self.size + error.leaked_bytes, self.blocks + error.leaked_blocks, self.indirect + error.indirect_bytes
        )

    def minus(self, other: _Loss) -> _Loss:
        return _Loss(
            max(0, self.size - other.size), max(0, self.blocks - other.blocks), max(0, self.indirect - other.indirect)
        )


def _seen_in(report: Report, losses: Mapping[tuple[int, str], _Loss]) -> Iterator[Seen]:
    inherited: dict[str, _Loss] = {}
    for error in report.errors:
        known = fingerprint(error)
        loss = _Loss().plus(error)
        if error.is_leak and report.forked:
            before = inherited.get(known, losses.get((report.ppid, known), _Loss()))
            inherited[known] = before.minus(loss)
            loss = loss.minus(before)
            if not loss.size:
                continue
        yield Seen(
            report=report,
            error=error,
            fingerprint=known,
            count=report.count(error),
            leaked_bytes=loss.size,
            leaked_blocks=loss.blocks,
            indirect_bytes=loss.indirect,
        )


def findings_of(seen: Iterable[Seen], source: str, service: str, folder: str) -> Iterator[Finding]:
    """Yield one finding for each fingerprint."""
    groups: dict[str, list[Seen]] = {}
    for each in seen:
        groups.setdefault(each.fingerprint, []).append(each)
    for key, group in groups.items():
        first = group[0]
        yield Finding(
            source=source,
            kind=first.error.kind,
            message=_message(group),
            service=service,
            severity="warning" if first.error.kind in _WARNINGS else "error",
            count=sum(each.count for each in group),
            stack=tuple(_lines(first.error.stacks)),
            fingerprint=key,
            artifact=f"{folder}/{first.report.path.name}",
        )


def crashes_of(reports: Iterable[Report], source: str, service: str, folder: str) -> Iterator[Finding]:
    """Yield a finding for each process that died of a fault of its own."""
    for report in reports:
        death = report.death
        if death is None or death.name not in CRASHES:
            continue
        why = f": {death.event}" if death.event else ""
        where = f" at address {death.address}" if death.address else ""
        place = place_of(death.frames)
        yield Finding(
            source=source,
            kind="FatalSignal",
            message=f"died of {death.name}" + (f" in {place}" if place else "") + why + where,
            service=service,
            stack=tuple(map(str, death.frames)),
            fingerprint=digest_of_death(death.name, death.frames),
            artifact=f"{folder}/{report.path.name}",
        )


def suppressions_of(seen: Iterable[Seen]) -> str:
    """Return a suppression file of valgrind that silences these errors, each under a name that tells it."""
    blocks: dict[str, None] = {}
    for each in seen:
        if each.error.suppression:
            name = f"{each.error.kind}-{each.fingerprint}"
            blocks[each.error.suppression.replace("<insert_a_suppression_name_here>", name)] = None
    return "".join(f"{block}\n" for block in blocks)


def folded_leaks(seen: Iterable[Seen]) -> Mapping[str, int]:
    """Return leaked bytes by folded stack."""
    folded: dict[str, int] = {}
    for each in seen:
        if each.leaked_bytes and each.error.stacks:
            names = [frame.fn or nameless(frame.obj) or frame.ip for frame in reversed(each.error.stacks[0].frames)]
            line = ";".join(name.replace(";", ":") for name in who_allocates(names))
            folded[line] = folded.get(line, 0) + each.leaked_bytes
    return folded


def _message(group: Sequence[Seen]) -> str:
    error = group[0].error
    place = place_of(error.stacks[0].frames) if error.stacks else ""
    if error.is_leak:
        size, blocks = sum(each.leaked_bytes for each in group), sum(each.leaked_blocks for each in group)
        lost = _LEAKS.get(error.kind, "lost")
        return f"{size} bytes in {blocks} blocks {lost}" + (f", allocated in {place}" if place else "")
    what = _UNSTABLE.sub("", _LOCKS.sub("lock order violated", error.what))
    symbol = symbol_of(error)
    about = f" on {symbol}" if symbol else ""
    return what + about + (f" in {place}" if place else "") + _other_side(error)


def _other_side(error: ToolError) -> str:
    """Return where the other thread was, for an error that has two sides."""
    if error.kind not in ("Race", "LockOrder"):
        return ""
    other = next((stack for stack in error.stacks[1:] if stack.frames), None)
    return f", against {place_of(other.frames)}" if other else ""


def _lines(stacks: Iterable[Stack]) -> Iterator[str]:
    for stack in stacks:
        if stack.text:
            yield f"-- {stack.text}"
        yield from map(str, stack.frames)
