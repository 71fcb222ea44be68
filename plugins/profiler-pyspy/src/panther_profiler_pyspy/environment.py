"""The instrument itself: py-spy, attached to a Python program from its first moments to its end."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import attrs

from panther_hookspecs import (
    Artifact,
    EnvironmentUnavailableError,
    ExecutionEnvironmentInterface,
    InstrumentTarget,
    Measurement,
    MonitoringData,
    Problem,
    Process,
    function_shares,
    function_table,
)
from panther_profiler_pyspy.options import PySpyOptions
from panther_profiler_pyspy.preflight import problems_of, tool
from panther_profiler_pyspy.profile import Profile
from panther_profiler_pyspy.sampler import Sampler, attach, complaint

RATE = 100
"""Looks a second if the user names none."""
_BUSY, _LITTLE = 0.25, 0.1
"""Seconds of processor time from which on it is a problem if less than this share of them was seen."""


@attrs.define(slots=False)
class PySpyEnvironment(ExecutionEnvironmentInterface):
    """py-spy on one service of one attempt."""

    options: Any = attrs.field(factory=PySpyOptions)
    _samplers: list[tuple[Sampler, Path]] = attrs.field(factory=list, init=False)
    """One for each start of the service, with the file it writes."""
    _process: Process | None = attrs.field(default=None, init=False)
    _used: float = attrs.field(default=0.0, init=False)
    """Processor time that the service had used when py-spy began to look."""

    def check(self, target: InstrumentTarget) -> Iterable[Problem]:
        """Yield what makes py-spy impossible or useless on this service."""
        return problems_of(target, self.options)

    def start_monitoring(self, target_process: Process) -> None:
        """Attach py-spy."""
        self._process = target_process
        program = tool()
        if program is None:
            raise EnvironmentUnavailableError("py-spy is not installed: pip install py-spy")
        number = len(self._samplers) + 1
        file = self.results() / f"pyspy{'' if number == 1 else f'-{number}'}.{self._ending}"
        sampler = attach(
            self.context,
            program,
            self._arguments(file),
            target_process,
            self.options.target_process,
            self.options.timeout,
        )
        self._samplers.append((sampler, file))
        self._used = _processor_time(target_process)
        if self.options.monitoring_duration:
            sampler.end_after(self.options.monitoring_duration)

    def stop_monitoring(self) -> None:
        """Let py-spy write its file and go."""
        for sampler, _ in self._samplers:
            sampler.end()

    def get_monitoring_data(self) -> MonitoringData:
        """Read what py-spy wrote and say what it means."""
        self.stop_monitoring()
        profile, problems = Profile(), []
        for sampler, file in self._samplers:
            problem = self._read(sampler, file, profile)
            if problem is not None:
                problems.append(problem)
        if len(problems) == len(self._samplers):
            return MonitoringData(problems=tuple(problems) or (self._too_late(),))
        problems += self._blind(profile)
        self._tell(profile)
        return MonitoringData(
            measurements=tuple(self._measurements(profile)),
            artifacts=self._write(profile),
            problems=tuple(problems),
        )

    @property
    def _ending(self) -> str:
        return "speedscope.json" if self.options.timeline else "raw"

    def _arguments(self, file: Path) -> Sequence[str]:
        options = self.options
        flags = {
            "--subprocesses": options.subprocesses,
            "--native": options.native,
            "--idle": options.idle,
            "--gil": options.gil,
            "--nonblocking": options.nonblocking,
            "--function": not options.lines,
        }
        return (
            *("record", "--format", "speedscope" if options.timeline else "raw", "--output", str(file)),
            *("--rate", str(self._rate()), *(flag for flag, wanted in flags.items() if wanted)),
        )

    def _rate(self) -> int:
        return int(self.options.sampling_rate) or RATE

    def _read(self, sampler: Sampler, file: Path, profile: Profile) -> Problem | None:
        """Add a file to the profile; return what is wrong with it, if something is."""
        if not file.is_file():
            said = complaint(sampler.said())
            if self._process is not None and not sampler.started():
                return self._too_late(said)
            return Problem(
                what="py-spy wrote no profile", where=self.relative(file), why=said or str(sampler.process.exit)
            )
        try:
            if self.options.timeline:
                profile.read_timeline(file)
            else:
                with file.open(encoding="utf-8", errors="replace") as lines:
                    profile.read_stacks(lines)
        except ValueError as error:
            why = f"py-spy ended with {sampler.process.exit}"
            return Problem(what=f"what py-spy wrote cannot be used: {error}", where=self.relative(file), why=why)
        return None

    def _too_late(self, said: str = "") -> Problem:
        return Problem(
            what="py-spy has recorded nothing",
            why=f"the service ended before py-spy could look into it{f' ({said})' if said else ''}",
            fix="`services`, to watch only those that run for longer, or more for it to do",
        )

    def _blind(self, profile: Profile) -> Iterator[Problem]:
        """Yield a problem if nearly all of the work was done where nobody looked."""
        chosen = self.options.gil or self.options.target_process or self.options.monitoring_duration
        used = _processor_time(self._process) - self._used if self._process is not None else 0.0
        seen = profile.samples / self._rate()
        if not chosen and used > _BUSY and seen < _LITTLE * used:
            yield Problem(
                what=f"py-spy has seen {seen:.2f} s of {used:.2f} s of work",
                where=f"service {self.service}",
                why="the rest was done in processes that it did not look into, or in threads without Python",
                fix="subprocesses: true, or target_process",
            )

    def _tell(self, profile: Profile) -> None:
        """Note what a reader of the numbers should know."""
        if not profile.samples:
            self.note("info", "not one sample: the service was idle at every look (idle: true shows where it waits)")
        if any("behind in sampling" in sampler.said() for sampler, _ in self._samplers):
            self.note(
                "warning", f"py-spy could not look {self._rate()} times a second: a lower sampling_rate is better"
            )
        failed = self._failed()
        if failed:
            self.note("warning", f"{failed} looks failed and are missing from the profile")

    def _failed(self) -> int:
        return sum(sampler.count("Errors") for sampler, _ in self._samplers)

    def _measurements(self, profile: Profile) -> Iterator[Measurement]:
        def number(name: str, value: float, **labels: str) -> Measurement:
            return Measurement(name=f"pyspy.{name}", value=value, service=self.service, labels=labels)

        yield number("samples", profile.samples, rate=str(self._rate()))
        yield number("failed", self._failed())
        if self.options.timeline:
            yield number("threads", profile.threads)
        yield from function_shares(
            profile.functions(),
            profile.samples,
            source="pyspy",
            service=self.service,
            wanted=self.options.functions,
        )

    def _write(self, profile: Profile) -> tuple[Artifact, ...]:
        """Write what is made of the files of py-spy; without samples there is nothing to be written."""
        if not profile.samples:
            return ()
        folder = self.results()
        folded, table = folder / "pyspy.folded", folder / "pyspy.txt"
        with folded.open("w", encoding="utf-8") as out:
            out.writelines(f"{line}\n" for line in profile.folded(lines=self.options.lines))
        with table.open("w", encoding="utf-8") as out:
            out.writelines(f"{line}\n" for line in function_table(profile.functions(), profile.samples))
        timelines = [file for _, file in self._samplers if self.options.timeline and file.is_file()]
        return (
            self.artifact(table, "text", f"functions of {self.service} by samples"),
            self.artifact(folded, "folded", f"stacks of {self.service}, samples"),
            *(self.artifact(file, "speedscope", f"stacks of {self.service} over time") for file in timelines),
        )


def _processor_time(process: Process | None) -> float:
    return process.usage.cpu_user + process.usage.cpu_system if process is not None else 0.0
