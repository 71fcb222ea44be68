"""What the execution environments of all valgrind's tools have in common: wrapping, files, and their problems."""

from __future__ import annotations

import abc
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import attrs

from panther_hookspecs import (
    Artifact,
    ExecutionEnvironmentInterface,
    InstrumentTarget,
    Layer,
    LayerRole,
    MonitoringData,
    Problem,
    Process,
    ServiceCommand,
)
from panther_profiler_valgrind import preflight
from panther_profiler_valgrind.command import ignores_environment, prefix, report_pattern
from panther_profiler_valgrind.options import ValgrindOptions
from panther_profiler_valgrind.processes import age_of, runs_under

_TAIL = 1 << 16
_SIGNAL_LOST = re.compile(r"^==\d+== Can't extend stack to \w+ during signal delivery", re.MULTILINE)
_SETTLED = 1.0
"""Seconds after which a process is no copy any more that is just about to become another program."""

_KINDS = {"txt": "text", "json": "json", "folded": "folded", "supp": "suppressions", "baseline": "baseline"}
"""Kind of an artifact by how the name of its file ends."""


@attrs.define(slots=False)
class ValgrindEnvironment(ExecutionEnvironmentInterface):
    """One tool of valgrind on one service of one attempt."""

    options: Any = attrs.field(factory=ValgrindOptions)
    _process: Process | None = attrs.field(default=None, init=False)
    _runtime: str = attrs.field(default="native", init=False)
    _living: frozenset[int] = attrs.field(default=frozenset(), init=False)
    """Processes that ran under valgrind when the service was about to be stopped."""
    _left: bool = attrs.field(default=False, init=False)
    """Whether the service's process was another program by then, outside of valgrind."""

    def check(self, target: InstrumentTarget) -> Iterable[Problem]:
        """Yield what makes the tool impossible or useless on this service."""
        self._runtime = target.runtime
        if preflight.program_traits(target).stripped:
            self.note("warning", f"{target.command.program.command} is stripped: {self.tool} shows addresses, no names")
        if target.runtime == "python" and ignores_environment(target.command.program.args):
            self.note(
                "warning", f"-I or -E keeps PANTHER from preparing the Python of {target.service} for {self.tool}"
            )
        return preflight.problems(target, self.options, self.context)

    def wrap(self, command: ServiceCommand) -> ServiceCommand:
        """Return the command under valgrind, which keeps the process id of the program."""
        argv = prefix(self.options, self._runtime, self.results())
        return command.wrapped(Layer(role=LayerRole.INSTRUMENT, by=self.tool, argv=argv))

    def start_monitoring(self, target_process: Process) -> None:
        """Remember the process: valgrind runs in it from the start."""
        self._process = target_process

    def stop_monitoring(self) -> None:
        """Look which processes run under valgrind, since each of them owes a result."""
        if self._process is None or self._process.exit is not None:
            return
        main = self._process.pid
        self._left = not runs_under(main, self.tool) and age_of(main) > _SETTLED
        self._living = frozenset(
            pid for pid in self._process.pids() if pid != main and runs_under(pid, self.tool) and age_of(pid) > _SETTLED
        )

    def get_monitoring_data(self) -> MonitoringData:
        """Read what valgrind wrote and say what it means."""
        files = self._files()
        main = self._process.pid if self._process else 0
        if not files or (main and main not in files and not self.options.target_process):
            return MonitoringData(problems=(self._nothing_written(),))
        data = self._read(files, main)
        lost = self._signal_lost()
        if lost is None:
            return data
        findings = tuple(each for each in data.findings if each.kind != "FatalSignal")
        return attrs.evolve(data, findings=findings, problems=(lost, *data.problems))

    @abc.abstractmethod
    def _read(self, files: Mapping[int, Path], main: int) -> MonitoringData:
        """Return what the files say; ``main`` is the service's own process."""

    @property
    def tool(self) -> str:
        """The name of valgrind's tool."""
        return str(self.options.TOOL)

    def _derived(self, ending: str, text: str, title: str) -> Iterator[Artifact]:
        """Write what was made from the tool's own files, and yield it; nothing is made of nothing."""
        path = self.results() / f"{self.tool}.{ending}"
        if text:
            path.write_text(text, encoding="utf-8")
            yield self.artifact(path, _KINDS[ending], f"{title} of {self.service}")

    def _files(self) -> dict[int, Path]:
        """Return the results by process; what callgrind and dhat write can be read by others too."""
        before, _, after = report_pattern(self.options).partition("%p")
        name = re.compile(re.escape(before) + r"(\d+)" + re.escape(after))
        found: dict[int, Path] = {}
        for path in sorted(self.results().iterdir()):
            match = name.fullmatch(path.name)
            if match and path.stat().st_size:
                path.chmod(0o644)
                found[int(match[1])] = path
        return found

    def _chosen(self, programs: Mapping[int, str]) -> frozenset[int]:
        """Return the processes to tell about: all, or those of the program that the user has named."""
        wanted = self.options.target_process
        return frozenset(pid for pid, program in programs.items() if not wanted or Path(program).name == wanted)

    def _not_chosen(self, programs: Mapping[int, str]) -> Problem:
        seen = ", ".join(sorted({Path(each).name for each in programs.values() if each})) or "none"
        return Problem(
            what=f"the service never started {self.options.target_process!r}",
            where="target_process",
            why=f"the programs that it started: {seen}",
        )

    def _cut_off(self, pids: Iterable[int], main: int) -> Iterator[Problem]:
        """Yield a problem for each process whose result lacks its end, unless that is only to be expected.

        A copy that becomes another program leaves half a result behind, which is none of its own.
        """
        loose = []
        for pid in pids:
            where = self.relative(self.results() / report_pattern(self.options).replace("%p", str(pid)))
            if pid == main:
                yield self._main_cut_off(where)
            elif pid in self._living or self.options.follows:
                yield Problem(
                    what=f"the result of process {pid} is not complete",
                    where=where,
                    why="it was killed, perhaps because it did not end when the service did",
                    fix="a longer stop_grace, or a stop_signal at which it waits for its children (nginx: SIGQUIT)",
                )
            else:
                loose.append(pid)
        if loose:
            self.note(
                "info",
                f"{len(loose)} forked processes of {self.service} became another program or were killed: "
                f"{self.tool} knows only how they began; trace_children: true follows them",
            )

    def _main_cut_off(self, where: str) -> Problem:
        status = self._process.exit if self._process else None
        if self._left or (status is not None and status.signal is None):
            return Problem(
                what=f"the service became another program, which {self.tool} did not follow",
                where=where,
                why="it replaced itself (exec) without valgrind",
                fix="trace_children: true, or the path of the program itself",
            )
        return Problem(
            what=f"the result of {self.tool} is not complete",
            where=where,
            why=f"the service was killed before valgrind could finish: {status}",
            fix="a longer stop_grace; valgrind needs a moment to look for leaks",
        )

    def _signal_lost(self) -> Problem | None:
        """Return the problem that valgrind, not the program, has made of a signal, if it has."""
        texts = [self._stderr(), *(_tail(path) for path in self.results().glob(f"{self.tool}.*.log"))]
        if not any(_SIGNAL_LOST.search(text) for text in texts):
            return None
        return Problem(
            what="valgrind could not deliver a signal to the program, which died of that",
            where=self.service,
            why="the program wants a stack of its own for its signals and has none, as Python in select() without "
            "a fault handler; valgrind does not let the other one grow then",
            fix="in Python, faulthandler.enable() (the options -I and -E keep PANTHER from turning it on)",
        )

    def _stderr(self) -> str:
        return _tail(self.service_folder / "stderr")

    def _nothing_written(self) -> Problem:
        said = preflight.complaint(self._stderr())
        status = self._process.exit if self._process else None
        return Problem(
            what=f"{self.tool} has written nothing",
            where=self.relative(self.results()),
            why=said or f"its file is missing or empty; the service ended with {status}",
            fix="" if said else "a longer stop_grace, if the service was killed",
        )


def _tail(path: Path) -> str:
    """Return the last part of a text file, nothing if there is none."""
    if not path.is_file():
        return ""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - _TAIL))
        return file.read().decode("utf-8", "replace")


def folded_text(folded: Mapping[str, int]) -> str:
    """Return folded stacks as text, one a line with its amount."""
    return "".join(f"{stack} {amount}\n" for stack, amount in sorted(folded.items()) if stack and amount)
