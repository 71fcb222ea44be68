"""What every execution environment must keep."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import ClassVar

import attrs
import pytest

from panther_core.testing.conformance._network_bench import eventually
from panther_core.testing.conformance.base import PluginConformance, unmet
from panther_core.testing.context import RecordingContext, recording_context
from panther_hookspecs import (
    ExecutionEnvironmentDescriptor,
    ExecutionEnvironmentInterface,
    ExitStatus,
    InstrumentTarget,
    MonitoringData,
    Process,
    ServiceCommand,
    ShellCommand,
)

_POLITE = "trap 'exit 5' TERM; echo ready; while :; do sleep 0.05; done"
_LONG = 120.0
_PLACE = "profiles/one/instrument"
"""As deep in the attempt's folder as the engine puts an instrument."""


@attrs.frozen(kw_only=True)
class Planted:
    """A program with a known defect, and the kinds of finding that the instrument must make of it."""

    command: ShellCommand
    kinds: frozenset[str]
    name: str = "planted"


@attrs.define
class Watched:
    """One program under the instrument, led through the calls of the engine."""

    tool: ExecutionEnvironmentInterface
    context: RecordingContext
    command: ServiceCommand
    folder: Path

    def start(self) -> Process:
        """Start the wrapped program and tell the instrument."""
        process = self.context.launcher.start(self.command, name="one", folder=self.folder)
        self.tool.start_monitoring(process)
        return process

    def finish(self, process: Process, timeout: float = _LONG) -> tuple[ExitStatus, MonitoringData]:
        """Wait for the end, as for a client; return how it ended and what the instrument found."""
        status = process.wait(timeout)
        assert status is not None, f"the watched program did not end within {timeout:g} s"
        self.tool.stop_monitoring()
        process.stop(signal=signal.SIGTERM, grace=1)
        return status, self.tool.get_monitoring_data()

    def stop(self, process: Process) -> tuple[ExitStatus, MonitoringData]:
        """Stop the program, as a server is stopped; return how it ended and what the instrument found."""
        self.tool.stop_monitoring()
        status = process.stop(signal=signal.SIGTERM, grace=_LONG)
        return status, self.tool.get_monitoring_data()

    def missing_or_empty(self, data: MonitoringData) -> list[str]:
        """Return the promised files that are not there or have nothing in them."""
        places = {each.path: self.context.folder / each.path for each in data.artifacts}
        return [path for path, place in places.items() if not (place.is_file() and place.stat().st_size)]


