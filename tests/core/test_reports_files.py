"""The built-in reports, made from run directories as the engine writes them."""

from __future__ import annotations

import csv
import json
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import xmlschema
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from panther_core.reports.builtin import descriptors
from panther_core.results import DirectoryView

HOSTILE = "\x1b[31m\x00\ufffe</failure>]]><script>&'\"\ud800|`*测试"
WRITE = {each.name: each.write for each in descriptors()}
Make = Callable[..., DirectoryView]


def attempt(case: str, verdict: str = "pass", **more: Any) -> dict[str, Any]:
    expected = more.get("expected", ["pass"])
    return {
        "v": 1,
        "case": case,
        "name": case,
        "cell": {},
        "repetition": 1,
        "attempt": 1,
        "final": True,
        "verdict": verdict,
        "expected": expected,
        "as_expected": verdict in expected,
        "why": f"why {case}",
        "seed": 7,
        "started": "2031-02-03T04:05:06.789+00:00",
        "seconds": 0.25,
        "protocol": "minip",
        "scenario": "ping",
        "network_environment": "localhost",
        "services": {"client": {"implementation": "c", "exit": "exit code 1"}},
        "checks": [{"name": "pong", "verdict": verdict, "evidence": "none seen"}],
        "measurements": [],
        "findings": [],
        "problems": [],
        "folder": f"cases/{case}/{more.get('attempt', 1)}",
        **more,
    }


@pytest.fixture
def make(tmp_path: Path) -> Make:
    def run(*records: dict[str, Any], name: str = "trial") -> DirectoryView:
        folder = tmp_path / "trial-20310203T040506Z"
        folder.mkdir(exist_ok=True)
        (folder / "resolved.yaml").write_text(f"name: {name}\n")
        (folder / "panther.lock.json").write_text('{"seed": 7}')
        (folder / "results.jsonl").write_text("".join(json.dumps(each) + "\n" for each in records))
        return DirectoryView(folder)

    return run


def junit(view: DirectoryView) -> ET.Element:
    target = view.folder / "junit.xml"
    WRITE["junit"](view, target, None)
    root = ET.parse(target).getroot()  # noqa: S314 - written two lines above
    suite = root.find("testsuite")
    assert suite is not None
    return suite


def outcome(case: ET.Element) -> str:
    return next((each.tag for each in case if each.tag in ("failure", "error", "skipped")), "passed")


def test_junit_counts_what_was_not_as_expected_and_skips_known_failures(make: Make) -> None:
    suite = junit(
        make(
            attempt("a"),
            attempt("b", "fail"),
            attempt("c", "error"),
            attempt("d", "fail", expected=["fail"]),
            attempt("e", "pass", expected=["fail"]),
            attempt("f", "unsupported", expected=["pass", "unsupported"]),
            attempt("g", "cancelled"),
            attempt("h", "inconclusive"),
        )
    )
    outcomes = {case.get("name"): outcome(case) for case in suite.iter("testcase")}
    assert outcomes == {
        "a": "passed",
        "b": "failure",
        "c": "error",
        "d": "skipped",
        "e": "failure",
        "f": "skipped",
        "g": "error",
        "h": "failure",
    }
    counts = {key: suite.get(key) for key in ("tests", "failures", "errors", "skipped", "time", "timestamp", "name")}
    assert counts == {
        "tests": "8",
        "failures": "3",
        "errors": "2",
        "skipped": "2",
        "time": "2.000",
        "timestamp": "2031-02-03T04:05:06",
        "name": "trial",
    }


def test_junit_is_valid_for_the_schema_that_its_readers_share(make: Make) -> None:
    schema = xmlschema.XMLSchema(Path(__file__).with_name("junit.xsd"))
    verdicts = ("pass", "fail", "error", "flaky", "unsupported", "inconclusive", "cancelled")
    records = [
        attempt(f"{verdict}{expected}", verdict, expected=[expected], why="<&\x00")
        for verdict in verdicts
        for expected in ("pass", verdict)
    ]
    again = [attempt("a", "fail", final=False), attempt("a", "error", attempt=2, final=False), attempt("a", attempt=3)]
    worse = [attempt("b", "error", final=False), attempt("b", "fail", attempt=2)]
    for view in (make(*records, *again, *worse), make()):
        junit(view)
        schema.validate(view.folder / "junit.xml")
    broken = (view.folder / "junit.xml").read_text().replace('tests="0"', "")
    assert not schema.is_valid(broken)


def test_junit_shows_every_attempt_of_a_retried_case(make: Make) -> None:
    flaky = (attempt("a", "fail", final=False, why="first"), attempt("a", attempt=2))
    worse = (attempt("b", "error", final=False, why="first"), attempt("b", "fail", attempt=2, why="second"))
    known = (
        attempt("c", "fail", final=False, expected=["pass", "flaky"]),
        attempt("c", attempt=2, expected=["pass", "flaky"]),
    )
    cases = {case.get("name"): case for case in junit(make(*flaky, *worse, *known)).iter("testcase")}
    assert [each.tag for each in cases["a"]] == ["failure", "flakyFailure", "system-out"]
    assert cases["a"].find("flakyFailure/system-out").text.endswith("cases/a/1")  # type: ignore[union-attr]
    assert [each.tag for each in cases["b"]] == ["failure", "rerunError", "system-out"]
    assert cases["b"].find("failure").get("message") == "fail: second"  # type: ignore[union-attr]
    assert [each.tag for each in cases["c"]] == ["flakyFailure", "system-out"]
    assert cases["b"].get("time") == "0.500"


