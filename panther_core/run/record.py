"""What an attempt gathers on its way, and the record that it becomes: the documented, versioned form of a result."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import attrs

from panther_core.plan.cases import PlannedCase
from panther_core.run.compose import Prepared
from panther_core.run.control import Control
from panther_core.run.engine import Engine
from panther_core.run.machine import MachineState, load_between
from panther_hookspecs import (
    Artifact,
    CaseInfo,
    CheckResult,
    Finding,
    Measurement,
    NetworkEnvironmentDescriptor,
    Process,
    Verdict,
)

FORMAT = 1
TURN = "turn"
"""The timing that is the wait for other cases, before which nothing of the case runs: it does not count as its own."""
_SIMULATED = "simulated"


@attrs.define
class Attempt:
    """Everything that one attempt gathers on its way."""

    case: PlannedCase
    number: int
    engine: Engine
    folder: Path
    info: CaseInfo
    started: datetime = attrs.field(factory=lambda: datetime.now(UTC))
    begun: float = attrs.field(factory=time.monotonic)
    machine: MachineState = attrs.field(factory=MachineState.now)
    """The machine at the beginning."""
    timings: dict[str, float] = attrs.field(factory=dict)
    prepared: dict[str, Prepared] = attrs.field(factory=dict)
    control: Control | None = None
    stages: list[Mapping[str, Any]] = attrs.field(factory=list)
    """How each stage went that was run."""
    checks: list[CheckResult] = attrs.field(factory=list)
    measurements: list[Measurement] = attrs.field(factory=list)
    findings: list[Finding] = attrs.field(factory=list)
    artifacts: list[Artifact] = attrs.field(factory=list)
    problems: list[str] = attrs.field(factory=list)
    notes: list[str] = attrs.field(factory=list)
    verdict: Verdict = Verdict.ERROR
    why: str = ""
    error: BaseException | None = None

    @contextlib.contextmanager
    def timed(self, name: str) -> Iterator[None]:
        """Add the time that the block takes to the timings, whatever happens in it."""
        since = time.monotonic()
        try:
            yield
        finally:
            self.timings[name] = self.timings.get(name, 0.0) + time.monotonic() - since

    @property
    def processes(self) -> Mapping[str, Process]:
        """The processes that were started, by service."""
        return self.control.processes if self.control else {}


def info_of(case: PlannedCase, number: int, folder: Path) -> CaseInfo:
    """Return the attempt as hooks see it."""
    return CaseInfo(
        case_id=case.case_id,
        name=case.described(),
        attempt=number,
        folder=folder,
        protocol=case.protocol.name if case.protocol else "",
        scenario=case.scenario.name if case.scenario else "",
        network_environment=case.network.name,
        services=tuple(each.name for each in case.services),
    )


def record_of(attempt: Attempt) -> dict[str, Any]:
    """Return the record; ``final`` is decided by who knows whether another attempt follows."""
    case = attempt.case
    return {
        "v": FORMAT,
        "case": case.case_id,
        "name": case.name,
        "cell": dict(case.cell),
        "repetition": case.repetition,
        "attempt": attempt.number,
        "final": True,
        "verdict": attempt.verdict.value,
        "expected": sorted(each.value for each in case.expect),
        "as_expected": attempt.verdict in case.expect,
        "why": attempt.why,
        "seed": case.seed,
        "started": attempt.started.isoformat(),
        "seconds": round(time.monotonic() - attempt.begun - attempt.timings.get(TURN, 0.0), 6),
        "machine": _machine(attempt),
        "timings": {name: round(seconds, 6) for name, seconds in attempt.timings.items()},
        "type": case.test_type.name,
        "protocol": case.protocol.name if case.protocol else "",
        "scenario": case.scenario.name if case.scenario else "",
        "network_environment": case.network.name,
        "clock": _clock(case.network),
        "instruments": sorted({each.descriptor.name for each in case.instruments}),
        "services": {
            each.name: {
                "implementation": each.descriptor.name,
                "version": each.version,
                "role": each.role,
                **_ended(attempt.processes.get(each.name)),
            }
            for each in case.services
        },
        "stages": list(attempt.stages),
        "checks": [
            {
                "name": each.name,
                "verdict": each.verdict.value,
                "evidence": each.evidence,
                "proves_exchange": each.proves_exchange,
            }
            for each in attempt.checks
        ],
        "measurements": [_measured(each, case.network) for each in attempt.measurements],
        "findings": [attrs.asdict(each) for each in attempt.findings],
        "artifacts": [attrs.asdict(each) for each in attempt.artifacts],
        "problems": attempt.problems,
        "notes": attempt.notes,
        "folder": f"cases/{case.case_id}/{attempt.number}",
    }


def _clock(network: NetworkEnvironmentDescriptor) -> str:
    """Return by which clock an environment's services live."""
    return _SIMULATED if "deterministic_time" in network.capabilities else "real"


def _measured(measurement: Measurement, network: NetworkEnvironmentDescriptor) -> dict[str, Any]:
    """Return a number as it is recorded; one by a simulated clock has a label that says so, unless it has its own."""
    own = {"clock": _SIMULATED} if _clock(network) == _SIMULATED else {}
    found = {key: getattr(measurement, key) for key in ("name", "value", "unit", "service")}
    labels = {**own, **measurement.labels}
    return {**found, "labels": labels} if labels else found


def _machine(attempt: Attempt) -> dict[str, float]:
    """Return how busy the machine was meanwhile; nothing where nothing ran."""
    usages = [process.usage for process in attempt.processes.values()]
    own = sum(each.cpu_user + each.cpu_system for each in usages)
    return load_between(attempt.machine, MachineState.now(), own) if usages else {}


def _ended(process: Process | None) -> dict[str, Any]:
    if process is None or process.exit is None:
        return {"exit": "never started" if process is None else "unknown"}
    status = process.exit
    return {
        "exit": str(status),
        "code": status.code,
        "signal": status.signal,
        "reason": status.reason,
        "usage": attrs.asdict(process.usage),
    }


def is_retryable(verdict: Verdict) -> bool:
    """Return whether another attempt could show something else."""
    return verdict in (Verdict.FAIL, Verdict.ERROR, Verdict.INCONCLUSIVE)
