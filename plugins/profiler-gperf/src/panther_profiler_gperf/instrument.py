"""What both instruments have in common: the preloaded library, the folder, which processes count, what was said."""

from __future__ import annotations

import abc
import re
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import attrs

from panther_hookspecs import (
    ExecutionEnvironmentInterface,
    InstrumentTarget,
    Layer,
    LayerRole,
    Problem,
    Process,
    ServiceCommand,
)
from panther_profiler_gperf.options import GperfOptions, number_of
from panther_profiler_gperf.preflight import Program, program_of, program_problems
from panther_profiler_gperf.stacks import RawProfile
from panther_profiler_gperf.switching import OWN, Sender
from panther_profiler_gperf.symbols import Known, Symbols

_SAID = re.compile(rb"LD_PRELOAD|PROFILE: |heap profile to|leak|profiling")
_MOST_SAID = 2000
INTERPRETERS: Mapping[str, str] = {
    "python": "it sees the C functions of the interpreter and of extension modules, not those written in Python: "
    "the execution environment pyspy shows those",
    "node": "it sees the functions of the interpreter and of native add-ons, not those written in JavaScript: "
    "node --cpu-prof and --heap-prof show those",
}
"""What can be seen of a program that another one interprets, by runtime."""


@attrs.frozen(kw_only=True)
class Loaded:
    """A profile that could be read, with its file and, where the name tells it, its process."""

    path: Path
    raw: RawProfile

    @property
    def pid(self) -> int:
        """The process that has written it, 0 for the one that began."""
        found = re.search(rf"(?:_|{re.escape(OWN)})(\d+)(?:\.\d+)?(?:\.heap)?$", self.path.name)
        return int(found[1]) if found else 0

    @property
    def program(self) -> str:
        """The name of the program that was profiled."""
        return Path(self.raw.executable).name


def choose(loaded: Sequence[Loaded], main: int, wanted: str) -> tuple[list[Loaded], list[Loaded]]:
    """Divide profiles into those of the program that is to be watched and the others.

    Unless one is named it is the service's main program: what its first process ran last.
    """
    if wanted:
        chosen = {each.raw.executable for each in loaded if wanted in (each.program, each.raw.executable)}
    else:
        first = [each for each in loaded if each.pid == main] or [each for each in loaded if not each.pid]
        chosen = {each.raw.executable for each in first}
    kept = [each for each in loaded if each.raw.executable in chosen]
    return kept, [each for each in loaded if each.raw.executable not in chosen]


@attrs.define(slots=False)
class GperfEnvironment(ExecutionEnvironmentInterface):
    """A library of gperftools in the program of one service of one attempt."""

    LIBRARY: ClassVar[str]

    options: Any = attrs.field(factory=GperfOptions)
    known: Known = attrs.field(factory=Known, kw_only=True)
    """Shared by all cases of a run."""
    _process: Process | None = attrs.field(default=None, init=False)
    _main: int = attrs.field(default=0, init=False)
    """Process id of the program."""
    _runtime: str = attrs.field(default="native", init=False)
    _others: tuple[str, ...] = attrs.field(default=(), init=False)
    """The other instruments on the service."""

    def check(self, target: InstrumentTarget) -> Iterable[Problem]:
        """Yield why nothing would be seen of this service, or too much would go wrong."""
        self._runtime, self._others = target.runtime, target.others
        if self.options.target_process in ("", Path(target.command.program.command).name):
            program = program_of(target.command.program)
            yield from program_problems(target, program)
            yield from self.program_problems(target, program)
        yield from self.setting_problems(target)

    @abc.abstractmethod
    def program_problems(self, target: InstrumentTarget, program: Program | None) -> Iterable[Problem]:
        """Yield why this instrument alone would see nothing of the program."""

    @abc.abstractmethod
    def setting_problems(self, target: InstrumentTarget) -> Iterable[Problem]:
        """Yield why the options of this instrument cannot work, whatever the program."""

    @abc.abstractmethod
    def variables(self) -> Mapping[str, str]:
        """Return the environment variables that tell the library what to do."""

    def wrap(self, command: ServiceCommand) -> ServiceCommand:
        """Return the command with the library preloaded into the program and what it starts, not into a wrapper."""
        libraries = [self.LIBRARY]
        layers = []
        for layer in command.layers:
            env = dict(layer.env)
            libraries += filter(None, (env.pop("LD_PRELOAD", ""),))
            layers.append(attrs.evolve(layer, env=env))
        if len(libraries) == 1:
            libraries += filter(None, (command.program.env.get("LD_PRELOAD", ""),))
        env = {"LD_PRELOAD": ":".join(libraries), **self.variables()}
        inner = attrs.evolve(command, layers=tuple(layers))
        return inner.wrapped(Layer(role=LayerRole.ENVIRONMENT, by=self.get_name(), env=env))

    def sender(self, signal_name: str) -> Sender:
        """Return what signals the service's processes."""
        assert self._process is not None, "the engine calls start_monitoring first"
        return Sender(self._process, number_of(signal_name), self._main)

    def symbols(self) -> Symbols:
        """Return what names functions."""
        return Symbols(self.context.commands, self.results() / "symbols", self.known)

    def copy_to_output_file(self, path: Path) -> None:
        """Put a copy of the raw profile where the user wants one."""
        if self.options.output_file:
            target = self.attempt / self.options.output_file
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)

    def note_runtime(self) -> None:
        """Say what can be seen of an interpreted program."""
        if self._runtime in INTERPRETERS:
            self.note("info", INTERPRETERS[self._runtime])

    def note_others(self, others: Sequence[Loaded], index: int, unit: str) -> None:
        """Say what was left out because it belongs to other programs."""
        sums: dict[str, int] = {}
        for each in others:
            sums[each.program] = sums.get(each.program, 0) + each.raw.totals[index]
        told = ", ".join(f"{name} {count} {unit}" for name, count in sorted(sums.items()) if count)
        if told:
            self.note("info", f"left out, because they belong to other programs of the service: {told}")

    def said(self) -> Iterator[str]:
        """Yield the lines of the service's standard error in which gperftools or the loader speaks."""
        count = 0
        for stream in ("stderr", "stderr.tail"):
            path = self.service_folder / stream
            if path.is_file():
                with path.open("rb") as file:
                    for line in file:
                        if _SAID.search(line) and (count := count + 1) <= _MOST_SAID:
                            yield line.decode("utf-8", "replace").rstrip()

    def death(self) -> tuple[str, str]:
        """Return why the program may have left no profile, and what to do about it, as far as its end tells."""
        preload = next((line for line in self.said() if "cannot be preloaded" in line), "")
        if preload:
            return preload, "install libgoogle-perftools4 where the service runs"
        status = self._process.exit if self._process else None
        if status is None or status.reason == "start_failed":
            return "the program was not started with it", ""
        if status.signal is not None:
            name = f"signal {status.signal}"
            return f"{name} ended the program before it could write one: it has no handler that ends by exit()", ""
        return "it ended without exit handlers (by _exit(), as shells do, or by starting another program)", ""

    def note_unnamed(self, unnamed: int, total: int, kept: Sequence[Loaded], symbols: Symbols) -> None:
        """Say so if a part of the program has no names."""
        stripped = sorted({each.raw.executable for each in kept if not symbols.has_names(each.raw.executable)})
        if unnamed and total and stripped:
            self.note(
                "warning",
                f"{unnamed / total:.0%} is in functions without a name: {', '.join(stripped)} is stripped; "
                "build it with -g, or install its debug symbols",
            )
