"""``gperf_cpu``: which functions the CPU time of a program goes into, by samples."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import attrs

from panther_hookspecs import Artifact, InstrumentTarget, Measurement, MonitoringData, Problem, Process
from panther_profiler_gperf.cpu_profile import read_cpu_profile
from panther_profiler_gperf.figures import by_function
from panther_profiler_gperf.instrument import GperfEnvironment, Loaded, choose
from panther_profiler_gperf.options import DEFAULT_SIGNAL, CpuOptions, number_of
from panther_profiler_gperf.preflight import Program, cpu_problems, kill_problems
from panther_profiler_gperf.processes import forked
from panther_profiler_gperf.stacks import ProfileError, Stacks
from panther_profiler_gperf.switching import OWN, CpuSwitch, Follower, program_of
from panther_profiler_gperf.views import write_folded, write_json, write_text

_FILE = "cpu.prof"
_SLOWEST_TICK = 0.01
"""Longest time between two samples that a kernel's clock can cause; Linux has 100 ticks a second or more."""
_ENOUGH_CPU = 0.5
_MISSING = 0.5


@attrs.define(slots=False)
class CpuEnvironment(GperfEnvironment):
    """gperftools' CPU profiler in the program of one service."""

    LIBRARY: ClassVar[str] = "libprofiler.so.0"

    options: Any = attrs.field(factory=CpuOptions)
    _switch: CpuSwitch | None = attrs.field(default=None, init=False)
    _follower: Follower | None = attrs.field(default=None, init=False)
    _timer: threading.Timer | None = attrs.field(default=None, init=False)
    _forked: int = attrs.field(default=0, init=False)
    """Processes that the program had forked when it was about to be stopped."""

    def program_problems(self, target: InstrumentTarget, program: Program | None) -> Iterable[Problem]:
        """Yield what only sampling stumbles over."""
        return cpu_problems(target, program)

    def setting_problems(self, target: InstrumentTarget) -> Iterable[Problem]:
        """Yield why nothing would be written."""
        return () if self.options.switched else kill_problems(target, f"switch_signal: {DEFAULT_SIGNAL}")

    def variables(self) -> Mapping[str, str]:
        """Return what libprofiler reads."""
        variables = {"CPUPROFILE": str(self.results() / _FILE), "CPUPROFILE_FREQUENCY": str(self.options.rate)}
        if self.options.realtime:
            variables["CPUPROFILE_REALTIME"] = "1"
        if self.options.switched:
            variables["CPUPROFILESIGNAL"] = str(number_of(self.options.switch_signal))
        return variables

    def start_monitoring(self, target_process: Process) -> None:
        """Switch sampling on, where a signal does that; otherwise it has begun with the program."""
        self._process, self._main = target_process, target_process.program_pid
        if not self.options.switched:
            return
        follows = self.options.forks or self.options.target_process
        if self._main and not follows:
            self._main = program_of(target_process, number_of(self.options.switch_signal), self.options.timeout)
        sender, sampling = self.sender(self.options.switch_signal), self._sampling()
        self._switch = CpuSwitch(sender, sampling, self.results(), self.options.timeout)
        if follows:
            told = self.options
            self._follower = Follower(target_process, self._switch, told.forks, told.target_process)
            self._follower.start()
        elif self._main:
            self._switch.on(self._main, patience=0.0)
        if self.options.monitoring_duration:
            self._timer = threading.Timer(self.options.monitoring_duration, self._switch_off)
            self._timer.daemon = True
            self._timer.start()

    def stop_monitoring(self) -> None:
        """Switch sampling off, where a signal does that, and look who else is running."""
        if self._timer is not None:
            self._timer.cancel()
        if self._process is not None:
            self._forked = len(forked(self._process.pids()))
        self._switch_off()

    def _switch_off(self) -> None:
        if self._follower is not None:
            self._follower.stop()
        if self._switch is not None:
            self._switch.off()

    def get_monitoring_data(self) -> MonitoringData:
        """Read the profiles and say where the time went."""
        loaded, failed = self._load()
        kept, others = self._choose(loaded)
        if not kept:
            return MonitoringData(problems=(self._nothing(others, failed),))
        for path, error in failed.items():
            self.note("info", f"{path.name} could not be used: {error}")
        self._note_switching()
        if "gperf_heap" in self._others:
            self.note("info", "gperf_heap works in the same program, and its time is among the samples")
        self.note_runtime()
        self.note_others(others, 0, "samples")
        symbols = self.symbols()
        stacks = symbols.name(each.raw for each in kept)
        total = stacks.total()
        unnamed = sum(each.flat for each in stacks.functions() if each.name.startswith("["))
        self.note_unnamed(unnamed, total, kept, symbols)
        problems = tuple(self._shortage(loaded, total))
        return MonitoringData(
            measurements=tuple(self._measure(stacks, unnamed)),
            artifacts=self._write(stacks, kept),
            problems=problems,
        )

    def _load(self) -> tuple[list[Loaded], dict[Path, ProfileError]]:
        """Read every profile; what other programs have left without a sample is removed, it says nothing."""
        loaded: list[Loaded] = []
        failed: dict[Path, ProfileError] = {}
        for path in sorted(self.results().glob(f"{_FILE}*")):
            try:
                loaded.append(Loaded(path=path, raw=read_cpu_profile(path)))
            except ProfileError as error:
                failed[path] = error
        kept, others = self._choose(loaded)
        idle = [each for each in others if kept and not each.raw.totals[0]]
        for each in idle:
            each.path.unlink()
        return [each for each in loaded if each not in idle], failed

    def _choose(self, loaded: Sequence[Loaded]) -> tuple[Sequence[Loaded], Sequence[Loaded]]:
        """Divide profiles into those that are to be told and others; of forked processes only there is no other."""
        if self.options.forks and not self.options.target_process:
            return loaded, ()
        return choose(loaded, self._main, self.options.target_process)

    def _measure(self, stacks: Stacks, unnamed: int) -> Iterator[Measurement]:
        total = stacks.total()
        yield Measurement(name="gperf_cpu.samples", value=total, service=self.service)
        yield Measurement(name="gperf_cpu.unnamed.share", value=unnamed / total if total else 0, service=self.service)
        if not self.options.switched and not self.options.realtime and self._cpu_seconds() >= _ENOUGH_CPU:
            rate = total / self._cpu_seconds()
            yield Measurement(name="gperf_cpu.effective_rate", value=rate, unit="Hz", service=self.service)
            if rate < 0.8 * self.options.rate:
                self.note("info", f"{rate:.0f} samples a second of CPU time were taken, {self.options.rate} asked for")
        yield from by_function("gperf_cpu", stacks.functions(), total, self.service)

    def _write(self, stacks: Stacks, kept: Sequence[Loaded]) -> tuple[Artifact, ...]:
        folder, total = self.results(), stacks.total()
        title = f"{total} samples of {self.service}, {self.options.rate} a second asked for"
        write_text(folder / "gperf_cpu.txt", title, stacks.functions(), total)
        facts = {
            "samples": total,
            "frequency": self.options.rate,
            "processes": [
                {"file": each.path.name, "program": each.raw.executable, "samples": each.raw.totals[0]} for each in kept
            ],
        }
        write_json(folder / "gperf_cpu.json", facts, stacks, ("samples",), 0)
        artifacts = [
            self.artifact(folder / "gperf_cpu.txt", "text", f"CPU time of {self.service} by function"),
            self.artifact(folder / "gperf_cpu.json", "json", f"CPU time of {self.service} by function and stack"),
        ]
        if total:
            write_folded(folder / "gperf_cpu.folded", stacks.folded())
            title = f"CPU time of {self.service}, samples"
            artifacts.append(self.artifact(folder / "gperf_cpu.folded", "folded", title))
        largest = max(kept, key=lambda each: each.raw.totals[0])
        self.copy_to_output_file(largest.path)
        raw = [each.path for each in kept]
        return (*artifacts, *(self.artifact(path, "gperf_cpu", f"raw profile {path.name}") for path in raw))

    def _cpu_seconds(self) -> float:
        usage = self._process.usage if self._process else None
        return usage.cpu_user + usage.cpu_system if usage else 0.0

    def _shortage(self, loaded: Sequence[Loaded], total: int) -> Iterator[Problem]:
        """Yield a problem if much of the CPU time cannot be in the samples of all programs together."""
        if self.options.switched or self.options.realtime:
            if not total and self._cpu_seconds() >= _ENOUGH_CPU:
                self.note("warning", "no sample was taken while sampling was switched on")
            return
        used = self._cpu_seconds()
        seen = sum(each.raw.totals[0] for each in loaded) * max(1 / self.options.rate, _SLOWEST_TICK)
        if used < _ENOUGH_CPU or seen >= _MISSING * used:
            if not total:
                self.note("warning", f"no sample was taken: the program used {used:.3f} s of CPU time only")
            return
        yield Problem(
            what=f"most of the {used:.1f} s of CPU time is in no profile: there are {total} samples",
            where=self.relative(self.results()),
            why=self._why_forked(),
            fix="forks: true, which profiles forked processes, or the execution environment perf_record",
        )

    def _why_forked(self) -> str:
        seen = f"the program forks ({self._forked} such processes ran at the end), and " if self._forked else ""
        return f"{seen}processes that a program forks are not sampled"

    def _nothing(self, others: Sequence[Loaded], failed: Mapping[Path, ProfileError]) -> Problem:
        """Say why there is no profile of the program that is to be watched."""
        busiest = max(others, key=lambda each: each.raw.totals[0], default=None)
        where = self.relative(self.results())
        if self.options.target_process and others and self._switch is None:
            names = ", ".join(sorted({each.program for each in others}))
            return Problem(
                what=f"no program {self.options.target_process!r} was profiled",
                where="target_process",
                why=f"the service has run: {names}",
                fix="one of these names",
            )
        kinds = {error.kind: path for path, error in failed.items()}
        if "several" in kinds:
            return Problem(
                what=f"the CPU profile {kinds['several'].name} cannot be used",
                where=where,
                why="the program forks, and the processes have written over each other's profiles",
                fix="forks: true, which gives each a file of its own",
            )
        if self._switch is not None:
            return self._never_on(where)
        if "truncated" in kinds or "foreign" in kinds:
            path = kinds.get("truncated") or kinds["foreign"]
            why = f"{failed[path]}: the program was killed while it wrote, or the disk is full"
            return Problem(what="the CPU profile is not complete", where=where, why=why, fix="a longer stop_grace")
        if self._killed_by_timer():
            return Problem(
                what="the signal that makes gperftools take a sample has ended the program",
                where=where,
                why="the process started another program in its place, as `sh -c 'exec server'` does, and the timer of "
                "the samples ran on before the other could handle it",
                fix=f"start the program itself, or switch_signal: {DEFAULT_SIGNAL} with target_process: its name",
            )
        why, fix = self.death()
        fix = fix or f"a stop_signal at which the program ends by exit() (SIGINT?), or switch_signal: {DEFAULT_SIGNAL}"
        if busiest is not None and busiest.raw.totals[0]:
            fix = f"target_process: {busiest.program}, which has {busiest.raw.totals[0]} samples"
        return Problem(what="there is no CPU profile of the program", where=where, why=why, fix=fix)

    def _killed_by_timer(self) -> bool:
        status = self._process.exit if self._process else None
        return status is not None and status.signal == self._sampling()

    def _sampling(self) -> int:
        """Return the signal that takes a sample."""
        return signal.SIGALRM if self.options.realtime else signal.SIGPROF

    def _never_on(self, where: str) -> Problem:
        refused = "; ".join(self._switch.refused) if self._switch else ""
        fix = f"another switch_signal than {self.options.switch_signal or DEFAULT_SIGNAL}, or "
        if self.options.forks:
            why = refused or "the program forked no process that lived for a tenth of a second"
            fix = f"{fix}forks: false" if refused else "forks: false"
            return Problem(what="no forked process was sampled", where=where, why=why, fix=fix)
        why = refused or "the program ended before sampling could be switched on, or was killed while it was on"
        if self.options.target_process and not refused:
            why = f"no program {self.options.target_process!r} ran for a tenth of a second"
        return Problem(what="sampling could not be switched on and off", where=where, why=why, fix=f"{fix}none")

    def _note_switching(self) -> None:
        """Say which processes were not sampled."""
        for text in self._switch.refused if self._switch else ():
            self.note("warning", text)
        if self._follower is not None:
            if self.options.forks:
                self.note("info", f"the first process is not sampled, only those forked from it (files {_FILE}{OWN}*)")
            if self._follower.skipped:
                count = len(self._follower.skipped)
                self.note("warning", f"{count} processes were forked by sampled ones and could not be sampled")
