"""Both instruments keep what every execution environment keeps."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

import pytest

from panther_core.testing.conformance import ExecutionEnvironmentConformance, Planted
from panther_hookspecs import ShellCommand

PROGRAMS = Path(__file__).parent / "programs"


def program(folder: Path, name: str, *arguments: str) -> ShellCommand:
    if shutil.which("cc") is None:
        pytest.skip("needs a C compiler")
    built = folder / name
    if not built.exists():
        subprocess.run(["cc", "-O1", "-g", "-pthread", "-o", built, PROGRAMS / f"{name}.c"], check=True)
    return ShellCommand(str(built), arguments)


class TestGperfCpu(ExecutionEnvironmentConformance):
    plugin = "panther_profiler_gperf.plugin"
    name = "gperf_cpu"
    source = "cpu"

    def exiting(self, folder: Path, code: int) -> ShellCommand:
        return program(folder, self.source, "exit", str(code))

    def crashing(self, folder: Path) -> ShellCommand:
        return program(folder, self.source, "crash")

    def serving(self, folder: Path) -> ShellCommand:
        return program(folder, self.source, "polite")


class TestGperfCpuSwitchedBySignal(TestGperfCpu):
    options = {"switch_signal": "SIGUSR2"}

    def exiting(self, folder: Path, code: int) -> ShellCommand:
        """A program that is switched on by a signal must live long enough for that."""
        return ShellCommand("bash", ("-c", f"sleep 0.3; echo done; exit {code}"))


class TestGperfHeap(TestGperfCpu):
    name = "gperf_heap"
    source = "heap"

    def planted(self, folder: Path) -> Iterable[Planted]:
        yield Planted(command=program(folder, "heap", "leak", "100"), kinds=frozenset({"unfreed"}))


class TestGperfHeapLeakCheck(TestGperfHeap):
    options = {"leak_check": "normal"}

    def planted(self, folder: Path) -> Iterable[Planted]:
        yield Planted(command=program(folder, "heap", "leak", "100"), kinds=frozenset({"leak"}))
