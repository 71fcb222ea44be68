"""Tests of a tree of fmf metadata are found, run and judged as tmt would."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from panther_discover_fmf.discover import find, seconds_of
from panther_discover_fmf.options import DiscoverOptions

from panther_core.testing import MakeProject
from panther_hookspecs import ConfigurationException

TREE = r"""
duration: 1m
tag: [core]
/ok:
    test: test "$TMT_TEST_NAME" = /tests/ok; test -f "$TMT_TEST_METADATA"; test "$PWD" = "$TMT_TREE/tests"
    tier: 1
/bad: {test: "exit 1", tag+: [slow], link: [{verifies: bug-7}]}
/worse: {test: "exit 7"}
/expected: {test: "false", result: xfail}
/off: {test: "true", enabled: false}
/lacks: {test: "true", require: [no-such-thing]}
/parts: {test: "tmt-report-result /a PASS; tmt-report-result 'b \"c' FAIL; tmt-file-submit -l main.fmf", order: 10}
/custom: {test: "cp custom.yaml $TMT_TEST_DATA/results.yaml", result: custom}
/adjusted:
    test: "false"
    enabled: false
    environment: {A: "{b} ${c}"}
    adjust: [{when: distro == fedora, enabled: true, test: 'test "$A" = "{b} \${c}"'}]
"""
FILES: Mapping[str, str] = {
    ".fmf/version": "1\n",
    "tests/main.fmf": TREE,
    "tests/custom.yaml": "- {name: /one, result: pass}\n- {name: /two, result: fail, note: [broken], log: [two.log]}\n",
    "all.yaml": """
name: all
network_environment: localhost
discover: [{type: fmf, context: {distro: fedora-41}}]
""",
    "wrong.yaml": "name: wrong\nnetwork_environment: localhost\ndiscover: [{type: fmf, path: /, naems: [x]}]\n",
}


def names(folder: Path, **options: Any) -> list[str]:
    return [str(each["name"]).removeprefix("/tests/") for each in find(DiscoverOptions(**options), folder)]


def test_tests_are_chosen_by_name_filter_link_and_context(panther_project: MakeProject) -> None:
    folder = panther_project(FILES).folder
    assert names(folder) == ["parts", "bad", "custom", "expected", "lacks", "ok", "worse"]
    assert names(folder, disabled=True)[1:3] == ["adjusted", "bad"]
    assert names(folder, filter=("tag: slow",)) == ["bad"]
    assert names(folder, filter=("tier: 1", "enabled: true")) == ["ok"]
    assert names(folder, names=("o",), exclude=("wo",), condition=("order == 50",)) == ["custom", "ok"]
    assert names(folder, link=("verifies:bug",)) == ["bad"]
    assert names(folder, link=("relates:bug",)) == []
    assert "adjusted" in names(folder, context={"distro": "fedora-41"})
    assert "adjusted" not in names(folder, context={"distro": ("rhel-9", "centos-9")})


def test_tests_run_and_what_they_say_becomes_verdicts_and_results(panther_project: MakeProject) -> None:
    project = panther_project(FILES)
    outcome = project.run("run all.yaml --report tmt-results")
    outcome.assert_exit(1)
    verdicts = {"ok": "pass", "bad": "fail", "worse": "error", "expected": "pass", "lacks": "unsupported"}
    verdicts |= {"parts": "fail", "custom": "fail", "adjusted": "pass"}
    outcome.assert_verdicts({f"/tests/{name}": verdict for name, verdict in verdicts.items()})
    results = {each["name"]: each for each in json.loads((outcome.run / "results.yaml").read_text())}
    assert {name: results[f"/tests/{name}"]["result"] for name in ("ok", "worse", "lacks")} == {
        "ok": "pass",
        "worse": "error",
        "lacks": "skip",
    }
    assert results["/tests/parts"]["subresult"] == [
        {"name": "/a", "result": "pass"},
        {"name": '/b "c', "result": "fail"},
    ]
    assert (results["/tests/custom/one"]["result"], results["/tests/custom/two"]["note"]) == ("pass", ["broken"])
    assert (outcome.folder("/tests/parts") / "services/test/data/main.fmf").is_file()
    planned = project.run("plan all.yaml -k tags=slow").stdout
    assert "/tests/bad" in planned
    assert "1 case, nothing was started" in planned
    again = project.run(f"resume {outcome.run}")
    again.assert_exit(1, "8 cases", "1 error")


def test_mistakes_are_told_where_the_experiment_names_the_source(panther_project: MakeProject) -> None:
    project = panther_project(FILES)
    project.run("validate wrong.yaml").assert_exit(2, "wrong.yaml:3:", "'naems'", "did you mean 'names'?")
    (project.folder / "wrong.yaml").write_text(
        "name: w\nnetwork_environment: localhost\ndiscover: [{type: fmf, names: [zzz]}]\n"
    )
    project.run("validate wrong.yaml").assert_exit(2, "fmf finds no test case here")
    (project.folder / "tests/main.fmf").write_text("/odd: {test: x, duration: soon}\n")
    project.run("validate all.yaml").assert_exit(2, "/tests/odd: 'soon' is no duration")


@pytest.mark.parametrize(
    ("text", "seconds"), [("5m", 300), (90, 90), ("1h 30m", 5400), ("10s *3", 30), ("10m +5m", 900), ("1d", 86400)]
)
def test_durations_are_read_as_tests_write_them(text: object, seconds: float) -> None:
    assert seconds_of(text) == seconds


def test_a_folder_without_metadata_is_told_with_the_way_out(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationException, match="fmf init"):
        names(tmp_path)
