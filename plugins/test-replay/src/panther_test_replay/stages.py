"""The stages: let it play, and tell what was answered otherwise than in the recording."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from panther_hookspecs import CaseControl, CaseOutline, Finding, Measurement, Problem, StageResult, Verdict

REPORT = "replay.json"
_SHOWN = 3


def refuse(outline: CaseOutline) -> Iterator[Problem]:
    """Yield a problem if nobody plays a recording."""
    if "replay" not in outline.services.values():
        yield Problem(
            what="no service of this case plays a recording",
            fix="one with implementation: replay and recording: FILE",
        )


def exchange(case: CaseControl) -> StageResult:
    """Wait until every service that ends by itself has ended."""
    case.wait()
    return StageResult()


def compare(case: CaseControl) -> StageResult:
    """Make a finding of every difference; more of them than ``allowed`` fail the case."""
    reports = {name: found for name in case.services if (found := _report(case.folder_of(name))) is not None}
    if not reports:
        return StageResult(status=Verdict.ERROR, error="no player has left a report: see its stderr")
    told: list[str] = []
    for name, found in reports.items():
        for key in ("sent", "expected", "got"):
            case.measure(Measurement(name=f"replay.{key}", value=float(found[key]), service=name))
        case.measure(Measurement(name="replay.differences", value=float(len(found["differences"])), service=name))
        for each in found["differences"]:
            text = _described(each)
            told.append(text)
            fingerprint = hashlib.sha256(text.encode()).hexdigest()[:16]
            case.find(Finding(source="replay", kind="difference", message=text, service=name, fingerprint=fingerprint))
    if len(told) <= case.options.allowed:
        return StageResult(values={"reports": reports})
    more = f"; and {len(told) - _SHOWN} more" if len(told) > _SHOWN else ""
    error = f"{len(told)} differences: {'; '.join(told[:_SHOWN])}{more}"
    return StageResult(status=Verdict.FAIL, error=error, values={"reports": reports})


def _described(difference: Mapping[str, str]) -> str:
    expected, got = difference.get("expected", ""), difference.get("got", "")
    if not got:
        return f"{expected!r} was recorded and did not come"
    if not expected:
        return f"{got!r} came and was not recorded"
    return f"{expected!r} was recorded, {got!r} came"


def _report(folder: Path) -> Mapping[str, Any] | None:
    try:
        found: Mapping[str, Any] = json.loads((folder / REPORT).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found
