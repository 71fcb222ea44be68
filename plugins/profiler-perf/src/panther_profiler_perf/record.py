"""``perf_record``: samples of where a service is, made into hot functions and stacks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import attrs

from panther_hookspecs import (
    Artifact,
    HotFunction,
    InstrumentTarget,
    Measurement,
    MonitoringData,
    Problem,
    ShellCommand,
    function_shares,
    function_table,
)
from panther_profiler_perf.environment import PerfEnvironment
from panther_profiler_perf.options import RecordOptions
from panther_profiler_perf.preflight import program_problems
from panther_profiler_perf.profile import REPORT, Profile, defect_of
from panther_profiler_perf.tracer import ENVIRONMENT, complaint

RATES = {"fp": 999, "dwarf": 250}
"""Samples a second if the user names none. Not a round number, so as not to fall into step with the program."""
_FASTEST = Path("/proc/sys/kernel/perf_event_max_sample_rate")
_HARDWARE, _SOFTWARE = "cycles", "cpu-clock"
_MUCH = 0.2
"""Share of samples without a name from which on a reader should know."""
_PATIENCE = 10
"""Times the time limit for taking down that making sense of a recording may take."""


@attrs.define(slots=False)
class RecordEnvironment(PerfEnvironment):
    """``perf record`` on one service of one attempt."""

    options: Any = attrs.field(factory=RecordOptions)

    @property
    def file_name(self) -> str:
        """Name of the file that perf writes."""
        return "perf.data"

    def problems(self, target: InstrumentTarget) -> Iterator[Problem]:
        """Yield what makes sampling impossible on the service."""
        yield from program_problems(target)
        yield from _rate_problems(self.options.sampling_rate)
        machine = self.inspector.machine(self._candidates(), self.context)
        yield from machine.problems
        if not machine.problems and not machine.names:
            yield Problem(
                what=f"this machine cannot sample {' or '.join(self._candidates())}",
                where="event",
                why="the processor has no such counter, or a virtual machine hides it",
                fix=f"event: {_SOFTWARE}",
            )

    def arguments(self, file: Path) -> Sequence[str]:
        """Return the arguments of ``perf record``."""
        options = self.options
        graph = f"dwarf,{options.stack_size:.0f}" if options.call_graph == "dwarf" else options.call_graph
        return (
            *("record", "-q", "-N", "-B", "-o", str(file), "-e", self._event(), "-F", str(self._rate())),
            *("--call-graph", graph, "--max-size", f"{options.data_limit:.0f}B"),
        )

    def defect(self, file: Path) -> str:
        """Return what is wrong with a recording, nothing if it is complete."""
        return defect_of(file)

    def understand(self, files: Sequence[Path]) -> MonitoringData:
        """Let perf find the names of functions, and add up what it says."""
        profile, problems = Profile(), []
        for file in files:
            problem = self._read(file, profile)
            if problem is not None:
                problems.append(problem)
        self._tell(profile)
        return MonitoringData(
            measurements=tuple(self._measurements(profile)),
            artifacts=self._write(profile, files),
            problems=tuple(problems),
        )

    def _candidates(self) -> tuple[str, ...]:
        return (self.options.event,) if self.options.event else (_HARDWARE, _SOFTWARE)

    def _event(self) -> str:
        """Return the first event that this machine can count, with perf's ``:u`` if only outside of the kernel."""
        names = self.inspector.machine(self._candidates(), self.context).names
        return next(iter(names.values()))

    def _rate(self) -> int:
        return int(self.options.sampling_rate) or RATES[self.options.call_graph]

    def _read(self, file: Path, profile: Profile) -> Problem | None:
        command = ShellCommand(
            "perf", (*REPORT, "-i", str(file)), timeout=self.options.timeout * _PATIENCE, env=ENVIRONMENT
        )
        result = self.context.commands.execute(command, log_dir=self.context.folder, name="report")
        failed = result.exit_code != 0 or "Error:" in result.stderr
        if failed and "has no samples" not in result.stderr:
            return Problem(
                what="perf cannot read what it has recorded",
                where=self.relative(file),
                why=complaint(result.stderr) or str(result.exit),
            )
        if result.stdout_path is not None:
            with result.stdout_path.open(encoding="utf-8", errors="replace") as lines:
                profile.read(lines)
            result.stdout_path.unlink()
        if result.stderr_path is not None and not result.stderr.strip():
            result.stderr_path.unlink()
        return None

    def _tell(self, profile: Profile) -> None:
        event = self._event()
        if not self.options.event and not event.startswith(_HARDWARE):
            self.note(
                "info", f"samples by {event}, a clock of the kernel: the processor's counters are not available here"
            )
        if event.endswith(":u"):
            self.note("info", "what the kernel did for the service is not seen: kernel.perf_event_paranoid keeps it")
        if not profile.samples:
            self.note("info", "not one sample: the service did (almost) nothing while it was watched")
        unnamed = _unnamed(profile.functions())
        if unnamed > _MUCH * profile.samples:
            share = f"{unnamed / profile.samples:.0%} of the samples are in code without names of functions"
            self.note("warning", f"{share}: keep the symbols of the program, or install its debug symbols")
        if self._full():
            self.note("warning", f"recording ended at data_limit ({self.options.data_limit:.0f} bytes)")

    def _full(self) -> bool:
        return any("size limit reached" in tracer.said() for tracer, _ in self._tracers)

    def _measurements(self, profile: Profile) -> Iterator[Measurement]:
        whole = profile.samples or 1

        def number(name: str, value: float, **labels: str) -> Measurement:
            return Measurement(name=f"perf_record.{name}", value=value, service=self.service, labels=labels)

        yield number("samples", profile.samples, event=self._event(), rate=str(self._rate()))
        functions = profile.functions()
        yield number("unnamed.share", _unnamed(functions) / whole)
        yield number("threads", len(profile.threads))
        yield number("kernel.share", profile.kernel / whole)
        yield number("truncated", int(self._full()))
        yield from function_shares(
            functions, profile.samples, source="perf_record", service=self.service, wanted=self.options.functions
        )

    def _write(self, profile: Profile, files: Sequence[Path]) -> tuple[Artifact, ...]:
        raw = [self.artifact(file, "perf", f"samples of {self.service}, for perf report") for file in files]
        if not profile.samples:
            return tuple(raw)
        folder = files[0].parent
        folded, table = folder / "perf.folded", folder / "perf.txt"
        with folded.open("w", encoding="utf-8") as out:
            out.writelines(f"{line}\n" for line in profile.folded())
        with table.open("w", encoding="utf-8") as out:
            out.writelines(f"{line}\n" for line in function_table(profile.functions(), profile.samples))
        return (
            self.artifact(table, "text", f"functions of {self.service} by samples"),
            self.artifact(folded, "folded", f"stacks of {self.service}, samples"),
            *raw,
        )


def _rate_problems(rate: float) -> Iterator[Problem]:
    fastest = int(_FASTEST.read_text(encoding="ascii")) if _FASTEST.exists() else 0
    if rate and (rate < 1 or rate != int(rate)):
        yield Problem(
            what=f"perf cannot take {rate:g} samples a second", where="sampling_rate", fix="a whole number from 1 on"
        )
    elif fastest and rate > fastest:
        yield Problem(
            what=f"the kernel does not allow {rate:g} samples a second",
            where="sampling_rate",
            why=f"kernel.perf_event_max_sample_rate is {fastest}",
            fix=f"at most {fastest}, or a higher kernel.perf_event_max_sample_rate",
        )


def _unnamed(functions: Sequence[HotFunction]) -> int:
    return sum(each.flat for each in functions if each.name.startswith("["))