def test_junit_of_a_run_that_was_taken_up_again_shows_the_attempts_since_then(make: Make) -> None:
    before = (attempt("a", "fail", final=False), attempt("a", "fail", attempt=2))
    since = (attempt("a", "fail", attempt=3, final=False), attempt("a", attempt=4))
    (case,) = junit(make(*before, *since)).iter("testcase")
    assert [(each.text or "")[-1] for each in case.iter("system-out")] == ["3", "4"]


def test_junit_explains_a_failure_without_the_evidence_at_hand(make: Make) -> None:
    finding = {"source": "memcheck", "kind": "leak", "message": "lost 8 bytes"}
    suite = junit(make(attempt("b", "fail", findings=[finding], problems=["strace wrote nothing"])))
    text = suite.findtext("testcase/failure") or ""
    for said in ("fail: pong: none seen", "client (c): exit code 1", "memcheck: lost 8 bytes", "strace wrote nothing"):
        assert said in text


def test_junit_names_are_unique_and_the_same_in_every_run(make: Make) -> None:
    cell = {"client": "x", "server": "y"}
    suite = junit(make(attempt("1", name="ping", cell=cell), attempt("2", name="ping", cell=cell, repetition=2)))
    assert [each.get("name") for each in suite.iter("testcase")] == [
        "ping[client=x, server=y]",
        "ping[client=x, server=y] #2",
    ]
    assert {each.get("classname") for each in suite.iter("testcase")} == {"localhost.minip.ping"}


@pytest.mark.parametrize("name", sorted(WRITE))
def test_no_report_breaks_on_hostile_text_or_an_empty_run(make: Make, name: str) -> None:
    target = make().folder / "report"
    WRITE[name](make(), target, None)
    assert target.stat().st_size > 0
    hostile = attempt("x", "fail", name=HOSTILE, why=HOSTILE, cell={"a": HOSTILE}, problems=[HOSTILE], final=False)
    WRITE[name](make(hostile, {**hostile, "attempt": 2, "final": True}), target, None)
    text = target.read_bytes().decode("utf-8")
    assert "\x1b" not in text
    assert "\x00" not in text


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
@given(text=st.text())
def test_junit_is_well_formed_whatever_a_program_says(make: Make, text: str) -> None:
    suite = junit(
        make(attempt("x", "fail", name=text, why=text, checks=[{"name": text, "verdict": "fail", "evidence": text}]))
    )
    assert suite.find("testcase/failure") is not None


def test_json_is_one_versioned_document_with_everything(make: Make) -> None:
    view = make(attempt("a", "fail", final=False), attempt("a", attempt=2), attempt("b"))
    target = view.folder / "r.json"
    WRITE["json"](view, target, None)
    document = json.loads(target.read_text())
    assert (document["format"], document["v"], document["run"]) == ("panther-run", 1, view.folder.name)
    assert document["counts"] == {"flaky": 1, "pass": 1}
    assert document["unexpected"] == 1
    assert document["experiment"] == {"name": "trial"}
    assert document["lock"] == {"seed": 7}
    assert [each["case"] for each in document["cases"]] == ["a", "b"]
    assert len(document["attempts"]) == 3


def test_csv_has_a_line_for_each_measurement_and_a_column_for_each_axis(make: Make) -> None:
    measured = [
        {"name": "goodput", "value": 12.5, "unit": "bit/s", "service": "client"},
        {"name": "rtt", "value": -1, "unit": "s"},
    ]
    view = make(attempt("a", measurements=measured, cell={"loss": "1%"}), attempt("b", cell={"delay": "2ms"}))
    target = view.folder / "r.csv"
    WRITE["csv"](view, target, None)
    rows = list(csv.DictReader(target.read_text().splitlines()))
    assert [(row["case"], row["measurement"], row["value"]) for row in rows] == [
        ("a", "goodput", "12.5"),
        ("a", "rtt", "-1"),
        ("b", "", ""),
    ]
    assert [(row["cell.loss"], row["cell.delay"]) for row in rows] == [("1%", ""), ("1%", ""), ("", "2ms")]
    assert rows[0]["implementations"] == "client=c"


def test_csv_never_gives_a_spreadsheet_a_formula(make: Make) -> None:
    view = make(attempt("a", why='=HYPERLINK("x")'))
    target = view.folder / "r.csv"
    WRITE["csv"](view, target, None)
    assert next(csv.DictReader(target.read_text().splitlines()))["why"] == '\'=HYPERLINK("x")'


def test_markdown_leads_with_the_outcome_and_lists_only_what_is_notable(make: Make) -> None:
    view = make(attempt("good"), attempt("bad", "fail", why="a|b <c>"), attempt("known", "fail", expected=["fail"]))
    target = view.folder / "r.md"
    WRITE["markdown"](view, target, None)
    lines = target.read_text().splitlines()
    assert lines[0] == "## trial: 1 of 3 not as expected"
    assert r"| fail | bad | 0.25 | a\|b \<c\> |" in lines
    assert lines.index("### Not as expected") < lines.index("### As expected, but no plain pass")
    assert not any("good" in line for line in lines)
