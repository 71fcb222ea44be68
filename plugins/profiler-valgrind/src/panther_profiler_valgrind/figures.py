"""The numbers of memcheck, helgrind and drd."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from panther_hookspecs import Measurement
from panther_profiler_valgrind.findings import CRASHES, Seen
from panther_profiler_valgrind.options import CheckerOptions, MemcheckOptions
from panther_profiler_valgrind.report import Report, suppressed_total

_GROUPS: Mapping[str, Mapping[str, Callable[[str], bool]]] = {
    "memcheck": {
        "invalid_accesses": lambda kind: kind in ("InvalidRead", "InvalidWrite", "InvalidJump", "Overlap"),
        "invalid_frees": lambda kind: kind in ("InvalidFree", "MismatchedFree"),
        "uninitialised": lambda kind: kind in ("UninitCondition", "UninitValue", "SyscallParam"),
    },
    "helgrind": {
        "races": lambda kind: kind == "Race",
        "lock_orders": lambda kind: kind == "LockOrder",
        "misuses": lambda kind: kind not in ("Race", "LockOrder"),
    },
    "drd": {
        "races": lambda kind: kind == "ConflictingAccess",
        "misuses": lambda kind: kind != "ConflictingAccess",
    },
}
"""Names for groups of kinds, each counted by different defects and not by how often they were seen."""


def measurements_of(
    options: CheckerOptions, seen: Sequence[Seen], known: Sequence[Seen], reports: Mapping[int, Report], service: str
) -> Iterator[Measurement]:
    """Yield the numbers about what is new (``seen``) and what was accepted (``known``)."""

    def number(name: str, value: float, unit: str = "") -> Measurement:
        return Measurement(name=f"{options.TOOL}.{name}", value=value, unit=unit, service=service)

    yield number("errors", sum(each.count for each in seen))
    yield number("contexts", len({(each.report.pid, each.error.unique) for each in seen}))
    yield number("known", sum(each.count for each in known))
    yield number("suppressed", suppressed_total(reports))
    yield number("crashes", sum(each.death is not None and each.death.name in CRASHES for each in reports.values()))
    yield number("processes", len(reports))
    for name, belongs in _GROUPS[options.TOOL].items():
        yield number(name, len({each.fingerprint for each in seen if belongs(each.error.kind)}))
    if isinstance(options, MemcheckOptions):
        yield from (number(name, value, unit) for name, value, unit in _leaks(options.leak_kinds, seen))


def _leaks(kinds: Sequence[str], seen: Sequence[Seen]) -> Iterator[tuple[str, float, str]]:
    definite = [each for each in seen if each.error.kind == "Leak_DefinitelyLost"]
    possible = [each for each in seen if each.error.kind == "Leak_PossiblyLost"]
    reachable = [each for each in seen if each.error.kind == "Leak_StillReachable"]
    if "definite" in kinds:
        yield "leaked_bytes", sum(each.leaked_bytes for each in definite), "B"
        yield "leaked_blocks", sum(each.leaked_blocks for each in definite), ""
        yield "definitely_lost_bytes", sum(each.leaked_bytes - each.indirect_bytes for each in definite), "B"
    if "definite" in kinds and "possible" in kinds:
        yield "indirectly_lost_bytes", sum(each.indirect_bytes for each in (*definite, *possible)), "B"
    if "possible" in kinds:
        yield "possibly_lost_bytes", sum(each.leaked_bytes - each.indirect_bytes for each in possible), "B"
        yield "possibly_lost_blocks", sum(each.leaked_blocks for each in possible), ""
    if "reachable" in kinds:
        yield "reachable_bytes", sum(each.leaked_bytes for each in reachable), "B"
