"""Writes a run as a report of Testplan: test cases are MultiTests, cells their suites, repetitions the test cases."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from panther_hookspecs import RunView

Record = Mapping[str, Any]
Entry = dict[str, Any]

STATUS = {
    "pass": "passed",
    "fail": "failed",
    "error": "error",
    "flaky": "unstable",
    "unsupported": "skipped",
    "inconclusive": "incomplete",
    "cancelled": "incomplete",
}
_WORST = ("error", "failed", "incomplete", "xpass-strict", "unknown", "xpass", "passed", "unstable", "xfail", "skipped")
"""Testplan's order: a group has the first of these that one of its entries has."""
_COUNTED = {"passed": "passed", "xfail": "passed", "unstable": "passed", "skipped": "skipped", "error": "error"}


def write(run: RunView, target: Path, _options: Any) -> None:
    """Write the report; attempts before the last of a case are in its logs."""
    cases = list(run.cases())
    name = str(run.experiment.get("name", run.folder.name))
    tests: dict[str, dict[str, list[Record]]] = {}
    for record in cases:
        cell = ", ".join(f"{axis}={value}" for axis, value in record["cell"].items()) or record["name"]
        tests.setdefault(record["name"], {}).setdefault(cell, []).append(record)
    entries = [_test(name, test, cells) for test, cells in tests.items()]
    report = _group("TestReport", "testplan", name, (), entries)
    told = [
        ["panther", str(run.lock.get("panther", ""))],
        ["run", run.folder.name],
        ["seed", str(run.lock.get("seed", ""))],
    ]
    report |= {
        "meta": {},
        "label": None,
        "tags_index": {},
        "information": told,
        "resource_meta_path": None,
        "timezone": "UTC",
        "attachments": {},
        "timeout": None,
        "version": 1,
    }
    target.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


def _test(plan: str, test: str, cells: Mapping[str, list[Record]]) -> Entry:
    suites = [
        _group(
            "TestGroupReport",
            "testsuite",
            cell,
            (plan, test),
            [_case(record, (plan, test, cell)) for record in records],
        )
        for cell, records in cells.items()
    ]
    made = _group("TestGroupReport", "multitest", test, (plan,), suites)
    return {**made, "part": None, "env_status": None, "timezone": "UTC", "host": None}


def _group(type_: str, category: str, name: str, parents: tuple[str, ...], entries: list[Entry]) -> Entry:
    found = {each["status"] for each in entries}
    status = next((each for each in _WORST if each in found), "unknown")
    counter: dict[str, int] = {"passed": 0, "failed": 0, "total": 0}
    for each in entries:
        for key, value in each["counter"].items():
            counter[key] = counter.get(key, 0) + value
    intervals = [each["timer"]["run"][0] for each in entries]
    whole = (
        {"start": min(each["start"] for each in intervals), "end": max(each["end"] for each in intervals)}
        if intervals
        else None
    )
    return {
        **_common(type_, name, parents, status, counter, whole),
        "entries": entries,
        "category": category,
        "children": [],
        **(
            {"strict_order": False, "tags": {}}
            if category == "testsuite"
            else {"tags": {}}
            if category == "multitest"
            else {}
        ),
    }


def _common(
    type_: str,
    name: str,
    parents: tuple[str, ...],
    status: str,
    counter: Mapping[str, int],
    ran: Mapping[str, float] | None,
) -> Entry:
    identity = uuid.uuid5(uuid.NAMESPACE_OID, "/".join((*parents, name)))
    return {
        "type": type_,
        "name": name,
        "description": None,
        "definition_name": name,
        "uid": str(identity),
        "status": status,
        "runtime_status": "finished",
        "logs": [],
        "hash": identity.int & 0x7FFFFFFF,
        "parent_uids": list(parents),
        "timer": {"run": [dict(ran)] if ran else []},
        "counter": dict(counter),
    }


def _case(record: Record, parents: tuple[str, ...]) -> Entry:
    began = datetime.fromisoformat(record["started"]).timestamp()
    status = _status(record)
    counter = {"passed": 0, "failed": 0, "total": 1}
    key = _COUNTED.get(status, "failed")
    counter[key] = counter.get(key, 0) + 1
    ran = {"start": began, "end": began + record["seconds"]}
    made = _common("TestCaseReport", f"repetition {record['repetition']}", parents, status, counter, ran)
    return {
        **made,
        "description": record["why"],
        "entries": list(_entries(record, began)),
        "category": "testcase",
        "tags": {},
    }


def _status(record: Record) -> str:
    """Return the status of Testplan: ``xfail`` for what went wrong as expected, ``xpass`` for what should have."""
    verdict, expected = record["verdict"], record["as_expected"]
    if verdict in ("fail", "error", "inconclusive") and expected:
        return "xfail"
    if verdict == "pass" and not expected:
        return "xpass"
    return STATUS[verdict]


def _entries(record: Record, moment: float) -> Iterable[Entry]:
    """Yield the checks as assertions, and what was measured and found as tables."""
    for check in record["checks"]:
        good = check["verdict"] == "pass"
        passed = good or record["as_expected"]  # whoever reads the file decides by the assertions alone
        expected = "" if good or not passed else ", as expected"
        yield {
            "type": "IsTrue",
            "meta_type": "assertion",
            "timestamp": moment,
            "description": f"{check['name']}: {check['evidence']}{expected}",
            "passed": passed,
            "expr": passed,
        }
    measured = [[each["service"], each["name"], each["value"], each["unit"]] for each in record["measurements"]]
    found = [[each["severity"], each["service"], each["kind"], each["message"]] for each in record["findings"]]
    for title, columns, rows in (
        ("measurements", ["service", "name", "value", "unit"], measured),
        ("findings", ["severity", "service", "kind", "message"], found),
    ):
        if rows:
            table = {"table": rows, "columns": columns, "display_index": False}
            yield {"type": "TableLog", "meta_type": "entry", "timestamp": moment, "description": title, **table}
    for text in (f"evidence: {record['folder']}", *record["problems"], *record["notes"]):
        yield {"type": "Log", "meta_type": "entry", "timestamp": moment, "description": text, "message": text}
