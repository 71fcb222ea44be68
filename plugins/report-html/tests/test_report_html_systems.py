"""The drawing of which system ran what when."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

from panther_report_html.systems import WIDTH, picture_of

from panther_core.testing import MakeProject

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)


def attempt(number: int, system: str, start: float, seconds: float, **more: Any) -> dict[str, Any]:
    started = (BEGIN + timedelta(seconds=start)).isoformat()
    return {"case": str(number), "started": started, "seconds": seconds, "system": system, "verdict": "pass", **more}


def test_a_run_shows_its_attempts_on_their_systems(panther_project: MakeProject) -> None:
    project = panther_project(
        {
            "two.yaml": """
name: two
network_environment: localhost
repeat: 2
test_cases:
  - {name: fails & <b>, retry_count: 1, services: {one: {implementation: command, argv: ["false"]}}}
"""
        }
    )
    page = (project.run("run two.yaml --jobs 1 --report html").run / "report.html").read_text()
    assert len(re.findall(r'<rect class="fail"', page)) == 4
    assert len(re.findall(r"<title>fails &amp; &lt;b&gt;(?: #2)?: fail, ", page)) == 4
    assert re.findall(r'text-anchor="end">(local-\d+)</text>', page) == ["local-1"]


def test_ten_thousand_attempts_are_a_small_drawing() -> None:
    attempts = [
        attempt(number, f"s-{number % 8}", number * 0.01, 0.07, verdict="fail" if number % 50 == 0 else "pass")
        for number in range(10_000)
    ]
    picture = picture_of(attempts, [])
    assert picture
    assert [row.name for row in picture.rows] == [f"s-{number}" for number in range(8)]
    assert sum(len(path) for row in picture.rows for path in row.paths.values()) < 150_000
    assert all(0.8 < row.busy <= 1 for row in picture.rows)


def test_a_pause_in_which_nothing_ran_is_left_out() -> None:
    picture = picture_of([attempt(1, "a", 0, 10), attempt(2, "a", 90_000, 10)], [])
    assert picture
    assert picture.cuts == [WIDTH / 2]
    assert [(bar["x"], bar["width"]) for bar in picture.rows[0].bars] == [(0, WIDTH / 2), (WIDTH / 2, WIDTH / 2)]


def test_workers_that_only_make_cases_ready_ahead_are_no_rows() -> None:
    def ready_at(number: int, worker: int, begin: float, waited: float) -> dict[str, Any]:
        timings = {"prepare": 0.5, "setup": 0.5, "turn": waited, "start": 1.0, "stop": 1.0, "judge": 3.0}
        return attempt(number, f"local-{worker}", begin, 6, timings=timings)

    picture = picture_of([ready_at(1, 1, 0, 0), ready_at(2, 2, 0, 2), ready_at(3, 1, 4, 0)], [], jobs=1)
    assert picture
    assert [(row.name, len(row.bars), row.busy) for row in picture.rows] == [("local-1", 3, 1.0)]


def test_records_that_say_nothing_about_time_are_not_drawn() -> None:
    assert picture_of([{"case": "1", "started": "soon"}, attempt(1, "a", 0, 1), {"started": 5}], []) is None
