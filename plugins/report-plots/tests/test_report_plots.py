"""Graphs of runs: the right ones, in the right files, the same every time, and none where there is nothing."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs
import pytest
from panther_report_plots import create_graphs_stage
from panther_report_plots.data import number, samples_of
from panther_report_plots.options import PlotOptions
from panther_report_plots.report import figures_of, write

from panther_hookspecs import ConfigurationException, RunView, StageResult

PNG, PDF = b"\x89PNG", b"%PDF"


@attrs.define
class Run(RunView):
    """A run whose records are given."""

    folder: Path
    records: Sequence[Mapping[str, Any]]

    @property
    def experiment(self) -> Mapping[str, Any]:
        return {}

    @property
    def lock(self) -> Mapping[str, Any]:
        return {}

    def attempts(self) -> Iterator[Mapping[str, Any]]:
        yield from self.records

    def cases(self) -> Iterator[Mapping[str, Any]]:
        yield from self.records

    def events(self) -> Iterator[Mapping[str, Any]]:
        yield from ()


def record(number: int, cell: Mapping[str, str], *values: float, metric: str = "performance.seconds") -> dict[str, Any]:
    measured = [{"name": metric, "value": value, "unit": "s", "service": ""} for value in values]
    folder = f"cases/{number}"
    return {"name": "speed", "cell": cell, "folder": folder, "measurements": measured, "services": {"client": {}}}


def matrix(folder: Path) -> Run:
    """Return a run of two servers at three rates, six repetitions each, one of which was broken under load."""
    records: list[Mapping[str, Any]] = []
    for server in ("one", "other"):
        for rate in ("10", "20", "40"):
            for repetition in range(6):
                value = (1 + repetition / 10) * float(rate) / 1000
                records.append(record(len(records), {"server": server, "client.rate": rate}, value))
    run = Run(folder, records)
    service = folder / "cases/0/services/client"
    service.mkdir(parents=True)
    lines = [f"{n},{n / 100},{n / 100},{'' if 30 < n < 40 else n / 100 + 0.002},1,1" for n in range(100)]
    (service / "requests.csv").write_text("number,due,sent,answered,right,tries\n" + "\n".join(lines) + "\n")
    (folder / "cases/0/recovery").mkdir()
    fault = {"what": "stop server", "begin": 0.3, "over": 0.4}
    (folder / "cases/0/recovery/faults.json").write_text(json.dumps([fault]))
    return run


def kinds(folder: Path) -> set[str]:
    return {re.sub(r"_\d{8}_\d{6}$", "", path.stem) for path in (folder / "graphs").iterdir()}


def test_cells_stand_in_the_order_of_their_values_whatever_ended_first(tmp_path: Path) -> None:
    records = [record(0, {"server": name, "client.rate": rate}, 1.0) for name in "ba" for rate in ("1000", "20", "100")]
    (found,) = samples_of(Run(tmp_path, records), ["*"])
    assert list(found.cells) == ["a, 20", "a, 100", "a, 1000", "b, 20", "b, 100", "b, 1000"]


def test_two_faults_of_a_case_are_not_samples_of_one_thing(tmp_path: Path) -> None:
    made = record(0, {"server": "one"}, 1.0, 2.0, metric="recovery.seconds")
    for fault, each in zip(("stop", "kill"), made["measurements"], strict=True):
        each["labels"] = {"what": fault, "better": "lower"}
    (found,) = samples_of(Run(tmp_path, [made, made]), ["*"])
    assert found.cells == {"one, kill": (2.0, 2.0), "one, stop": (1.0, 1.0)}
    assert found.axes["one, kill"] == {"server": "one", "": "kill"}


def test_a_run_becomes_its_figures_and_one_page(tmp_path: Path) -> None:
    write(matrix(tmp_path), tmp_path / "graphs.html", PlotOptions(formats=("svg",)))
    assert kinds(tmp_path) == {
        "speed_performance.seconds_box",
        "speed_performance.seconds_lines",
        "speed_performance.seconds_map",
        "response_times_speed_one-10",
        "response_time_analysis_speed_one-10",
        "answers_speed_one-10",
        "speed_cdf",
    }
    page = (tmp_path / "graphs.html").read_text()
    assert page.count("<svg") == 7
    assert "stop server" in page
    assert "9 lost" in page


def test_a_figure_is_written_in_every_format(tmp_path: Path) -> None:
    write(Run(tmp_path, [record(1, {}, 1.0, 2.0)]), tmp_path / "graphs.html", PlotOptions(dpi=60))
    for suffix, head in ((".png", PNG), (".pdf", PDF), (".svg", b"<?xml")):
        (path,) = (tmp_path / "graphs").glob(f"*{suffix}")
        assert path.read_bytes().startswith(head)


def test_nothing_to_draw_is_said(tmp_path: Path) -> None:
    write(Run(tmp_path, []), tmp_path / "graphs.html", PlotOptions())
    assert "There is nothing to draw" in (tmp_path / "graphs.html").read_text()
    assert not (tmp_path / "graphs").exists()


@pytest.mark.parametrize("values", [(1.0,), (2.0, 2.0, 2.0), (0.0,), (float("nan"), 1.0), (-1.0, 1.0)])
def test_few_equal_and_odd_values_can_be_drawn(tmp_path: Path, values: tuple[float, ...]) -> None:
    write(Run(tmp_path, [record(1, {}, *values)]), tmp_path / "graphs.html", PlotOptions(formats=("svg",)))
    page = (tmp_path / "graphs.html").read_text()
    assert "<figcaption>speed: performance.seconds</figcaption>" in page
    assert page.count("<svg") == 1


def test_two_drawings_of_one_run_are_equal(tmp_path: Path) -> None:
    run = Run(tmp_path, [record(1, {"loss": "0%"}, 1.0, 2.0), record(1, {"loss": "2%"}, 3.0, 4.0)])
    first, second = (list(figures_of(run, None)) for _ in range(2))
    assert first == second


def test_another_report_is_handed_what_it_does_not_draw_itself(tmp_path: Path) -> None:
    run = Run(tmp_path, [record(1, {"loss": "0%"}, 1.0, 2.0), record(1, {"loss": "2%"}, 3.0, 4.0)])
    (figure,) = figures_of(run, None)
    assert figure.title == "speed: performance.seconds by loss, with 95 % intervals"
    assert figure.kind == "measurement"
    assert "<svg" in figure.svg
    assert list(figures_of(Run(tmp_path, [record(1, {}, 1.0, 2.0)]), None)) == []


def test_a_stage_draws_what_stages_before_have_measured(tmp_path: Path) -> None:
    results = {
        "connect": StageResult(values={"folder": str(tmp_path)}),
        "measure": {"status": "success", "response_times": [0.1, 0.2, 0.15], "name": "x"},
    }
    found = create_graphs_stage(results)
    assert found["status"] == "success"
    assert [re.sub(r"\d{8}_\d{6}", "T", Path(path).name) for path in found["graphs"]] == [
        "response_times_T.png",
        "response_time_analysis_T.png",
    ]
    assert all(Path(path).parent == tmp_path / "graphs" for path in found["graphs"])
    assert create_graphs_stage({"connect": {"folder": str(tmp_path)}})["graphs"] == []


def test_an_unknown_format_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationException, match="plots cannot write gif; it can write png, svg, pdf"):
        write(Run(tmp_path, []), tmp_path / "x.html", PlotOptions(formats=("gif",)))


def test_matplotlib_is_loaded_only_to_draw() -> None:
    code = "import sys, panther_report_plots.plugin; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_numbers_of_the_matrix_may_have_units() -> None:
    assert [number(each) for each in ("10", "20ms", "1%", "1e3", "one")] == [10.0, 20.0, 1.0, 1000.0, None]


def test_what_was_not_measured_has_no_samples(tmp_path: Path) -> None:
    assert samples_of(Run(tmp_path, [record(1, {}, 1.0)]), ["nothing.*"]) == []
