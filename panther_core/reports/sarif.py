"""The sarif report: what instruments have found, as code scanners hand it to editors and servers (SARIF 2.1.0)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from panther_core.cli.attempts import case_label
from panther_core.cli.text import clean
from panther_hookspecs import RunView

_LEVELS = {"error": "error", "warning": "warning", "note": "note", "info": "note"}
_PLACE = re.compile(r"\(?([^\s()]+\.[A-Za-z]\w*):(\d+)\)?$")
_VERSION = "2.1.0"


def write_sarif(run: RunView, target: Path, _options: object) -> None:
    """Write each distinct finding once, with the number of times it was seen and the case that showed it first."""
    results = list(_results(run))
    rules = sorted({str(each["ruleId"]) for each in results})
    driver = {
        "name": "PANTHER",
        "semanticVersion": version("panther-pluggy"),
        "rules": [{"id": each} for each in rules],
    }
    document = {
        "version": _VERSION,
        "runs": [{"tool": {"driver": driver}, "results": results, "columnKind": "unicodeCodePoints"}],
    }
    target.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


def _results(run: RunView) -> Iterator[dict[str, Any]]:
    seen: dict[str, dict[str, Any]] = {}
    for case in run.cases():
        for finding in case.get("findings") or ():
            rule = f"{finding.get('source') or 'panther'}/{finding.get('kind') or 'finding'}"
            message = clean(finding.get("message") or rule)
            mark = str(finding.get("fingerprint") or f"{rule} {message}")
            times = int(finding.get("count") or 1)
            if mark in seen:
                seen[mark]["occurrenceCount"] += times
                continue
            seen[mark] = {
                "ruleId": rule,
                "level": _LEVELS.get(str(finding.get("severity")), "warning"),
                "message": {"text": f"{message} (in {_who(finding)}{case_label(case)})"},
                "occurrenceCount": times,
                "partialFingerprints": {"panther/v1": mark},
                "locations": list(_locations(case, finding)),
            }
    yield from seen.values()


def _who(finding: Mapping[str, Any]) -> str:
    return f"{finding['service']} of " if finding.get("service") else ""


def _locations(case: Mapping[str, Any], finding: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the innermost line of source that is known, or the file of evidence."""
    for frame in finding.get("stack") or ():
        place = _PLACE.search(str(frame))
        if place:
            yield _location(place[1], int(place[2]))
            return
    yield _location(f"{case.get('folder') or ''}/{finding.get('artifact') or ''}".rstrip("/"))


def _location(path: str, line: int | None = None) -> dict[str, Any]:
    physical: dict[str, Any] = {"artifactLocation": {"uri": clean(path)}}
    return {"physicalLocation": {**physical, "region": {"startLine": max(line, 1)}} if line is not None else physical}
