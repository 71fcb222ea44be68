"""What the page says, and that nothing in a run can change what the page does."""

from __future__ import annotations

import base64
import json
import re
import zlib
from pathlib import Path
from typing import Any

import pytest
from markupsafe import escape
from panther_report_html.matrix import abbreviations
from panther_report_html.page import write_page

from panther_core.testing import MakeProject
from panther_core.testing.conformance import sample_run
from panther_hookspecs import Figure, RunView

EVIL = "</script><img src=x onerror=alert(1)>"
MATRIX = """
name: who
protocol: minip
network_environment: localhost
matrix:
  server: [ping-pong-c, ping-pong-py]
  client: [ping-pong-c, ping-pong-py]
test_cases:
  - {name: ping, scenario: ping}
  - {name: liar, scenario: ping, services: {server: {variant: fail}}}
"""


def unpacked(page: str, name: str) -> Any:
    found = re.search(rf'<script id="{name}" type="text/plain">([^<]*)</script>', page)
    assert found
    return json.loads(zlib.decompress(base64.b64decode(found[1]), 31))


def written(view: RunView, **changes: Any) -> str:
    """Return the page about a run in which every record has been changed."""
    path = view.folder / "results.jsonl"
    records = [{**json.loads(line), **changes} for line in path.read_text().splitlines()]
    path.write_text("".join(json.dumps(each) + "\n" for each in records))
    write_page(view, view.folder / "report.html")
    return (view.folder / "report.html").read_text()


def test_a_matrix_shows_what_each_pair_achieved(panther_project: MakeProject) -> None:
    outcome = panther_project({"who.yaml": MATRIX}).run("run who.yaml --report html --report junit")
    page = (outcome.run / "report.html").read_text()
    assert "<b>4 of 8 cases not as expected</b>" in page
    table = re.search(r'<table class="matrix">.*?</table>', page, re.DOTALL)
    assert table
    assert re.findall(r'class="chip ([\w ]+)"[^>]*>(\S+?)</a>', table[0]) == [("fail odd", "✗L"), ("pass", "✓P")] * 4
    details = unpacked(page, "details")
    assert len(details) == 8
    assert details[0]["messages"]["lanes"] == ["client", "server"]
    assert details[0]["services"][0][3].startswith("cd ")
    assert details[0]["timings"][0][0] == "prepare"
    assert '<a href="junit.xml">' in page  # though it was asked for later


def test_what_became_worse_since_an_earlier_run_stands_on_the_page(panther_project: MakeProject) -> None:
    project = panther_project(
        {
            "old.yaml": MATRIX,
            "new.yaml": MATRIX.replace("scenario: ping}", "scenario: ping, services: {server: {variant: fail}}}"),
        }
    )
    for name in ("old", "new"):
        project.run(f"run {name}.yaml --output runs/{name}")
    project.run("report runs/new --format html --against runs/old")
    page = (project.folder / "runs/new/report.html").read_text()
    section = re.search(r'<section id="comparison".*?</section>', page, re.DOTALL)
    assert section
    assert "Compared with old" in section[0]
    assert "<b>Worse than before: 4 new failures" in section[0]
    assert section[0].count(">new failure</span>") == 4
    project.run("report runs/new --format html")
    assert 'id="comparison"' not in (project.folder / "runs/new/report.html").read_text()


def test_a_defect_stands_there_once_with_its_cases_and_its_evidence(tmp_path: Path) -> None:
    finding = {"severity": "error", "source": "memcheck", "kind": "leak", "message": EVIL, "artifact": "profiles/x.xml"}
    view = sample_run(tmp_path / "run")
    page = written(view, findings=[finding, finding])
    section = re.search(r'<section id="findings".*?</section>', page, re.DOTALL)
    assert section
    cases = len(list(view.cases()))
    assert f'<td class="number">{2 * cases}</td>' in section[0]
    assert section[0].count("profiles/x.xml") == min(cases, 8)
    assert "<img" not in section[0]


def test_pictures_of_other_reports_stay_images_that_cannot_reach_into_the_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    view = sample_run(tmp_path / "run")
    monkeypatch.setattr(type(view), "figures", lambda _self: iter([Figure(title=EVIL, svg=EVIL, kind=EVIL)]))
    page = written(view)
    assert "<img" not in page
    assert unpacked(page, "drawn") == [[EVIL, EVIL, "", "", EVIL]]


def test_without_javascript_every_verdict_stands_there_with_its_reason(tmp_path: Path) -> None:
    view = sample_run(tmp_path / "run")
    page = written(view)
    for each in view.cases():
        assert f" {each['verdict']}</span>" in page
        assert str(escape(each["why"])) in page


def test_nothing_in_a_run_becomes_markup(tmp_path: Path) -> None:
    page = written(sample_run(tmp_path / "run"), name=EVIL, why=EVIL, cell={EVIL: EVIL}, problems=[EVIL], losses=[EVIL])
    assert "<img" not in page
    assert page.count("</script>") == 3
    assert unpacked(page, "details")[0]["problems"] == [EVIL]
    assert EVIL in unpacked(page, "details")[0]["notes"]


def test_the_page_names_no_address_of_the_network(tmp_path: Path) -> None:
    page = written(sample_run(tmp_path / "run"))
    assert "://" not in page


def test_a_run_without_a_finished_case_says_so(tmp_path: Path) -> None:
    assert "Nothing has finished." in written(sample_run(tmp_path / "run", empty=True))


def test_half_a_line_of_a_killed_run_keeps_nobody_from_reading_the_rest(tmp_path: Path) -> None:
    view = sample_run(tmp_path / "run")
    case = next(iter(view.cases()))
    whole = {"time": 1.0, "source": "a", "target": "b", "label": "hello", "detail": "", "arrived": None}
    (view.folder / case["folder"]).mkdir(parents=True, exist_ok=True)
    (view.folder / case["folder"] / "messages.jsonl").write_text(json.dumps(whole) + '\n{"time": 2, "sou')
    rows = [each["messages"]["rows"] for each in unpacked(written(view), "details") if "messages" in each]
    assert rows == [[[0, None, 0, 1, "hello", ""]]]


@pytest.mark.parametrize(
    ("names", "codes"),
    [
        (["handshake", "transfer"], ["H", "T"]),
        (["http3", "handshake"], ["H", "Ha"]),
        (["transfer loss", "transfer"], ["TL", "T"]),
        (["-", "--"], ["X", "X2"]),
    ],
)
def test_abbreviations_are_short_and_all_different(names: list[str], codes: list[str]) -> None:
    given = abbreviations(names)
    assert [given[name] for name in names] == codes
