"""``perf_stat``: how often the kernel and the processor saw something happen in a service."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar

import attrs

from panther_hookspecs import InstrumentTarget, Measurement, MonitoringData, Problem
from panther_profiler_perf.counters import Counter, add, read_counters
from panther_profiler_perf.environment import PerfEnvironment
from panther_profiler_perf.options import StatOptions
from panther_profiler_perf.preflight import program_problems

HARDWARE = ("cycles", "instructions", "branches", "branch-misses", "cache-references", "cache-misses")
SOFTWARE = ("task-clock", "context-switches", "cpu-migrations", "page-faults", "major-faults")
IN_KERNEL = frozenset({"context_switches", "cpu_migrations"})
"""They happen in the kernel: where that is not watched, perf says 0 whatever happens."""


@attrs.define(slots=False)
class StatEnvironment(PerfEnvironment):
    """``perf stat`` on one service of one attempt."""

    later: ClassVar[frozenset[str]] = frozenset({"perf_record"})

    options: Any = attrs.field(factory=StatOptions)

    @property
    def file_name(self) -> str:
        """Name of the file that perf writes."""
        return "perf_stat.csv"

    def problems(self, target: InstrumentTarget) -> Iterator[Problem]:
        """Yield what makes counting impossible on the service."""
        if self.options.target_process and "perf_record" in target.others:
            yield Problem(
                what="perf_stat cannot wait for one process beside perf_record",
                where="target_process",
                why="perf_record starts the service after perf_stat is attached",
                fix="one of them in a test case of its own",
            )
        yield from program_problems(target)
        machine = self.inspector.machine(self._events(), self.context)
        yield from machine.problems
        missing = [] if machine.problems else [each for each in self.options.events if each not in machine.names]
        if missing:
            yield Problem(
                what=f"this machine cannot count {', '.join(missing)}",
                where="events",
                why="the processor has no such counter, or a virtual machine hides it",
                fix=f"leave out events, or name such as {', '.join(SOFTWARE[:3])}",
            )

    def arguments(self, file: Path) -> Sequence[str]:
        """Return the arguments of ``perf stat``."""
        return ("stat", "-x", ";", "-o", str(file), "-e", ",".join(self._countable()))

    def defect(self, file: Path) -> str:
        """Return what is wrong with a table, nothing if it has every counter."""
        if not file.is_file() or not file.stat().st_size:
            return "it is missing or empty"
        found, wanted = len(_counters(file)), len(self._countable())
        return "" if found >= wanted else f"it has {found} of {wanted} counters"

    def understand(self, files: Sequence[Path]) -> MonitoringData:
        """Make measurements of the counters."""
        counters = add(_counters(file) for file in files)
        blind = [each for each in counters if each.user_only and each.name in IN_KERNEL]
        counted = [each for each in counters if each not in blind]
        self._tell(counted, blind)
        title = f"counters of {self.service}"
        return MonitoringData(
            measurements=tuple(self._measurements(counted)),
            artifacts=tuple(self.artifact(file, "csv", title) for file in files),
        )

    def _events(self) -> tuple[str, ...]:
        return self.options.events or (*HARDWARE, *SOFTWARE)

    def _countable(self) -> tuple[str, ...]:
        return tuple(self.inspector.machine(self._events(), self.context).names)

    def _measurements(self, counters: Sequence[Counter]) -> Iterator[Measurement]:
        for each in counters:
            if each.value is not None:
                labels = {"event": each.event, **({"counted": f"{each.share:.0%}"} if each.share < 1 else {})}
                yield Measurement(
                    name=f"perf_stat.{each.name}",
                    value=each.value,
                    unit=each.unit,
                    service=self.service,
                    labels=labels,
                )
        values = {each.name: each.value for each in counters}
        cycles, instructions = values.get("cycles"), values.get("instructions")
        if cycles and instructions is not None:
            yield Measurement(
                name="perf_stat.instructions_per_cycle",
                value=instructions / cycles,
                service=self.service,
                labels={"better": "higher"},
            )

    def _tell(self, counted: Sequence[Counter], blind: Sequence[Counter]) -> None:
        """Say what is not among the numbers, and which of them are estimates."""
        unsupported = [each for each in self._events() if each not in self._countable()]
        if unsupported:
            self.note("info", f"the processor's counters are not available here: no {', '.join(unsupported)}")
        if blind:
            names = ", ".join(each.name for each in blind)
            self.note("info", f"no {names}: kernel.perf_event_paranoid keeps what happens in the kernel from this user")
        never = [each.name for each in counted if each.value is None]
        if never:
            self.note("info", f"never counted, as the service did not run while it was watched: {', '.join(never)}")
        estimated = [each.name for each in counted if each.share < 1]
        if estimated:
            self.note("info", f"the processor has too few counters for all at once, estimated: {', '.join(estimated)}")


def _counters(file: Path) -> list[Counter]:
    with file.open(encoding="utf-8", errors="replace") as lines:
        return read_counters(lines)
