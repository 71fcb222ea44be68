"""The instrument itself: strace around a program, beside it, or attached to it."""

from __future__ import annotations

import signal
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import attrs

from panther_hookspecs import (
    Artifact,
    EnvironmentUnavailableError,
    ExecutionEnvironmentInterface,
    InstrumentTarget,
    Layer,
    LayerRole,
    MonitoringData,
    Problem,
    Process,
    ServiceCommand,
    ShellCommand,
    is_running,
    processes_to_attach,
)
from panther_profiler_strace import command as commands
from panther_profiler_strace import tracer as tracers
from panther_profiler_strace.figures import disagreements, measurements_of
from panther_profiler_strace.findings import findings_of
from panther_profiler_strace.log import read_log
from panther_profiler_strace.options import StraceOptions
from panther_profiler_strace.preflight import Inspector
from panther_profiler_strace.trace import Trace
from panther_profiler_strace.views import write_folded, write_json, write_text
from panther_profiler_strace.watch import Watch

_REFUSED = "Operation not permitted"


@attrs.define(slots=False)
class StraceEnvironment(ExecutionEnvironmentInterface):
    """strace on one service of one attempt."""

    options: Any = attrs.field(factory=StraceOptions)
    inspector: Inspector = attrs.field(factory=Inspector, kw_only=True)
    """Shared by all of a run, so that the machine is looked at once."""
    _process: Process | None = attrs.field(default=None, init=False)
    _tracer: Process | None = attrs.field(default=None, init=False)
    """The strace that was attached."""
    _beside: int = attrs.field(default=0, init=False)
    """Process id of a strace that runs beside the program."""
    _forced: bool = attrs.field(default=False, init=False)
    """Whether strace had to be killed to let go of the program. Its log is complete, but has no table."""
    _watch: Watch | None = attrs.field(default=None, init=False)

    def check(self, target: InstrumentTarget) -> Iterable[Problem]:
        """Yield what makes strace impossible or useless on this service."""
        return self.inspector.problems(target, self.options, self.context)

    def wrap(self, command: ServiceCommand) -> ServiceCommand:
        """Return the command under strace, or unchanged if strace is to attach to it."""
        if self.options.attach:
            return command
        argv = commands.wrapping(self.options, self._log())
        forks = not self.options.monitoring_duration
        return command.wrapped(Layer(role=LayerRole.INSTRUMENT, by="strace", argv=argv, forks=forks))

    def start_monitoring(self, target_process: Process) -> None:
        """Attach if that is asked for, and begin to watch the size of the log and the time."""
        self._process = target_process
        if self.options.attach:
            self._attach(target_process)
        elif self.options.monitoring_duration:
            self._beside = tracers.wait_for_tracer(target_process, self.options.timeout)
        self._watch = Watch(
            self._log(),
            int(self.options.log_limit),
            self._is_tracing,
            float(self.options.monitoring_duration),
            self._leave,
        )
        self._watch.start()

    def stop_monitoring(self) -> None:
        """Let go of a program that strace did not start as its parent; otherwise its end is recorded too."""
        if self.options.attach or self.options.monitoring_duration:
            if self._watch is not None:
                self._watch.stop()
            self._leave()

    def get_monitoring_data(self) -> MonitoringData:
        """Read the log and say what it means."""
        if self._watch is not None:
            self._watch.stop()
        log = self._log()
        if not log.exists() or not log.stat().st_size:
            return MonitoringData(problems=(self._nothing_written(),))
        trace = read_log(log, str(self.attempt))
        service = self.service
        self._tell(trace)
        size, complete = log.stat().st_size, self._forced or trace.tables > 0
        return MonitoringData(
            measurements=tuple(
                measurements_of(trace, service, self.options.calls, log_bytes=size, truncated=trace.cut or not complete)
            ),
            findings=tuple(
                findings_of(trace, service=service, artifact=self.relative(log), ignore=self.options.ignore)
            ),
            artifacts=self._write(trace, service),
            problems=tuple(self._problems_of(trace)),
        )

    def _attach(self, process: Process) -> None:
        timeout = self.options.timeout
        pids = processes_to_attach(process, self.options.target_process, timeout, by="strace")
        if not pids:
            return
        tracers.refuse_traced(pids, process.name)
        argv = ShellCommand("strace", commands.attaching(self.options, self._log(), pids))
        name = f"{process.name}-strace"
        folder = self.results()
        self._tracer = self.context.launcher.start(ServiceCommand(program=argv), name=name, folder=folder)
        tracers.wait_until_attached(self._tracer, pids, timeout)
        failed = self._tracer.exit
        if failed is not None and process.exit is None:
            said = _complaint(folder / "stderr") or str(failed)
            hint = "\n  try: root, or in a container the capability SYS_PTRACE" if _REFUSED in said else ""
            raise EnvironmentUnavailableError(f"strace could not attach to service {process.name}: {said}{hint}")

    def _is_tracing(self) -> bool:
        if self.options.attach:
            return self._tracer is not None and self._tracer.exit is None
        if self.options.monitoring_duration:
            return bool(self._beside) and is_running(self._beside)
        return self._process is not None and self._process.exit is None

    def _leave(self) -> None:
        """Take strace off the program, which runs on; where the program has ended, wait for the last of the log."""
        if self._tracer is not None:
            status = self._tracer.stop(signal=signal.SIGINT, grace=tracers.PATIENCE)
            self._forced = status.signal == signal.SIGKILL
        elif self._beside:
            ended = self._process is not None and self._process.exit is not None
            if not (ended and tracers.wait_gone(self._beside, self.options.timeout)):
                self._forced = tracers.leave(self._beside)
            self._beside = 0

    def _log(self) -> Path:
        return self.results() / commands.LOG

    def _write(self, trace: Trace, service: str) -> tuple[Artifact, ...]:
        folder = self.results()
        write_json(trace, folder / "strace.json")
        write_text(trace, folder / "strace.txt", service)
        write_folded(trace, folder / "strace.folded")
        titles = {
            "strace.txt": ("text", f"system calls of {service}"),
            "strace.json": ("json", f"system calls of {service}, by call, descriptor, peer, path, task and time"),
            "strace.folded": ("folded", f"time in system calls of {service}, microseconds"),
            commands.LOG: ("strace", f"every system call of {service}"),
        }
        return tuple(
            self.artifact(folder / name, kind, title)
            for name, (kind, title) in titles.items()
            if (folder / name).stat().st_size
        )

    def _tell(self, trace: Trace) -> None:
        """Note what a reader of the numbers should know."""
        limit = self.options.log_limit
        if trace.cut:
            dropped = self._watch.dropped if self._watch else 0
            self.note(
                "warning",
                f"the log of strace was cut off at its limit of {limit:.0f} bytes, {dropped} bytes were "
                "dropped: counts, errors and times by call are complete, peers, files and timeline are not",
            )
        for name in disagreements(trace):
            self.note("warning", f"the lines of strace's log and its table disagree about {name}: the table is used")
        if self._forced and not trace.tables:
            self.note("info", "strace had to be killed to let go of the program: its log has no table to compare with")
        if trace.unread:
            self.note("warning", f"{trace.unread} of {trace.lines} lines of strace's log were not understood")

    def _problems_of(self, trace: Trace) -> Iterable[Problem]:
        if not (trace.tables or self._forced):
            yield Problem(
                what="the log of strace is not complete: its table is missing",
                where=self.relative(self._log()),
                why="strace was killed, perhaps with a program that did not end in time",
                fix="a longer stop_grace",
            )
        elif self.options.inject and not trace.injected and not trace.cut:
            calls = ", ".join(name for fault in self.options.inject for name in fault.calls)
            yield Problem(
                what="no fault was injected",
                where="inject",
                why=f"the service made no such call: {calls}",
                fix="strace without inject shows the calls that it makes",
            )

    def _nothing_written(self) -> Problem:
        """Say why there is no log; a strace that did not even start the program is an error of the whole attempt."""
        folder = self.results()
        too_late = self.options.attach and self._tracer is None
        service = self.service_folder
        said = _complaint(folder / "stderr") or _complaint(service / "stderr")
        if said and not self.options.attach:
            raise EnvironmentUnavailableError(f"strace could not start service {service.name}: {said}")
        return Problem(
            what="strace has recorded nothing",
            where=self.relative(self._log()),
            why="the service ended before strace could attach" if too_late else said or "its log is missing or empty",
            fix="attach: false" if too_late else "",
        )


def _complaint(path: Path) -> str:
    """Return the first thing that strace complained about in a file, or nothing."""
    if not path.is_file():
        return ""
    with path.open(encoding="utf-8", errors="replace") as file:
        said = (line.strip() for line in file if line.startswith("strace: ") and not line.rstrip().endswith("attached"))
        return next(said, "").removeprefix("strace: ")
