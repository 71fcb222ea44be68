"""The junit report: what CI servers read, valid for the schema that Jenkins and Surefire share.

A case that came out as expected passes, a known failure is ``skipped`` with its reason. The attempts of a retried case
are ``flakyFailure`` (it passed in the end) or ``rerunFailure`` elements, so that a retry never hides what happened.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element, ElementTree, SubElement, indent

from panther_hookspecs import RunView, Verdict

_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_ERRORS = (Verdict.ERROR.value, Verdict.CANCELLED.value)
_MOST_TEXT = 4000


def write_junit(run: RunView, target: Path, _options: object) -> None:
    """Write the run as one test suite."""
    suites = Element("testsuites")
    suite = SubElement(suites, "testsuite")
    tests = failures = errors = skipped = 0
    seconds, begin = 0.0, ""
    for case, earlier in _with_attempts(run):
        outcome = _add_case(suite, case, earlier, run)
        tests += 1
        failures += outcome == "failure"
        errors += outcome == "error"
        skipped += outcome == "skipped"
        seconds += _seconds([*earlier, case])
        begin = min(filter(None, (begin, str(case.get("started") or ""))), default="")
    counts = {"tests": str(tests), "failures": str(failures), "errors": str(errors), "time": f"{seconds:.3f}"}
    name = clean(run.experiment.get("name") or run.folder.name)
    suites.attrib.update({"name": name, **counts})
    suite.attrib.update(
        {
            "name": name,
            **counts,
            "skipped": str(skipped),
            "timestamp": begin.partition(".")[0][:19],
            "id": clean(run.folder.name),
        }
    )
    indent(suites)
    ElementTree(suites).write(target, encoding="utf-8", xml_declaration=True)


def clean(text: object) -> str:
    """Return text that XML can hold: characters it forbids become visible escapes."""
    return _NOT_XML.sub(lambda match: match[0].encode("unicode_escape", "backslashreplace").decode("ascii"), str(text))


def _with_attempts(run: RunView) -> Iterator[tuple[Mapping[str, Any], Sequence[Mapping[str, Any]]]]:
    """Yield every case with those attempts before its last one that its verdict is taken over."""
    attempts: dict[str, list[Mapping[str, Any]]] = {}
    for each in run.attempts():
        attempts.setdefault(str(each["case"]), []).append(each)
    for case in run.cases():
        count = int(case.get("attempts", 1))
        yield case, attempts[str(case["case"])][-count:-1]


def _seconds(attempts: Sequence[Mapping[str, Any]]) -> float:
    return sum(float(each.get("seconds") or 0.0) for each in attempts)


def _add_case(suite: Element, case: Mapping[str, Any], earlier: Sequence[Mapping[str, Any]], run: RunView) -> str:
    """Add one test case; return the name of the element that its outcome is, or nothing for a pass."""
    element = SubElement(
        suite,
        "testcase",
        name=clean(_name(case)),
        classname=clean(_class(case)),
        time=f"{_seconds([*earlier, case]):.3f}",
    )
    verdict, why = str(case["verdict"]), clean(case.get("why") or "")
    outcome = _outcome(case)
    if outcome:
        message = f"{verdict}: {why}" if outcome != "skipped" else f"{verdict}, as expected: {why}"
        if outcome == "failure" and verdict == Verdict.PASS.value:
            message = f"passed, but expected {' or '.join(case.get('expected') or ())}"
        child = SubElement(element, outcome, message=message)
        if outcome != "skipped":
            child.set("type", verdict)
            child.text = clean(_explanation(case))[:_MOST_TEXT]
    kind = "flaky" if verdict == Verdict.FLAKY.value else "rerun"
    for each in earlier:
        name = kind + ("Error" if each["verdict"] in _ERRORS else "Failure")
        again = SubElement(element, name, message=clean(each.get("why") or ""), type=clean(each["verdict"]))
        SubElement(again, "system-out").text = clean(run.folder / str(each.get("folder") or ""))
    SubElement(element, "system-out").text = clean(run.folder / str(case.get("folder") or ""))
    return outcome


def _outcome(case: Mapping[str, Any]) -> str:
    verdict = str(case["verdict"])
    if case["as_expected"]:
        return "" if verdict in (Verdict.PASS.value, Verdict.FLAKY.value) else "skipped"
    return "error" if verdict in _ERRORS else "failure"


def _name(case: Mapping[str, Any]) -> str:
    """Return a name that is the same in every run, as CI servers compare by it."""
    cell = ", ".join(f"{axis}={value}" for axis, value in (case.get("cell") or {}).items())
    number = f" #{case['repetition']}" if case.get("repetition", 1) > 1 else ""
    return f"{case['name']}[{cell}]{number}" if cell else f"{case['name']}{number}"


def _class(case: Mapping[str, Any]) -> str:
    parts = (case.get("network_environment"), case.get("protocol"), case.get("scenario"))
    return ".".join(str(part) for part in parts if part) or "panther"


def _explanation(case: Mapping[str, Any]) -> str:
    """Return what a person needs before opening the evidence: checks, how services ended, findings, problems."""
    lines = [f"{each['verdict']}: {each['name']}: {each.get('evidence', '')}" for each in case.get("checks") or ()]
    lines += [
        f"{name} ({each.get('implementation', '')}): {each.get('exit', '')}"
        for name, each in (case.get("services") or {}).items()
    ]
    lines += [f"{each.get('source', '')}: {each.get('message', '')}" for each in case.get("findings") or ()]
    return "\n".join([*lines, *(str(each) for each in case.get("problems") or ())])
