"""How a test went: by its exit code, by what it reported, or by the results that it has written itself."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from panther_discover_fmf.manager import DATA, LACKING, METADATA, REPORTED
from panther_hookspecs import CheckResult, ExitStatus, ScenarioEvidence, Verdict

VERDICTS = {
    "pass": Verdict.PASS,
    "info": Verdict.PASS,
    "skip": Verdict.UNSUPPORTED,
    "warn": Verdict.FAIL,
    "fail": Verdict.FAIL,
    "error": Verdict.ERROR,
}
"""What tmt's outcomes are here: a warning makes a run of tmt fail, too."""
_CODES = {0: "pass", 1: "fail"}
_WRITTEN = ("results.yaml", "results.json")


def check(seen: ScenarioEvidence) -> Iterator[CheckResult]:
    """Judge one test; a custom result has as many parts as the test has written down."""
    (name,) = seen.named("test")
    folder, status = seen.evidence.folders[name], seen.evidence.exits[name]
    rule = str(metadata_in(folder).get("result") or "respect")
    if status.code == LACKING:
        yield _outcome("test", "skip", seen.evidence.text(name, "stderr").strip() or "it lacks something")
        return
    if status.code is None:
        yield _outcome("test", "error", f"ended by {status}")
        return
    if rule == "custom":
        yield from _custom(folder, status)
        return
    parts = reported_in(folder)
    for part in parts:
        yield _outcome(str(part["name"]), _ruled(str(part["result"]), rule), f"it reported {part['result']}")
    told = _CODES.get(status.code, "error")
    result = _ruled(told, rule)
    because = f", which counts as {result}: result: {rule}" if result != told else ""
    yield _outcome("test", result, f"exit code {status.code}{because}")


def _ruled(result: str, rule: str) -> str:
    """Return what becomes of a result: expected failures are turned around, other rules are the result."""
    if rule in ("respect", "restraint"):
        return result
    if rule == "xfail":
        return {"fail": "pass", "pass": "fail"}.get(result, result)
    return rule if rule in VERDICTS else "error"


def _custom(folder: Path, status: ExitStatus) -> Iterator[CheckResult]:
    results = written_in(folder)
    if not results:
        yield _outcome("test", "error", f"it wrote no {' or '.join(_WRITTEN)} into its data folder ({status})")
    for each in results:
        note = each.get("note")
        told = "; ".join(map(str, note)) if isinstance(note, list) else str(note or "")
        result = str(each.get("result"))
        known = result if result in VERDICTS else "error"
        yield _outcome(str(each.get("name") or "/"), known, told or f"it wrote {result}")


def _outcome(name: str, result: str, evidence: str) -> CheckResult:
    verdict = VERDICTS[result]
    return CheckResult(name=name, verdict=verdict, evidence=evidence, proves_exchange=verdict is Verdict.PASS)


def metadata_in(folder: Path) -> Mapping[str, Any]:
    """Return what is written about the test in its folder."""
    with contextlib.suppress(OSError, ValueError):
        found = json.loads((folder / METADATA).read_text(encoding="utf-8"))
        return found if isinstance(found, dict) else {}
    return {}


def reported_in(folder: Path) -> Sequence[Mapping[str, Any]]:
    """Return what the test has told with tmt-report-result, in order."""
    found: list[Mapping[str, Any]] = []
    with contextlib.suppress(OSError):
        for line in (folder / REPORTED).read_text(encoding="utf-8", errors="replace").splitlines():
            with contextlib.suppress(ValueError):
                found.append(json.loads(line))
    return found


def written_in(folder: Path) -> Sequence[Mapping[str, Any]]:
    """Return the results that the test has written itself."""
    for name in _WRITTEN:
        path = folder / DATA / name
        if path.is_file():
            return [each for each in _read(path) if isinstance(each, Mapping)]
    return ()


def _read(path: Path) -> Iterable[Any]:
    from ruamel.yaml import YAML  # noqa: PLC0415 - only tests with results of their own need it
    from ruamel.yaml.error import YAMLError  # noqa: PLC0415 - the same

    try:
        found = YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8", errors="replace"))
    except YAMLError as error:
        return [
            {"name": path.name, "result": "error", "note": [f"it is no YAML: {' '.join(str(error).split())[:200]}"]}
        ]
    return found if isinstance(found, list) else [found]
