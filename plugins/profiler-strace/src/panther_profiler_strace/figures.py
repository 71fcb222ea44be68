"""The numbers of a trace, by name, as checks and comparisons use them."""

from __future__ import annotations

from collections.abc import Iterator

import attrs

from panther_hookspecs import Measurement
from panther_profiler_strace.options import CLASSES
from panther_profiler_strace.trace import Peer, Trace

WAITING = frozenset(
    {"accept", "accept4", "clock_nanosleep", "epoll_pwait", "epoll_pwait2", "epoll_wait", "flock", "futex"}
    | {"futex_waitv", "io_getevents", "io_uring_enter", "nanosleep", "pause", "poll", "ppoll", "pselect6"}
    | {"restart_syscall", "rt_sigsuspend", "rt_sigtimedwait", "select", "wait4", "waitid"}
)
"""Calls whose time is mostly waiting, not work."""
_ROUNDING = 1_000
"""Nanoseconds by which strace's own table, which has microseconds, may differ from the exact sum."""


@attrs.frozen
class Figure:
    """What is known for sure of all calls of one name."""

    count: int
    errors: int
    nanoseconds: int


def read_figures(trace: Trace) -> dict[str, Figure]:
    """Return the figures of the calls that were read, line by line."""
    return {name: Figure(call.count, call.errors, call.nanoseconds) for name, call in trace.calls.items()}


def told_figures(trace: Trace) -> dict[str, Figure]:
    """Return the figures of strace's own table."""
    return {name: Figure(row.count, row.errors, row.microseconds * 1000) for name, row in trace.table.items()}


def disagreements(trace: Trace) -> list[str]:
    """Return the calls for which the lines of a complete log and strace's own table say different things."""
    if trace.cut or not trace.tables:
        return []
    read, told = read_figures(trace), told_figures(trace)
    return [name for name in sorted({*read, *told}) if not _agree(read.get(name), told.get(name), trace.tables)]


def _agree(read: Figure | None, told: Figure | None, tables: int) -> bool:
    if read is None or told is None:
        return False
    close = abs(read.nanoseconds - told.nanoseconds) < _ROUNDING * tables
    return close and (read.count, read.errors) == (told.count, told.errors)


def figures_of(trace: Trace) -> dict[str, Figure]:
    """Return the figures to report: those of the lines, or of strace's table where lines are missing or doubtful."""
    trust_table = trace.tables and (trace.cut or disagreements(trace))
    return told_figures(trace) if trust_table else read_figures(trace)


def measurements_of(
    trace: Trace, service: str, wanted: tuple[str, ...], *, log_bytes: int, truncated: bool
) -> Iterator[Measurement]:
    """Yield every number about a service; ``wanted`` calls have one even if they were never made."""

    def number(name: str, value: float, unit: str = "") -> Measurement:
        return Measurement(name=f"strace.{name}", value=value, unit=unit, service=service)

    figures = figures_of(trace)
    asked = (name for name in wanted if name.isidentifier() and name not in CLASSES)
    figures = {**dict.fromkeys(asked, Figure(0, 0, 0)), **figures}
    yield number("count", sum(each.count for each in figures.values()))
    yield number("errors", sum(each.errors for each in figures.values()))
    yield number("seconds", sum(each.nanoseconds for each in figures.values()) / 1e9, "s")
    waited = sum(each.nanoseconds for name, each in figures.items() if name in WAITING)
    yield number("waiting_seconds", waited / 1e9, "s")
    yield number("tasks", trace.task_count)
    yield number("signals", sum(trace.signals.values()))
    yield number("injected", trace.injected)
    yield number("truncated", int(truncated))
    yield number("log_bytes", log_bytes, "B")
    for name, figure in sorted(figures.items()):
        yield number(f"{name}.count", figure.count)
        yield number(f"{name}.errors", figure.errors)
        yield number(f"{name}.seconds", figure.nanoseconds / 1e9, "s")
        for error, count in sorted(trace.calls[name].by_error.items() if name in trace.calls else ()):
            if error.isidentifier():
                yield number(f"{name}.{error}.count", count)
    for name, value, unit in (*_network(trace), *_files(trace)):
        yield number(name, value, unit)


def _network(trace: Trace) -> Iterator[tuple[str, float, str]]:
    peers, network = network_peers(trace), trace.network
    yield "net.peers", len(peers), ""
    yield "net.bytes_sent", sum(peer.bytes_out for peer in peers), "B"
    yield "net.bytes_received", sum(peer.bytes_in for peer in peers), "B"
    yield "net.datagrams_sent", sum(peer.datagrams_out for peer in peers), ""
    yield "net.datagrams_received", sum(peer.datagrams_in for peer in peers), ""
    yield "net.send_calls", sum(peer.calls_out for peer in peers), ""
    yield "net.receive_calls", sum(peer.calls_in for peer in peers), ""
    yield "net.errors", sum(peer.errors for peer in peers), ""
    yield "net.eagain_rate", network.would_block / network.attempts if network.attempts else 0.0, ""
    for name, batches in sorted(network.batches.items()):
        yield f"net.{name}_batch", batches.messages / batches.calls, ""
        yield f"net.{name}_largest_batch", batches.most, ""
    if network.segmented_sends:
        yield "net.gso_sends", network.segmented_sends, ""
        yield "net.gso_bytes", network.segmented_bytes, "B"
    if network.merged_receives:
        yield "net.gro_receives", network.merged_receives, ""


def _files(trace: Trace) -> Iterator[tuple[str, float, str]]:
    files = [target for target in trace.targets.values() if target.kind == "file"]
    yield "files.paths", len({*trace.paths, *(target.name for target in files)}), ""
    yield "files.bytes_read", sum(target.bytes_in for target in files), "B"
    yield "files.bytes_written", sum(target.bytes_out for target in files), "B"


def network_peers(trace: Trace) -> list[Peer]:
    """Return the peers, those with most traffic first."""
    return sorted(trace.peers.values(), key=lambda peer: -(peer.bytes_in + peer.bytes_out))
