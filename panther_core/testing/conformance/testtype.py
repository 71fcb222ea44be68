"""What every test type must keep."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import attrs
import pytest

from panther_core.testing.conformance.base import PluginConformance
from panther_core.testing.context import RecordingContext, recording_context
from panther_hookspecs import (
    BaseEvent,
    CaseControl,
    CommandResult,
    Endpoint,
    ExitStatus,
    Finding,
    Measurement,
    Process,
    ServiceCommand,
    ShellCommand,
    StageResult,
    TestTypeDescriptor,
    Verdict,
)

_SOON = 20.0


@attrs.define
class RecordingCase(CaseControl):
    """A running case with real processes, for stages to work on; what they do to it can be looked at."""

    context: RecordingContext
    options: Any
    programs: Mapping[str, ShellCommand]
    """Program of every service by its name."""
    ends: tuple[str, ...]
    """The services that end by themselves."""
    time: float = _SOON
    folder: Path = attrs.field(init=False)
    seed: int = 1
    values: dict[str, Mapping[str, Any]] = attrs.field(factory=dict)
    measurements: list[Measurement] = attrs.field(factory=list)
    findings: list[Finding] = attrs.field(factory=list)
    restarts: list[str] = attrs.field(factory=list)
    _processes: dict[str, Process] = attrs.field(factory=dict)
    _deadline: float = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        """Start all services and the clock."""
        self.folder = self.context.attempt
        for name in self.programs:
            self._start(name)
        self._deadline = time.monotonic() + self.time

    def _start(self, name: str) -> None:
        folder = self.context.attempt / "services" / name
        folder.mkdir(parents=True, exist_ok=True)
        command = ServiceCommand(program=self.programs[name])
        self._processes[name] = self.context.launcher.start(command, name=name, folder=folder)

    @property
    def services(self) -> Sequence[str]:
        """Names of the services in the order in which they were started."""
        return tuple(self.programs)

    @property
    def ending(self) -> Sequence[str]:
        """Names of the services that end by themselves."""
        return self.ends

    def process(self, service: str) -> Process:
        """Return the process of a service."""
        return self._processes[service]

    def endpoint(self, service: str) -> Endpoint:
        """Return where a service is found: all are here."""
        return Endpoint(name=service, ip="127.0.0.1", folder=str(self.folder_of(service)))

    def wait(self, services: Sequence[str] | None = None) -> Mapping[str, ExitStatus]:
        """Wait for services to end by themselves, by default all that do."""
        ended = {}
        for name in self.ends if services is None else services:
            status = self._processes[name].wait(max(0.0, self.remaining()))
            if status is None:
                raise TimeoutError(f"service {name} had not ended when the time of the case was over")
            ended[name] = status
        return ended

    def restart(self, service: str) -> None:
        """Start a service again that has ended."""
        self.restarts.append(service)
        self._start(service)

    def execute(self, service: str, command: ShellCommand) -> CommandResult:
        """Run a command to its end."""
        return self.context.commands.execute(command, log_dir=self.context.folder, name=f"execute-{service}")

    def remaining(self) -> float:
        """Return the seconds that are left of the case's time."""
        return self._deadline - time.monotonic()

    def measure(self, measurement: Measurement) -> None:
        """Keep a measurement."""
        self.measurements.append(measurement)

    def find(self, finding: Finding) -> None:
        """Keep a finding."""
        self.findings.append(finding)

    def emit(self, event: BaseEvent) -> None:
        """Keep an event."""
        self.context.emit(event)


class TestTypeConformance(PluginConformance):
    """Subclass this and name the plugin. Replace `programs` where the stages need services of a certain kind."""

    __test__ = False

    descriptor_class = TestTypeDescriptor
    ending: ClassVar[tuple[str, ...]] = ("client",)
    """Which of the programs end by themselves."""

    def programs(self, folder: Path) -> Mapping[str, ShellCommand]:
        """Return the services of a healthy case: by default a server that stays and a client that ends soon."""
        return {"server": ShellCommand("sleep", ("3600",)), "client": ShellCommand("sleep", ("0.1",))}

    @pytest.fixture
    def context(self, tmp_path: Path) -> Iterator[RecordingContext]:
        """Give the context of a pretended attempt."""
        self.require(self.found(TestTypeDescriptor))
        with recording_context(tmp_path / "attempt", name="stages") as made:
            yield made

    def go_through(self, case: RecordingCase) -> dict[str, StageResult]:
        """Run the stages as the engine does: after one that went wrong only those marked ``always``."""
        results: dict[str, StageResult] = {}
        for stage in self.found(TestTypeDescriptor).stages:
            if all(each.status is Verdict.PASS for each in results.values()) or stage.always:
                try:
                    result = stage.run(case)
                except TimeoutError as error:
                    result = StageResult(status=Verdict.FAIL, error=str(error))
                assert result is None or isinstance(result, StageResult), f"stage {stage.name} returned {result!r}"
                results[stage.name] = result or StageResult()
                case.values[stage.name] = results[stage.name].values
        return results

    def test_stages_are_well_formed(self) -> None:
        """There is at least one stage, and each has a name of its own."""
        names = [stage.name for stage in self.found(TestTypeDescriptor).stages]
        assert names, "a test type has at least one stage"
        assert len(set(names)) == len(names), f"a stage is named twice: {names}"
        assert all(name.isprintable() and name.strip() for name in names), f"a stage has no proper name: {names}"

    def test_a_healthy_case_passes_all_stages(self, context: RecordingContext, tmp_path: Path) -> None:
        """With services that do what they should, every stage passes."""
        case = RecordingCase(context, self.made_options(), self.programs(tmp_path), self.ending)
        results = self.go_through(case)
        bad = {name: result.error for name, result in results.items() if result.status is not Verdict.PASS}
        assert not bad, f"stages of a healthy case went wrong: {bad}"
        names = [stage.name for stage in self.found(TestTypeDescriptor).stages]
        assert list(results) == names, f"the stages are {names}, gone through were {list(results)}"

    def test_measurements_have_names(self, context: RecordingContext, tmp_path: Path) -> None:
        """What the stages measure and find can be named in checks and reports."""
        case = RecordingCase(context, self.made_options(), self.programs(tmp_path), self.ending)
        self.go_through(case)
        assert all(each.name.strip() for each in case.measurements), f"a measurement has no name: {case.measurements}"
        assert all(each.message.strip() for each in case.findings), f"a finding has no message: {case.findings}"

    def test_the_time_of_the_case_is_kept(self, context: RecordingContext, tmp_path: Path) -> None:
        """When nobody ever ends, the stages end soon after the time of the case, and do not pass."""
        forever = {name: ShellCommand("sleep", ("3600",)) for name in self.programs(tmp_path)}
        case = RecordingCase(context, self.made_options(), forever, self.ending, time=1.0)
        began = time.monotonic()
        results = self.go_through(case)
        assert time.monotonic() - began < _SOON, "the stages went on long after the time of the case was over"
        assert any(each.status is not Verdict.PASS for each in results.values()), (
            "services that never end pass every stage"
        )
        assert all(each.error for each in results.values() if each.status is not Verdict.PASS), (
            "a stage failed without a reason"
        )

    def test_stages_survive_dead_services(self, context: RecordingContext, tmp_path: Path) -> None:
        """When every service has crashed already, the stages end with a result and without an exception."""
        case = RecordingCase(context, self.made_options(), self.programs(tmp_path), self.ending)
        for name in case.services:
            case.process(name).stop(signal=signal.SIGKILL, grace=5)
        self.go_through(case)
