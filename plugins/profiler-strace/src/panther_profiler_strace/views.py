"""The files that are made of a trace: everything as JSON, the essentials as text, and time as folded stacks."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import attrs

from panther_profiler_strace.figures import WAITING, figures_of, network_peers
from panther_profiler_strace.findings import is_ordinary
from panther_profiler_strace.trace import Target, Trace

_MOST = 500
"""Entries of each kind that a file shows, those that took most time first."""
_TOP = 15


def write_json(trace: Trace, path: Path) -> None:
    """Write all views: calls, descriptors, peers, paths, failures, tasks, signals, timeline."""
    path.write_text(json.dumps(dict(_views(trace)), indent=1) + "\n", encoding="utf-8")


def _views(trace: Trace) -> Iterator[tuple[str, Any]]:
    figures = figures_of(trace)
    yield "cut", trace.cut
    yield "lines", trace.lines
    yield "lines_not_understood", trace.unread
    yield (
        "calls",
        {
            name: {
                "count": figure.count,
                "errors": figure.errors,
                "seconds": figure.nanoseconds / 1e9,
                **_of_lines(trace, name),
            }
            for name, figure in sorted(figures.items(), key=lambda each: -each[1].nanoseconds)
        },
    )
    yield "network", attrs.asdict(trace.network)
    yield "peers", [attrs.asdict(peer) for peer in network_peers(trace)[:_MOST]]
    yield "targets", [_told(target) for target in _slowest(trace.targets.values())]
    yield (
        "paths",
        [
            {"path": used.name, "calls": used.count, "errors": used.errors, "seconds": used.nanoseconds / 1e9}
            for used in _slowest(trace.paths.values())
        ],
    )
    failures = sorted(trace.failures.values(), key=lambda each: -each.count)
    yield "failures", [{**attrs.asdict(each), "ordinary": is_ordinary(each.call, each.error)} for each in failures]
    yield "tasks", [_seconds(attrs.asdict(task)) for task in _slowest(trace.tasks)]
    yield "signals", trace.signals
    timeline = trace.timeline
    slots = [[round(at, 6), slot.calls, slot.errors, slot.bytes_in, slot.bytes_out] for at, slot in timeline]
    yield (
        "timeline",
        {
            "begin": timeline.begin,
            "width": timeline.width,
            "columns": ["seconds", "calls", "errors", "bytes_received", "bytes_sent"],
            "slots": slots,
        },
    )


def _of_lines(trace: Trace, name: str) -> Mapping[str, Any]:
    call = trace.calls.get(name)
    return {"slowest": call.slowest / 1e9, "by_error": call.by_error} if call else {}


def _slowest(things: Iterable[Any]) -> list[Any]:
    by_time: Callable[[Any], int] = lambda thing: -thing.nanoseconds  # noqa: E731 - a key, used once
    return sorted(things, key=by_time)[:_MOST]


def _seconds(fields: dict[str, Any]) -> dict[str, Any]:
    return {
        **{key: value for key, value in fields.items() if key != "nanoseconds"},
        "seconds": fields["nanoseconds"] / 1e9,
    }


def _told(target: Target) -> dict[str, Any]:
    told = _seconds(attrs.asdict(target))
    calls = {name: {"count": count, "seconds": spent / 1e9} for name, (count, spent) in target.by_call.items()}
    return {**told, "by_call": calls}


def write_text(trace: Trace, path: Path, service: str) -> None:
    """Write what a person wants to see first."""
    path.write_text("\n".join(_lines(trace, service)) + "\n", encoding="utf-8")


def _lines(trace: Trace, service: str) -> Iterator[str]:
    figures = figures_of(trace)
    total = sum(each.count for each in figures.values())
    failed = sum(each.errors for each in figures.values())
    tasks = "one process" if trace.task_count == 1 else f"{trace.task_count} processes and threads"
    yield f"{service}: {total:,} system calls of {tasks}, {failed:,} of them failed"
    if trace.cut:
        yield "the log was cut off at its limit: the calls are complete, all that follows them is not"
    yield from ("", f"{'call':<20}{'count':>12}{'errors':>10}{'seconds':>14}")
    for name, each in sorted(figures.items(), key=lambda each: -each[1].nanoseconds)[:_TOP]:
        waits = "  mostly waiting" if name in WAITING else ""
        yield f"{name:<20}{each.count:>12,}{each.errors:>10,}{each.nanoseconds / 1e9:>14.6f}{waits}"
    peers = network_peers(trace)[:_TOP]
    if peers:
        yield from ("", f"{'peer':<46}{'bytes sent':>14}{'datagrams':>11}{'received':>14}{'datagrams':>11}")
    for peer in peers:
        sent, received = (
            f"{peer.bytes_out:>14,}{peer.datagrams_out:>11,}",
            f"{peer.bytes_in:>14,}{peer.datagrams_in:>11,}",
        )
        yield f"{peer.name:<46}{sent}{received}"
    worth = [each for each in trace.failures.values() if not is_ordinary(each.call, each.error)]
    if worth:
        yield from ("", "failures worth a look")
    for failure in sorted(worth, key=lambda each: -each.count)[:_TOP]:
        yield f"{failure.count:>8,} x {failure.call}: {failure.error} {', '.join(filter(None, failure.targets))}"


def write_folded(trace: Trace, path: Path) -> None:
    """Write time in microseconds as folded stacks: what for, on what, which call."""
    with path.open("w", encoding="utf-8") as file:
        for frames, spent in _stacks(trace):
            if spent >= 1000:  # noqa: PLR2004 - less than a microsecond would be 0
                file.write(f"{';'.join(_frame(frame) for frame in frames)} {spent // 1000}\n")


def _stacks(trace: Trace) -> Iterator[tuple[tuple[str, ...], int]]:
    rest = {name: call.nanoseconds for name, call in trace.calls.items()}
    for target in _slowest(trace.targets.values()):
        for name, (_, spent) in target.by_call.items():
            rest[name] -= spent
            yield (_purpose(name, target), target.name, name), spent
    for name, spent in rest.items():
        yield (_purpose(name, None), name), spent


def _purpose(name: str, target: Target | None) -> str:
    if name in WAITING:
        return "waiting"
    if target is None:
        return "other"
    return "network" if target.is_network else "files" if target.kind == "file" else "descriptors"


def _frame(text: str) -> str:
    return text.replace(";", ":").replace("\n", " ")
