"""What ``perf_stat`` and ``perf_record`` have in common: when perf is attached, to what, and when it lets go."""

from __future__ import annotations

import abc
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import ClassVar

import attrs

from panther_hookspecs import (
    AttachedTool,
    ExecutionEnvironmentInterface,
    InstrumentTarget,
    MonitoringData,
    Problem,
    Process,
    ServiceCommand,
    processes_to_attach,
)
from panther_profiler_perf.gate import Gate
from panther_profiler_perf.preflight import Inspector
from panther_profiler_perf.tracer import attach, complaint


@attrs.define(slots=False)
class PerfEnvironment(ExecutionEnvironmentInterface):
    """perf on one service of one attempt."""

    later: ClassVar[frozenset[str]] = frozenset()
    """Instruments that are attached after this one; if one is there, it opens the gate."""

    inspector: Inspector = attrs.field(factory=Inspector, kw_only=True)
    """Shared by all of a run, so that the machine is looked at once."""
    _gate: Gate | None = attrs.field(default=None, init=False)
    _opens: bool = attrs.field(default=True, init=False)
    _tracers: list[tuple[AttachedTool, Path]] = attrs.field(factory=list, init=False)
    """One for each start of the service, with the file it writes."""

    @abc.abstractmethod
    def problems(self, target: InstrumentTarget) -> Iterable[Problem]:
        """Yield what makes this instrument in particular useless on the service."""

    @abc.abstractmethod
    def arguments(self, file: Path) -> Sequence[str]:
        """Return what perf is to do, and with which file."""

    @abc.abstractmethod
    def understand(self, files: Sequence[Path]) -> MonitoringData:
        """Say what complete files mean."""

    @abc.abstractmethod
    def defect(self, file: Path) -> str:
        """Return what is wrong with a file that perf should have written, nothing if it is complete."""

    def check(self, target: InstrumentTarget) -> Iterator[Problem]:
        """Yield what makes perf impossible or useless on this service."""
        self._opens = self.later.isdisjoint(target.others)
        yield from self.problems(target)

    def wrap(self, command: ServiceCommand) -> ServiceCommand:
        """Return the command so that it waits until perf is attached, unless perf is to come later.

        The mark of the gate is in the folder of the service, which is where the service can see it wherever it runs.
        """
        self._gate = Gate.of(command)
        if self._gate is None and not self.options.attach:
            self._gate = Gate(self.service_folder / ".gate")
            return self._gate.before(command)
        return command

    def start_monitoring(self, target_process: Process) -> None:
        """Attach perf and let the program run."""
        timeout, attaching = self.options.timeout, self.options.attach
        gate = self._gate if not self._tracers else None
        waiting = gate.wait(target_process, timeout) if gate else 0
        opening = gate if waiting and self._opens else None
        if opening and attaching:
            opening.open(waiting, timeout)
        at_gate = waiting and not attaching
        pids = (waiting,) if at_gate else self._programs(target_process)
        if pids:
            self._attach(target_process, pids)
        if opening and not attaching:
            opening.open(waiting, timeout)

    def _programs(self, process: Process) -> tuple[int, ...]:
        return processes_to_attach(process, self.options.target_process, self.options.timeout, by="perf")

    def _attach(self, process: Process, pids: Sequence[int]) -> None:
        number = len(self._tracers) + 1
        file = self.results() / self._name(number)
        tracer = attach(self.context, self.arguments(file), pids, process, self.options.timeout)
        self._tracers.append((tracer, file))
        if self.options.monitoring_duration:
            tracer.end_after(self.options.monitoring_duration)

    def stop_monitoring(self) -> None:
        """Let perf write its file and go, while there is still a program to find its functions in."""
        for tracer, _ in self._tracers:
            tracer.end()

    def get_monitoring_data(self) -> MonitoringData:
        """Read what perf wrote and say what it means."""
        self.stop_monitoring()
        files = [file for _, file in self._tracers]
        problems = [
            *self._missed(),
            *(self._broken(tracer, file) for tracer, file in self._tracers if self.defect(file)),
        ]
        good = [file for file in files if not self.defect(file)]
        if not good:
            return MonitoringData(problems=tuple(problems))
        data = self.understand(good)
        return attrs.evolve(data, problems=(*problems, *data.problems))

    def _missed(self) -> Iterator[Problem]:
        if not self._tracers:
            yield Problem(
                what="perf has recorded nothing",
                why="the service ended before perf could be attached",
                fix="" if not self.options.attach else "attach: false",
            )
        elif self._gate is not None and self._gate.later_starts >= len(self._tracers):
            yield Problem(
                what="perf has not seen all of the service",
                why="the service was started again, and perf was not attached to it then",
            )

    def _broken(self, tracer: AttachedTool, file: Path) -> Problem:
        return Problem(
            what=f"what perf wrote cannot be used: {self.defect(file)}",
            where=self.relative(file),
            why=complaint(tracer.said()) or f"perf ended with {tracer.process.exit}",
        )

    def _name(self, number: int) -> str:
        """Return the name of the file for one start of the service."""
        stem, dot, ending = self.file_name.partition(".")
        return self.file_name if number == 1 else f"{stem}-{number}{dot}{ending}"

    @property
    @abc.abstractmethod
    def file_name(self) -> str:
        """Name of the file that perf writes."""
