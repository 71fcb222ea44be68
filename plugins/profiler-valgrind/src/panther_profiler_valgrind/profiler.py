"""The execution environments ``callgrind``, ``massif`` and ``dhat``: where instructions and memory go."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import attrs

from panther_hookspecs import Artifact, Measurement, MonitoringData, Problem
from panther_profiler_valgrind import callgrind, dhat, massif
from panther_profiler_valgrind.environment import ValgrindEnvironment, folded_text
from panther_profiler_valgrind.options import CallgrindOptions, ValgrindOptions
from panther_profiler_valgrind.profile import (
    TOP,
    Profile,
    ProfileError,
    Share,
    Units,
    greatest_first,
    joined,
    part,
    shares_measured,
)

_READERS: Mapping[str, tuple[Callable[[Path], Profile], Units]] = {
    "callgrind": (callgrind.profile_of, Units(tool="callgrind", amount="instructions", unit="", adds_up=True)),
    "massif": (massif.profile_of, Units(tool="massif", amount="bytes", unit="B", adds_up=False)),
    "dhat": (dhat.profile_of, Units(tool="dhat", amount="bytes", unit="B", adds_up=False)),
}
_PLAIN = re.compile(r"[A-Za-z_]\w*")
_SHOWN = 30


@attrs.define(slots=False)
class ProfilerEnvironment(ValgrindEnvironment):
    """A tool that measures."""

    options: Any = attrs.field(factory=ValgrindOptions)

    def _read(self, files: Mapping[int, Path], main: int) -> MonitoringData:
        read, units = _READERS[self.tool]
        profiles: dict[int, Profile] = {}
        flawed = {pid for pid in self._living if pid not in files}
        for pid, path in files.items():
            try:
                profiles[pid] = read(path)
            except ProfileError as error:
                self.note("warning", f"{self.relative(path)}: {error}")
                flawed.add(pid)
        problems = list(self._cut_off(sorted(flawed), main))
        programs = {pid: profile.program for pid, profile in profiles.items()}
        chosen = self._chosen(programs)
        if not chosen:
            return MonitoringData(problems=(*problems, *([] if problems else [self._not_chosen(programs)])))
        told = _Told([profile for pid, profile in profiles.items() if pid in chosen], units)
        problems += self._unknown_functions(told)
        return MonitoringData(
            measurements=(*self._measured(told), *self._functions(told)),
            artifacts=tuple(self._write(told, files)),
            problems=tuple(problems),
        )

    def _measured(self, told: _Told) -> Iterator[Measurement]:
        for name, value in told.numbers.items():
            unit = "B" if name.endswith("bytes") else ""
            yield Measurement(name=f"{self.tool}.{name}", value=value, unit=unit, service=self.service)
        yield Measurement(name=f"{self.tool}.processes", value=told.processes, service=self.service)
        yield from shares_measured(told.shares, told.whole, told.units, self.service)

    def _functions(self, told: _Told) -> Iterator[Measurement]:
        """Yield the numbers of functions by their names, for checks and comparisons; of callgrind only."""
        if not isinstance(self.options, CallgrindOptions):
            return
        hot = (each.name for each in told.shares[:TOP] if _PLAIN.fullmatch(each.name))
        for name in dict.fromkeys((*self.options.functions, *hot)):
            own = [each for each in told.shares if each.name == name]
            if not own:
                continue
            values = {
                "instructions": sum(each.amount for each in own),
                "share": part(sum(each.amount for each in own), told.whole),
                "inclusive_share": part(max(each.inclusive for each in own), told.whole),
                "calls": sum(each.calls for each in own),
            }
            for last, value in values.items():
                yield Measurement(name=f"callgrind.function.{name}.{last}", value=value, service=self.service)

    def _unknown_functions(self, told: _Told) -> Iterator[Problem]:
        known = {each.name for each in told.shares}
        for name in getattr(self.options, "functions", ()):
            if name not in known:
                near = ", ".join(difflib.get_close_matches(name, known, n=3)) or "none"
                yield Problem(
                    what=f"the function {name!r} was never called",
                    where="functions",
                    why=f"functions with similar names: {near}",
                    fix="a binary with symbols, built so that the function is not inlined",
                )

    def _write(self, told: _Told, files: Mapping[int, Path]) -> Iterator[Artifact]:
        """Write what is derived from the profiles, and yield all files."""
        tool = self.tool
        yield from self._derived("txt", "".join(told.page()), tool)
        yield from self._derived("json", json.dumps(told.table(), indent=1), f"{tool}, all of it,")
        yield from self._derived("folded", folded_text(told.folded()), told.profiles[0].title)
        for pid, path in files.items():
            yield self.artifact(path, tool, f"{tool} of process {pid}")


@attrs.define
class _Told:
    """The profiles of all processes that are told about, as one."""

    profiles: list[Profile]
    units: Units
    processes: int = attrs.field(init=False)
    numbers: Mapping[str, float] = attrs.field(init=False)
    shares: list[Share] = attrs.field(init=False)
    whole: int = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        """Put them together, or choose one."""
        self.processes = len(self.profiles)
        if not self.units.adds_up:
            self.profiles = [max(self.profiles, key=lambda each: each.whole)]
        self.numbers = joined(self.profiles)
        self.shares = greatest_first(self.profiles)
        self.whole = sum(each.whole for each in self.profiles)

    def folded(self) -> dict[str, int]:
        """Return the folded stacks of all of them."""
        found: dict[str, int] = {}
        for profile in self.profiles:
            for stack, amount in profile.folded.items():
                found[stack] = found.get(stack, 0) + amount
        return found

    def table(self) -> dict[str, Any]:
        """Return everything for programs to read."""
        return {"numbers": dict(self.numbers), "whole": self.whole, "top": [attrs.asdict(each) for each in self.shares]}

    def page(self) -> Iterator[str]:
        """Yield the numbers and the greatest shares as a person reads them."""
        yield from (f"{name:>20} {value:>15,.0f}\n" for name, value in self.numbers.items())
        yield f"\n{'share':>7} {'with calls':>10} {self.units.amount:>15}  where\n"
        for each in self.shares[:_SHOWN]:
            inclusive = f"{part(each.inclusive, self.whole):>10.1%}" if each.inclusive else " " * 10
            share = part(each.amount, self.whole)
            yield f"{share:>7.1%} {inclusive} {each.amount:>15,}  {each.name}  {each.place}\n"
