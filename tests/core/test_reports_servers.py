"""Reports that other programs read: annotations, code scanning, archives; and the workflow that makes them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from panther_core.reports.builtin import descriptors
from panther_core.results import DirectoryView
from panther_core.testing import MakeProject
from panther_core.testing.conformance import sample_run
from panther_hookspecs import Verdict

WRITE = {each.name: each.write for each in descriptors()}
LEAK = {
    "source": "memcheck",
    "kind": "Leak_DefinitelyLost",
    "message": "256 bytes are lost",
    "service": "server",
    "severity": "error",
    "count": 2,
    "stack": ["malloc (vg_replace_malloc.c:381)", "leak (echo.c:34)"],
    "fingerprint": "leak@echo.c",
    "artifact": "profiles/server/memcheck.1.xml",
}

ONE = """
name: one
network_environment: localhost
test_cases:
  - {name: t, services: {s: {implementation: command, argv: ["true"]}}}
"""


def written(report: str, place: Path, /, **changes: Any) -> str:
    """Return a report about a run in which every record has been changed."""
    view = sample_run(place / "run")
    journal = view.folder / "results.jsonl"
    records = [{**json.loads(line), **changes} for line in journal.read_text().splitlines()]
    journal.write_text("".join(json.dumps(each) + "\n" for each in records))
    target = view.folder / "report"
    WRITE[report](DirectoryView(view.folder), target, None)
    return target.read_text()


def test_a_finding_of_many_cases_is_told_once_with_its_line_of_source(tmp_path: Path) -> None:
    document = json.loads(written("sarif", tmp_path, findings=[LEAK]))
    (run,) = document["runs"]
    (result,) = run["results"]
    cases = len(list(DirectoryView(tmp_path / "run").cases()))
    assert document["version"] == "2.1.0"
    assert result["ruleId"] == "memcheck/Leak_DefinitelyLost"
    assert result["occurrenceCount"] == 2 * cases
    assert result["partialFingerprints"] == {"panther/v1": "leak@echo.c"}
    place = result["locations"][0]["physicalLocation"]
    assert place == {"artifactLocation": {"uri": "vg_replace_malloc.c"}, "region": {"startLine": 381}}
    assert run["tool"]["driver"]["rules"] == [{"id": "memcheck/Leak_DefinitelyLost"}]


def test_a_finding_without_a_line_of_source_leads_to_its_evidence(tmp_path: Path) -> None:
    document = json.loads(written("sarif", tmp_path, findings=[{**LEAK, "stack": ["0x1234"]}], folder="cases/x/1"))
    place = document["runs"][0]["results"][0]["locations"][0]["physicalLocation"]
    assert place == {"artifactLocation": {"uri": "cases/x/1/profiles/server/memcheck.1.xml"}}


def test_annotations_tell_what_was_unexpected_and_nothing_can_end_their_line(tmp_path: Path) -> None:
    lines = written("github", tmp_path, expected=[], why="50 %\n::error::forged", name="a:b,c").splitlines()
    assert all(line.startswith("::error title=") for line in lines)
    assert "50 %25" in lines[0]
    assert "a%3Ab%2Cc" in lines[0]
    assert not any(line.startswith("::error::forged") for line in lines)


def test_a_run_as_expected_is_one_notice(tmp_path: Path) -> None:
    assert written("github", tmp_path, expected=[each.value for each in Verdict]).startswith(
        "::notice title=PANTHER::all "
    )


def test_a_crate_names_every_file_of_the_run(panther_project: MakeProject) -> None:
    run = panther_project({"one.yaml": ONE}).run("run one.yaml --report ro-crate").run
    graph = json.loads((run / "ro-crate-metadata.json").read_text())["@graph"]
    described = {each["@id"] for each in graph if each["@type"] == "File"}
    there = {each.relative_to(run).as_posix() for each in run.rglob("*") if each.is_file()}
    assert described == there - {"ro-crate-metadata.json"}
    assert {each["@id"] for each in graph[1]["hasPart"]} == described


def test_a_workflow_is_written_once(panther_project: MakeProject) -> None:
    project = panther_project({"exp/my test.yaml": "name: x\n"})
    project.run(["ci", "init", "exp/my test.yaml"]).assert_exit(0, "for every push")
    path = project.folder / ".github/workflows/panther.yml"
    steps = YAML(typ="safe").load(path)["jobs"]["panther"]["steps"]
    commands = " ".join(str(each.get("run", "")) for each in steps)
    assert "panther run 'exp/my test.yaml' --output runs/my-test" in commands
    assert '"$GITHUB_STEP_SUMMARY"' in commands
    before = path.read_text()
    project.run(["ci", "init", "exp/my test.yaml"]).assert_exit(2, "is there already", "--output")
    assert path.read_text() == before


@pytest.mark.parametrize("name", ["missing.yaml", "exp"])
def test_a_workflow_for_no_experiment_is_refused(panther_project: MakeProject, name: str) -> None:
    panther_project({"exp/x.yaml": "name: x\n"}).run(["ci", "init", name]).assert_exit(2, "there is no file")
