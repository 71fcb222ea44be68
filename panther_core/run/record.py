"""The record of an attempt: one JSON object, the documented and versioned form of a result."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import attrs

from panther_hookspecs import Process, Verdict

if TYPE_CHECKING:
    from panther_core.run.attempt import Attempt

FORMAT = 1


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
        "seconds": round(time.monotonic() - attempt.begun, 6),
        "timings": {name: round(seconds, 6) for name, seconds in attempt.timings.items()},
        "type": case.test_type.name,
        "protocol": case.protocol.name if case.protocol else "",
        "scenario": case.scenario.name if case.scenario else "",
        "network_environment": case.network.name,
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
        "checks": [
            {
                "name": each.name,
                "verdict": each.verdict.value,
                "evidence": each.evidence,
                "proves_exchange": each.proves_exchange,
            }
            for each in attempt.checks
        ],
        "measurements": [
            {
                "name": each.name,
                "value": each.value,
                "unit": each.unit,
                "service": each.service,
                **({"labels": dict(each.labels)} if each.labels else {}),
            }
            for each in attempt.measurements
        ],
        "findings": [attrs.asdict(each) for each in attempt.findings],
        "artifacts": [attrs.asdict(each) for each in attempt.artifacts],
        "problems": attempt.problems,
        "notes": attempt.notes,
        "folder": f"cases/{case.case_id}/{attempt.number}",
    }


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
