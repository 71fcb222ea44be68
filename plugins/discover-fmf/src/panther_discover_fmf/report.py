"""The results of fmf tests in the form of tmt's ``results.yaml``, which its tools and reports read."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from panther_discover_fmf.judge import VERDICTS, metadata_in, reported_in, written_in
from panther_discover_fmf.manager import DATA
from panther_hookspecs import RunView, Verdict

_RESULTS = {
    "pass": "pass",
    "flaky": "pass",
    "fail": "fail",
    "error": "error",
    "unsupported": "skip",
    "cancelled": "pending",
    "inconclusive": "warn",
}


def write_results(run: RunView, target: Path, _options: Any) -> None:
    """Write one entry for each test, or for each part where a test has written results of its own.

    JSON is YAML as well, and much faster to write and to read: one line for each entry.
    """
    with target.open("w", encoding="utf-8") as file:
        separator = "[\n"
        for entry in _entries(run):
            file.write(separator + json.dumps(entry, ensure_ascii=False))
            separator = ",\n"
        file.write("[]\n" if separator == "[\n" else "\n]\n")


def _entries(run: RunView) -> Iterator[Mapping[str, Any]]:
    for number, record in enumerate((each for each in run.cases() if each.get("protocol") == "fmf"), start=1):
        folder = run.folder / str(record["folder"]) / "services" / "test"
        about = metadata_in(folder)
        entry = _entry(record, about, number, folder.relative_to(run.folder))
        parts = written_in(folder) if about.get("result") == "custom" else ()
        if not parts:
            told = reported_in(folder)
            yield entry | ({"subresult": [_part(each) for each in told]} if told else {})
        for part in parts:
            name = str(part.get("name") or "/").rstrip("/")
            note = part.get("note") or []
            yield {
                **entry,
                "name": entry["name"] + (name if name.startswith("/") or not name else f"/{name}"),
                "result": part.get("result") if part.get("result") in VERDICTS else "error",
                "note": note if isinstance(note, list) else [str(note)],
                "log": [str(Path(entry["data-path"]) / str(each)) for each in part.get("log") or ()] or entry["log"],
            }


def _entry(record: Mapping[str, Any], about: Mapping[str, Any], number: int, folder: Path) -> dict[str, Any]:
    started = datetime.fromisoformat(str(record["started"]))
    seconds = float(record.get("seconds") or 0.0)
    verdict = str(record["verdict"])
    context = about.get("context") or {}
    return {
        "name": str(record["name"]),
        "serial-number": number,
        "fmf-id": {"name": str(record["name"])},
        "context": {str(key): each if isinstance(each, list) else [str(each)] for key, each in context.items()},
        "result": _RESULTS.get(verdict, "error"),
        "note": [] if verdict == Verdict.PASS.value else [str(record.get("why") or "")],
        "log": [str(folder / "stdout"), str(folder / "stderr")],
        "guest": {"name": str(record.get("system") or "default-0")},
        "start-time": started.isoformat(),
        "end-time": (started + timedelta(seconds=seconds)).isoformat(),
        "duration": _clock(seconds),
        "ids": {"id": about.get("id")},
        "data-path": str(folder / DATA),
    }


def _part(told: Mapping[str, Any]) -> Mapping[str, Any]:
    name = str(told.get("name"))
    return {"name": name if name.startswith("/") else f"/{name}", "result": told.get("result")}


def _clock(seconds: float) -> str:
    whole = round(seconds)
    return f"{whole // 3600:02}:{whole // 60 % 60:02}:{whole % 60:02}"
