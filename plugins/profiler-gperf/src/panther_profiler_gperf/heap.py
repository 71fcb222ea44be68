"""``gperf_heap``: where a program's memory comes from, what is live, and what is never given back."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import attrs

from panther_hookspecs import (
    Artifact,
    Finding,
    InstrumentTarget,
    Measurement,
    MonitoringData,
    Problem,
    Process,
    function_key,
)
from panther_profiler_gperf.heap_profile import (
    ALLOCATED_BYTES,
    ALLOCATED_OBJECTS,
    LIVE_BYTES,
    LIVE_OBJECTS,
    read_heap_profile,
    read_heap_totals,
)
from panther_profiler_gperf.instrument import INTERPRETERS, GperfEnvironment, Loaded, choose
from panther_profiler_gperf.leaks import Leak, findings_of, leaks_of, worth_a_look
from panther_profiler_gperf.options import DEFAULT_SIGNAL, HeapOptions, number_of
from panther_profiler_gperf.preflight import Program, heap_problems, kill_problems
from panther_profiler_gperf.processes import forked
from panther_profiler_gperf.stacks import ProfileError, Stacks
from panther_profiler_gperf.switching import OWN, dump_heap, named_after
from panther_profiler_gperf.symbols import ALLOCATORS
from panther_profiler_gperf.views import write_folded, write_json, write_text

_FILE = "heap"
_DUMP = re.compile(r"(?P<process>.+)\.(?P<number>\d+)\.heap$")
_CHECKED = "_main_-end.heap"
_VALUES = ("live_objects", "live_bytes", "allocated_objects", "allocated_bytes")
_MOST_FUNCTIONS = 20


@attrs.frozen(kw_only=True)
class _Judged:
    """What is known about memory that was never given back."""

    leaks: tuple[Leak, ...] = ()
    known: bool = False
    proven: bool = False
    artifact: str = ""


@attrs.define(slots=False)
class HeapEnvironment(GperfEnvironment):
    """gperftools' allocator with its heap profiler in the program of one service."""

    LIBRARY: ClassVar[str] = "libtcmalloc.so.4"

    options: Any = attrs.field(factory=HeapOptions)
    _timer: threading.Timer | None = attrs.field(default=None, init=False)
    _lock: threading.Lock = attrs.field(factory=threading.Lock, init=False)
    _final: list[Path] = attrs.field(factory=list, init=False)
    """The profiles that a signal has caused; they are the result, whatever is written later."""
    _refused: list[str] = attrs.field(factory=list, init=False)
    _forked: int = attrs.field(default=0, init=False)

    def program_problems(self, target: InstrumentTarget, program: Program | None) -> Iterable[Problem]:
        """Yield what only heap profiles stumble over."""
        return heap_problems(target, program)

    def setting_problems(self, target: InstrumentTarget) -> Iterable[Problem]:
        """Yield what gperftools cannot do, and why nothing would be written."""
        told = self.options
        if told.leak_check and "strace" in target.others:
            why = (
                "to find all pointers the leak check stops the program's threads with ptrace, which strace uses already"
            )
            yield Problem(what="leak_check cannot work together with strace", where="leak_check", why=why)
        if not (told.switched or told.allocation_interval or told.growth_interval or told.time_interval):
            yield from kill_problems(target, f"dump_signal: {DEFAULT_SIGNAL}")

    def variables(self) -> Mapping[str, str]:
        """Return what libtcmalloc reads; an interval of 0 is none."""
        told, folder = self.options, self.results()
        variables = {
            "HEAPPROFILE": str(folder / _FILE),
            "HEAP_PROFILE_ALLOCATION_INTERVAL": f"{told.allocation_interval:.0f}",
            "HEAP_PROFILE_INUSE_INTERVAL": f"{told.growth_interval:.0f}",
            "HEAP_PROFILE_TIME_INTERVAL": f"{told.time_interval:.0f}",
        }
        if told.switched:
            variables["HEAPPROFILESIGNAL"] = str(number_of(told.dump_signal))
        if told.leak_check:
            # Its own way of naming functions is slow, and not needed.
            variables |= {"HEAPCHECK": told.leak_check, "HEAP_CHECK_DUMP_DIRECTORY": str(folder), "PPROF_PATH": "/none"}
        return variables

    def start_monitoring(self, target_process: Process) -> None:
        """Remember the program, and when to look if it is to be watched for a while only."""
        self._process, self._main = target_process, target_process.program_pid
        if self.options.monitoring_duration:
            self._timer = threading.Timer(self.options.monitoring_duration, self._dump)
            self._timer.daemon = True
            self._timer.start()

    def stop_monitoring(self) -> None:
        """Let the program write a profile now, where a signal does that."""
        if self._timer is not None:
            self._timer.cancel()
        if self._process is not None:
            self._forked = len(forked(self._process.pids()))
            if self.options.switched:
                self._dump()

    def _dump(self) -> None:
        assert self._process is not None, "the engine calls start_monitoring first"
        with self._lock:
            if self._final or self._process.exit is not None:
                return
            self._main = self._process.program_pid  # strace starts it some time after itself
            pids = (self._main, *(forked(self._process.pids()) if self.options.forks else ()))
            for pid in pids:
                path = dump_heap(self.sender(self.options.dump_signal), pid, self.results(), self.options.timeout)
                if path is None:
                    self._refused.append(f"process {pid} wrote no profile when it was signalled")
                else:
                    self._final.append(named_after(path, pid) if self.options.forks else path)

    def get_monitoring_data(self) -> MonitoringData:
        """Read the last profile of each process and say where memory was live at that time."""
        loaded, failed = self._load()
        kept, others = choose(loaded, self._main, self.options.target_process)
        if not kept:
            return MonitoringData(problems=(self._nothing(loaded, failed),))
        for path, error in failed.items():
            self.note("info", f"{path.name} could not be used: {error}")
        for text in self._refused:
            self.note("warning", text)
        self.note_runtime()
        self.note_others(others, LIVE_BYTES, "bytes")
        symbols = self.symbols()
        stacks = symbols.name((each.raw for each in kept), ALLOCATORS)
        unnamed = sum(each.flat for each in stacks.functions(LIVE_BYTES) if each.name.startswith("["))
        self.note_unnamed(unnamed, stacks.total(LIVE_BYTES), kept, symbols)
        self._note_cut(kept)
        judged, problems = self._judge(stacks, kept)
        return MonitoringData(
            measurements=tuple(self._measure(stacks, kept, judged)),
            findings=tuple(self._findings(judged)),
            artifacts=self._write(stacks, kept, judged),
            problems=(*problems, *self._unseen()),
        )

    def _load(self) -> tuple[list[Loaded], dict[Path, ProfileError]]:
        """Read the profile of each process that a signal has caused, else its last one."""
        asked = {_process_of(path) for path in self._final}
        last = {_process_of(path): path for path in self._dumps() if _process_of(path) not in asked}
        loaded: list[Loaded] = []
        failed: dict[Path, ProfileError] = {}
        for path in (*self._final, *last.values()):
            try:
                loaded.append(Loaded(path=path, raw=read_heap_profile(path)))
            except ProfileError as error:
                failed[path] = error
        return loaded, failed

    def _dumps(self) -> list[Path]:
        """Return all profiles in order; of forked processes those that no other has written over."""
        found = [(match, path) for path in self.results().glob(f"{_FILE}*.heap") if (match := _DUMP.match(path.name))]
        own = [(match, path) for match, path in found if (OWN in path.name) == self.options.forks]
        return [path for _, path in sorted(own, key=lambda each: (each[0]["process"], int(each[0]["number"])))]

    def _series(self, kept: Sequence[Loaded]) -> dict[str, list[int]]:
        """Return the live bytes in every profile of each process, in order."""
        series: dict[str, list[int]] = {_process_of(each.path): [] for each in kept}
        for path in self._dumps():
            if _process_of(path) in series:
                try:
                    series[_process_of(path)].append(read_heap_totals(path)[LIVE_BYTES])
                except ProfileError:  # cut off while the program was killed; the last one has been read
                    continue
        return series

    def _judge(self, stacks: Stacks, kept: Sequence[Loaded]) -> tuple[_Judged, tuple[Problem, ...]]:
        if self.options.leak_check:
            return self._checked()
        if self._runtime in INTERPRETERS:
            self.note("info", "leaks are not judged: an interpreter keeps memory for later")
            return _Judged(), ()
        at_exit = all(any(str(each.path) in line and "(Exiting" in line for line in self.said()) for each in kept)
        if not at_exit:
            self.note("info", "leaks are not judged: the profile was not written when the program ended")
            return _Judged(), ()
        leaks = tuple(leak for leak in leaks_of(stacks) if worth_a_look(leak, self.options))
        return _Judged(leaks=leaks, known=True, artifact=self.relative(kept[0].path)), ()

    def _checked(self) -> tuple[_Judged, tuple[Problem, ...]]:
        """Read what the leak check has found, if it was made."""
        dumps = sorted(self.results().glob(f"*{_CHECKED}"))
        lines = list(self.said())
        if not dumps and any("No leaks found" in line for line in lines):
            return _Judged(known=True, proven=True), ()
        if not dumps:
            why, fix = self.death()
            what = "the leak check was not made"
            return _Judged(), (Problem(what=what, where="leak_check", why=why, fix=fix or "leak_check left out"),)
        try:
            raw = [read_heap_profile(path) for path in dumps]
        except ProfileError as error:
            return _Judged(), (Problem(what="the result of the leak check cannot be read", why=str(error)),)
        leaks = leaks_of(self.symbols().name(raw, ALLOCATORS))
        if leaks:
            self.note("info", "the leak check ends a program that leaks with exit code 1, whatever its own is")
        return _Judged(leaks=tuple(leaks), known=True, proven=True, artifact=self.relative(dumps[0])), ()

    def _findings(self, judged: _Judged) -> Iterator[Finding]:
        return findings_of(list(judged.leaks), proven=judged.proven, service=self.service, artifact=judged.artifact)

    def _measure(self, stacks: Stacks, kept: Sequence[Loaded], judged: _Judged) -> Iterator[Measurement]:
        def number(name: str, value: float, unit: str = "", **labels: str) -> Measurement:
            return Measurement(name=f"gperf_heap.{name}", value=value, unit=unit, service=self.service, labels=labels)

        totals = [sum(each.raw.totals[index] for each in kept) for index in range(4)]
        yield number("live_bytes", totals[LIVE_BYTES], "B")
        yield number("live_objects", totals[LIVE_OBJECTS])
        yield number("allocated_bytes", totals[ALLOCATED_BYTES], "B")
        yield number("allocated_objects", totals[ALLOCATED_OBJECTS])
        yield number("highest_live_bytes", sum(max(each) for each in self._series(kept).values()), "B")
        if judged.known:
            yield number("leaked_bytes", sum(leak.size for leak in judged.leaks), "B")
            yield number("leaked_objects", sum(leak.objects for leak in judged.leaks))
            yield number("leaks", len(judged.leaks))
        for each in stacks.functions(LIVE_BYTES)[:_MOST_FUNCTIONS]:
            yield number(f"{function_key(each.name)}.live_bytes", each.flat, "B", function=each.name)

    def _write(self, stacks: Stacks, kept: Sequence[Loaded], judged: _Judged) -> tuple[Artifact, ...]:
        folder, total = self.results(), stacks.total(LIVE_BYTES)
        title = f"{total} bytes live in {stacks.total(LIVE_OBJECTS)} objects of {self.service}"
        write_text(folder / "gperf_heap.txt", title, stacks.functions(LIVE_BYTES), total)
        facts = {
            **{name: sum(each.raw.totals[index] for each in kept) for index, name in enumerate(_VALUES)},
            "profiles": [{"file": each.path.name, "program": each.raw.executable} for each in kept],
            "live_bytes_by_profile": self._series(kept),
        }
        write_json(folder / "gperf_heap.json", facts, stacks, _VALUES, LIVE_BYTES)
        artifacts = [
            self.artifact(folder / "gperf_heap.txt", "text", f"live memory of {self.service} by function"),
            self.artifact(folder / "gperf_heap.json", "json", f"memory of {self.service} by function and stack"),
        ]
        if total:
            write_folded(folder / "gperf_heap.folded", stacks.folded(LIVE_BYTES))
            title = f"live memory of {self.service}, bytes"
            artifacts.append(self.artifact(folder / "gperf_heap.folded", "folded", title))
        if judged.leaks:
            write_text(folder / "leaks.txt", f"memory of {self.service} that was not given back", *_table(judged.leaks))
            artifacts.append(self.artifact(folder / "leaks.txt", "text", f"leaks of {self.service} by function"))
        self.copy_to_output_file(kept[0].path)
        raw = [*(each.path for each in kept), *sorted(folder.glob(f"*{_CHECKED}"))]
        return (*artifacts, *(self.artifact(path, "gperf_heap", f"raw profile {path.name}") for path in raw))

    def _note_cut(self, kept: Sequence[Loaded]) -> None:
        for each in kept:
            live, allocated = (each.raw.totals[index] - each.raw.kept(index) for index in (LIVE_BYTES, ALLOCATED_BYTES))
            if live > 0 or allocated > 0:
                self.note(
                    "warning",
                    f"gperftools has cut {each.path.name} off at 1 MiB and left out stacks with {live} live and "
                    f"{allocated} allocated bytes; the totals are complete",
                )

    def _unseen(self) -> Iterator[Problem]:
        """Yield a problem if forked processes have a memory of their own that was not looked at."""
        if self.options.forks:
            return
        written = [line for line in self.said() if "(Exiting" in line]
        paths = [found[1] for line in written if (found := re.search(r"heap profile to (\S+)", line))]
        several = len(paths) - len(set(paths))
        if self._forked or several:
            how = f"{self._forked} forked processes were running at the end" if self._forked else ""
            over = f"{several} processes have written over each other's profiles" if several else ""
            yield Problem(
                what="the memory of processes that the program forks was not seen",
                where=self.relative(self.results()),
                why=" and ".join(filter(None, (how, over))),
                fix="forks: true, which has each write a profile of its own before it is stopped",
            )

    def _nothing(self, loaded: Sequence[Loaded], failed: Mapping[Path, ProfileError]) -> Problem:
        where = self.relative(self.results())
        names = ", ".join(sorted({each.program for each in loaded}))
        if self.options.target_process and loaded:
            what = f"no program {self.options.target_process!r} was profiled"
            return Problem(what=what, where="target_process", why=f"the service has run: {names}", fix="one of these")
        for error in failed.values():
            why = f"{error}: the program was killed while it wrote, or the disk is full"
            return Problem(what="the heap profile is not complete", where=where, why=why, fix="a longer stop_grace")
        why, fix = self.death()
        why = "; ".join(self._refused) or why
        fix = fix or (
            f"a stop_signal at which the program ends by exit() (SIGINT?), dump_signal: {DEFAULT_SIGNAL}, "
            "or time_interval: 1s"
        )
        if names:
            fix = f"target_process, one of: {names}"
        return Problem(what="there is no heap profile of the program", where=where, why=why, fix=fix)


def _process_of(path: Path) -> str:
    match = _DUMP.match(path.name)
    return match["process"] if match else path.name


def _table(leaks: Sequence[Leak]) -> tuple[list[Any], int]:
    stacks = Stacks(values={leak.frames: (leak.objects, leak.size, 0, 0) for leak in leaks})
    return stacks.functions(LIVE_BYTES), stacks.total(LIVE_BYTES)
