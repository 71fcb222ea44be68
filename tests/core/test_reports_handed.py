"""What a report is handed besides the run: pictures of others, and a comparison."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from panther_core.reports.handed import HandedRun
from panther_core.testing.conformance import sample_run
from panther_hookspecs import Figure, ReportDescriptor, RunView


def _nothing(_run: RunView, _target: Path, _options: Any) -> None:
    """Write no file."""


def _draws(run: RunView, _options: Any) -> Iterable[Figure]:
    yield Figure(title=f"{len(list(run.cases()))} cases", svg="<svg/>")


def _breaks(_run: RunView, _options: Any) -> Iterable[Figure]:
    yield Figure(title="half", svg="<svg/>")
    raise ValueError("no more")


def descriptor(name: str, figures: Any) -> ReportDescriptor:
    return ReportDescriptor(name=name, summary="A report", filename=f"{name}.txt", write=_nothing, figures=figures)


def test_every_report_that_draws_is_asked_and_one_that_fails_keeps_no_other_from_it(tmp_path: Path) -> None:
    view = sample_run(tmp_path / "run")
    told: list[str] = []
    drawers = (descriptor("bad", _breaks), descriptor("silent", None), descriptor("good", _draws))
    run = HandedRun(folder=view.folder, drawers=drawers, warn=told.append)
    cases = list(view.cases())
    assert [each.title for each in run.figures()] == ["half", f"{len(cases)} cases"]
    assert told == ["the report bad could not draw its figures: no more"]
    assert list(run.cases()) == cases