class ExecutionEnvironmentConformance(PluginConformance):
    """Subclass this and name the plugin. Replace the programs where the instrument cannot watch a shell."""

    descriptor_class = ExecutionEnvironmentDescriptor
    runtime: ClassVar[str] = "native"
    """What the programs of these tests are, as a service would declare it."""

    def exiting(self, folder: Path, code: int) -> ShellCommand:
        """Return a program that ends with ``code``; ``folder`` is there to build it in."""
        return ShellCommand("sh", ("-c", f"echo done; exit {code}"))

    def crashing(self, folder: Path) -> ShellCommand:
        """Return a program that dies of a segmentation fault."""
        return ShellCommand("sh", ("-c", "kill -SEGV $$"))

    def serving(self, folder: Path) -> ShellCommand:
        """Return a program that writes ``ready``, runs until SIGTERM, and then exits with 5."""
        return ShellCommand("sh", ("-c", _POLITE))

    def planted(self, folder: Path) -> Iterable[Planted]:
        """Yield programs with defects that the instrument must find; none for one that only measures."""
        return ()

    @pytest.fixture
    def context(self, tmp_path: Path) -> Iterator[RecordingContext]:
        """Give the context with which the instrument is made."""
        self.require(self.found(ExecutionEnvironmentDescriptor))
        with recording_context(tmp_path / "attempt", name=_PLACE) as made:
            yield made

    def watch(self, context: RecordingContext, program: ShellCommand) -> Watched:
        """Put a new instrument around ``program``."""
        tool = self._tool(context)
        command = ServiceCommand(program=program)
        problems = [str(each) for each in tool.check(self._target(command))]
        assert not problems, f"the instrument refuses a program of this suite: {problems}"
        folder = context.attempt / "services" / "one"
        folder.mkdir(parents=True, exist_ok=True)
        return Watched(tool, context, tool.wrap(command), folder)

    def _tool(self, context: RecordingContext) -> ExecutionEnvironmentInterface:
        descriptor = self.found(ExecutionEnvironmentDescriptor)
        tool = descriptor.factory(context, self.made_options())
        tool.descriptor = descriptor
        return tool

    def _target(self, command: ServiceCommand) -> InstrumentTarget:
        return InstrumentTarget(service="one", command=command, runtime=self.runtime, stop_signal=signal.SIGTERM)

    def test_costs_and_exclusions_are_declared(self) -> None:
        """A slowdown is a factor of at least 1, and every exclusion has a reason."""
        descriptor = self.found(ExecutionEnvironmentDescriptor)
        factors = {"slowdown": descriptor.slowdown, **descriptor.slowdowns}
        faster = {name: factor for name, factor in factors.items() if factor < 1}
        assert not faster, f"nothing becomes faster by being watched: {faster}"
        unexplained = [name for name, reason in descriptor.excludes.items() if not reason.strip()]
        assert not unexplained, f"no reason is given why it excludes {unexplained}"
        assert descriptor.name not in descriptor.excludes, "it excludes itself"

    def test_the_program_inside_stays_the_same(self, context: RecordingContext, tmp_path: Path) -> None:
        """Wrapping adds layers and changes nothing of the program."""
        program = self.exiting(tmp_path, 0)
        watched = self.watch(context, program)
        assert watched.command.program == program, f"wrapping changed the program to {watched.command.program}"

    @pytest.mark.parametrize("code", [0, 7])
    def test_the_exit_code_is_kept(self, context: RecordingContext, tmp_path: Path, code: int) -> None:
        """A watched program ends with its own exit code."""
        watched = self.watch(context, self.exiting(tmp_path, code))
        status, _ = watched.finish(watched.start())
        assert status.code == code, f"exit code {code} became {status}: {_stderr(watched)}"

    def test_death_by_signal_is_kept(self, context: RecordingContext, tmp_path: Path) -> None:
        """A watched program that dies of signal 11 is not reported as a normal end."""
        watched = self.watch(context, self.crashing(tmp_path))
        status, _ = watched.finish(watched.start())
        seen = status.signal == signal.SIGSEGV or status.code == 128 + signal.SIGSEGV
        assert seen, f"death by signal 11 became {status}: {_stderr(watched)}"

    def test_the_stop_signal_reaches_the_program(self, context: RecordingContext, tmp_path: Path) -> None:
        """A watched server that is stopped ends the way it wants to, and its results are there."""
        watched = self.watch(context, self.serving(tmp_path))
        process = watched.start()
        eventually(lambda: b"ready" in (watched.folder / "stdout").read_bytes(), "the start of the program", _LONG)
        status, data = watched.stop(process)
        assert status.code == 5, f"the program exits with 5 on SIGTERM, reported was {status}: {_stderr(watched)}"
        self._assert_complete(watched, data)

    def test_results_are_complete(self, context: RecordingContext, tmp_path: Path) -> None:
        """After a normal end every promised file exists and is not empty, and no problem is reported."""
        watched = self.watch(context, self.exiting(tmp_path, 0))
        _, data = watched.finish(watched.start())
        self._assert_complete(watched, data)
        assert data.artifacts or data.measurements, "the instrument gave neither a file nor a measurement"

    def _assert_complete(self, watched: Watched, data: MonitoringData) -> None:
        problems = [str(each) for each in data.problems]
        assert not problems, f"{problems}: {_stderr(watched)}"
        bad = watched.missing_or_empty(data)
        assert not bad, f"promised files are missing or empty: {bad}"

    def test_output_is_the_programs_own(self, context: RecordingContext, tmp_path: Path) -> None:
        """The instrument writes nothing into the standard output of the program."""
        plain, folder = self.exiting(tmp_path, 0), tmp_path / "plain"
        folder.mkdir()
        context.launcher.start(ServiceCommand(program=plain), name="plain", folder=folder).wait(_LONG)
        watched = self.watch(context, plain)
        watched.finish(watched.start())
        own, seen = (folder / "stdout").read_bytes(), (watched.folder / "stdout").read_bytes()
        assert seen == own, f"the program writes {own!r}, under the instrument it wrote {seen!r}"

    def test_a_result_that_is_missing_is_a_problem(self, context: RecordingContext, tmp_path: Path) -> None:
        """If what the wrapper wrote is gone, the instrument says so; a result is never silently missing."""
        watched = self.watch(context, self.exiting(tmp_path, 0))
        if watched.command.layers == ():
            pytest.skip("this instrument does not wrap, so it writes no file")
        process = watched.start()
        process.wait(_LONG)
        watched.tool.stop_monitoring()
        for path in context.folder.rglob("*"):
            if path.is_file():
                path.unlink()
        data = watched.tool.get_monitoring_data()
        assert data.problems, f"all files of the instrument were removed, and it reports {data}"

    def test_planted_defects_are_found(self, context: RecordingContext, tmp_path: Path) -> None:
        """Every planted defect is found, with a message and a fingerprint; a clean program gives no finding."""
        watched = self.watch(context, self.exiting(tmp_path, 0))
        _, clean = watched.finish(watched.start())
        assert not clean.findings, f"a program without defects gives findings: {clean.findings}"
        for number, planted in enumerate(self.planted(tmp_path)):
            with recording_context(tmp_path / f"planted-{number}", name=_PLACE) as own:
                watched = self.watch(own, planted.command)
                _, data = watched.finish(watched.start())
            found = {each.kind for each in data.findings}
            assert planted.kinds <= found, f"{planted.name}: found {sorted(found)}, planted {sorted(planted.kinds)}"
            blank = [each.kind for each in data.findings if not (each.message and each.fingerprint)]
            assert not blank, f"{planted.name}: findings without message or fingerprint: {blank}"

    def test_a_missing_tool_is_declared_or_refused(
        self, context: RecordingContext, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Without its tool the instrument is refused before anything starts; it never runs without it."""
        watched = self.watch(context, self.exiting(tmp_path, 0))
        if not any(layer.argv for layer in watched.command.layers):
            pytest.skip("this instrument calls no tool around the program")
        monkeypatch.setenv("PATH", str(tmp_path / "empty"))
        descriptor = self.found(ExecutionEnvironmentDescriptor)
        try:
            problems = list(self._tool(context).check(self._target(ServiceCommand(program=self.exiting(tmp_path, 0)))))
        except subprocess.SubprocessError as error:
            pytest.fail(f"check raised {error!r} where the tool is missing")
        refused = unmet(descriptor.needs) or problems
        assert refused, "with an empty PATH nothing is missed: declare the tool as a Need, or refuse it in check()"


def _stderr(watched: Watched) -> str:
    return (watched.folder / "stderr").read_text(errors="replace")[-500:]
