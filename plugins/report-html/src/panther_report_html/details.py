"""What a person wants to know about one case beyond its verdict, as small as it can be said."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from panther_hookspecs import RunView
from panther_report_html.cases import Case

MOST_MESSAGES = 120
MOST_EVENTS = 40
_HEAD_BYTES = 4000
_TAIL_BYTES = 1500
_TAIL_LINES = 12
_MOST_FINDINGS = 20
_STREAMS = ("stdout", "stderr")
_ROUTINE = frozenset({"stdout", "stderr", "messages"})
_MICRO = 1e6


def detail_of(case: Case, run: Path, events: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Return everything about a case; empty parts are left out."""
    record, folder = case.record, run / case.folder
    found = {
        "checks": [[each["verdict"], each["name"], each.get("evidence", "")] for each in record.get("checks") or ()],
        "timings": [[name, round(spent, 6)] for name, spent in (record.get("timings") or {}).items()],
        "services": [_service(case, name, folder) for name in record.get("services") or {}],
        "messages": _messages(folder),
        "events": list(_moments(events, str(record.get("started") or "")))[:MOST_EVENTS],
        "findings": [_finding(each) for each in (record.get("findings") or ())[:_MOST_FINDINGS]],
        "files": [
            [each["path"], each.get("kind", ""), each.get("service", ""), each.get("title", "")]
            for each in record.get("artifacts") or ()
            if each.get("kind") not in _ROUTINE
        ],
        "problems": list(record.get("problems") or ()),
        "notes": [*(record.get("notes") or ()), *(record.get("losses") or ())],
        "facts": _facts(record),
    }
    return {name: part for name, part in found.items() if part}


def _facts(record: Mapping[str, Any]) -> list[list[str]]:
    facts = {
        "id": record.get("case"),
        "expected": ", ".join(record.get("expected") or ()),
        "attempts": ", ".join(record.get("verdicts") or ()) if int(record.get("attempts") or 1) > 1 else "",
        "protocol": " ".join(filter(None, (record.get("protocol"), record.get("scenario")))),
        "network": record.get("network_environment"),
        "instruments": ", ".join(record.get("instruments") or ()),
        "seed": record.get("seed"),
        "started": record.get("started"),
    }
    return [[name, str(value)] for name, value in facts.items() if value not in (None, "")]


def _service(case: Case, name: str, folder: Path) -> list[Any]:
    """Return name, player, how it ended, the command that repeats it, and how its outputs end if it went wrong."""
    service = case.record["services"][name]
    own = folder / "services" / name
    tails = [] if case.verdict == "pass" else [[stream, _tail(own / stream)] for stream in _STREAMS]
    return [
        name,
        f"{case.players[name]} as {service.get('role') or '?'}",
        str(service.get("exit") or ""),
        _read(own / "command.txt"),
        [each for each in tails if each[1]],
    ]


def _read(path: Path) -> str:
    return _bytes(path, _HEAD_BYTES).decode("utf-8", "replace").strip()


def _tail(path: Path) -> str:
    lines = _bytes(path, _TAIL_BYTES, last=True).decode("utf-8", "replace").strip().splitlines()
    return "\n".join(lines[-_TAIL_LINES:])


def _bytes(path: Path, limit: int, *, last: bool = False) -> bytes:
    """Return the first or the last bytes of a file, none where there is no such file."""
    try:
        with path.open("rb", buffering=0) as file:
            if last:
                file.seek(max(0, os.fstat(file.fileno()).st_size - limit))
            return file.read(limit)
    except (FileNotFoundError, IsADirectoryError):
        return b""


def _messages(folder: Path) -> dict[str, Any] | None:
    """Return the sequence diagram: the services, and each message with its moments in microseconds since the first."""
    path = folder / "messages.jsonl"
    if not path.is_file():
        return None
    given: list[dict[str, Any]] = []
    more = 0
    with path.open("rb") as file:
        for line in file:
            if len(given) < MOST_MESSAGES:
                given += _message(line)
            else:
                more += 1
    if not given:
        return None
    lanes = list(dict.fromkeys(str(each[end]) for each in given for end in ("source", "target")))
    zero = min(float(each["time"]) for each in given)
    rows = [
        [
            round((float(each["time"]) - zero) * _MICRO),
            None if each.get("arrived") is None else round((float(each["arrived"]) - zero) * _MICRO),
            lanes.index(str(each["source"])),
            lanes.index(str(each["target"])),
            str(each.get("label") or ""),
            str(each.get("detail") or ""),
        ]
        for each in given
    ]
    return {"lanes": lanes, "rows": rows, "more": more}


def _message(line: bytes) -> list[dict[str, Any]]:
    """Return the message of a line, or none: a run that was killed leaves half a line."""
    try:
        given = json.loads(line)
        float(given["time"])
    except (ValueError, TypeError, KeyError):
        return []
    return [given] if "source" in given and "target" in given else []


def _finding(finding: Mapping[str, Any]) -> list[Any]:
    return [
        finding.get("source", ""),
        finding.get("kind", ""),
        finding.get("message", ""),
        finding.get("service", ""),
        finding.get("count", 1),
        list(finding.get("stack") or ())[:8],
        finding.get("artifact", ""),
    ]


def _moments(events: Iterable[Mapping[str, Any]], started: str) -> Iterator[list[str]]:
    for event in events:
        if str(event.get("timestamp") or "") >= started:
            about = event.get("content") or {}
            what = about.get("service_name") or about.get("environment_name") or ""
            yield [str(event.get("timestamp")), str(event.get("name") or ""), str(what)]


def events_of(run: RunView, wanted: Iterable[Case]) -> Mapping[str, list[Mapping[str, Any]]]:
    """Return the events about each wanted case, found in one pass over all of them."""
    found: dict[str, list[Mapping[str, Any]]] = {str(case.record["case"]): [] for case in wanted}
    for event in run.events_about(found) if found else ():
        found[event["entity_id"]].append(event)
    return found
