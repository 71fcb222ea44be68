"""Each tool of valgrind keeps what every execution environment keeps."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import ClassVar

import pytest

from panther_core.testing.conformance import ExecutionEnvironmentConformance, Planted
from panther_hookspecs import ShellCommand

PROGRAMS = Path(__file__).with_name("programs")


class _Valgrind(ExecutionEnvironmentConformance):
    defects: ClassVar[dict[str, str]] = {}
    """Arguments of the program with defects, with the kind that each must be found as."""
    source: ClassVar[str] = "memory"

    def built(self, folder: Path, name: str = "memory") -> str:
        target = folder / name
        if not target.exists():
            if shutil.which("cc") is None:
                pytest.skip("needs a C compiler")
            subprocess.run(["cc", "-O1", "-g", "-pthread", "-o", target, PROGRAMS / f"{name}.c"], check=True)
        return str(target)

    def exiting(self, folder: Path, code: int) -> ShellCommand:
        return ShellCommand(self.built(folder), (code,))

    def crashing(self, folder: Path) -> ShellCommand:
        return ShellCommand(self.built(folder), ("crash",))

    def serving(self, folder: Path) -> ShellCommand:
        return ShellCommand(self.built(folder), ("serve",))

    def planted(self, folder: Path) -> Iterable[Planted]:
        if self.defects:
            command = ShellCommand(self.built(folder, self.source), tuple(self.defects))
            yield Planted(command=command, kinds=frozenset(self.defects.values()))


class TestMemcheck(_Valgrind):
    plugin = "panther_profiler_valgrind.plugin"
    name = "memcheck"
    defects: ClassVar[dict[str, str]] = {
        "lose": "Leak_DefinitelyLost",
        "stale": "InvalidRead",
        "unset": "UninitCondition",
        "twice": "InvalidFree",
    }


class TestHelgrind(_Valgrind):
    plugin = "panther_profiler_valgrind.plugin"
    name = "helgrind"
    source = "threads"
    defects: ClassVar[dict[str, str]] = {"race": "Race", "locks": "LockOrder"}


class TestDrd(_Valgrind):
    plugin = "panther_profiler_valgrind.plugin"
    name = "drd"
    source = "threads"
    defects: ClassVar[dict[str, str]] = {"race": "ConflictingAccess"}


class TestCallgrind(_Valgrind):
    plugin = "panther_profiler_valgrind.plugin"
    name = "callgrind"


class TestMassif(_Valgrind):
    plugin = "panther_profiler_valgrind.plugin"
    name = "massif"


class TestDhat(_Valgrind):
    plugin = "panther_profiler_valgrind.plugin"
    name = "dhat"
