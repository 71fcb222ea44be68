"""The file of expected verdicts: made from what runs have shown, edited by hand, used by the next run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from ruamel.yaml import YAML

from panther_core.expectations import expectations
from panther_core.testing import MakeProject, PantherProject
from panther_core.testing.dummy import DummyPlugin

pytest_plugins = ["panther_core.testing.plugin"]

HEAD = "name: matrix\nprotocol: dummy\nnetwork_environment: dummy\n"
MUTE = "{implementation: dummy, argv: [echo, nothing]}"
MATRIX = f"""\
{HEAD}test_cases:
  - {{name: talk, implementation: dummy, matrix: {{timeout: [9s, 8s]}}}}
  - name: mute
    matrix: {{client.argv: [[echo, "nothing: *"]], timeout: [9s, 8s]}}
    services: {{server: dummy, client: dummy}}
"""
SAME = MATRIX.replace("test_cases:", "expect: !include known.yaml\ntest_cases:")


def case(verdict: str, *, why: str = "", **facts: Any) -> Mapping[str, Any]:
    """Return the record of a case, as far as expectations look at it."""
    cell = {name: str(value) for name, value in facts.items() if name not in ("name", "version", "final")}
    services = {
        name: {"implementation": cell.get(name, "one"), "version": facts.get("version", "")}
        for name in ("server", "client")
    }
    return {
        "name": facts.get("name", "talk"),
        "cell": cell,
        "services": services,
        "verdict": verdict,
        "why": why,
        "final": facts.get("final", True),
        "protocol": "p",
        "scenario": facts.get("scenario", ""),
        "network_environment": "here",
        "type": "functional",
        "instruments": [],
    }


def rules(text: str) -> list[tuple[Mapping[str, str], Any]]:
    """Return conditions and verdicts of a file, the last rule aside."""
    found = YAML(typ="safe", pure=True).load(text)
    assert found[-1] == {"verdict": "pass"}
    return [(each["when"], each["verdict"]) for each in found[:-1]]


def test_only_what_did_not_simply_pass_is_written_with_its_reason_above_it() -> None:
    made = expectations([case("pass", client="a"), case("fail", client="b", why="no\nanswer \x1b[1m")])
    assert rules(made.text) == [({"name": "talk", "client": "b", "server": "one"}, "fail")]
    assert "\n# no answer [1m\n- {when: {name: talk" in made.text


def test_cells_are_sorted_whatever_the_order_in_which_they_ended() -> None:
    cases = [case("fail", client=client, server=server) for client in "ba" for server in "dc"]
    assert expectations(cases).text == expectations(cases[::-1]).text
    assert [(when["client"], when["server"]) for when, _ in rules(expectations(cases).text)] == [
        ("a", "c"),
        ("a", "d"),
        ("b", "c"),
        ("b", "d"),
    ]


def test_an_expectation_is_about_one_version_of_an_implementation() -> None:
    ((when, _),) = rules(expectations([case("fail", version="1.10")]).text)
    assert (when["server.version"], when["client.version"]) == ("1.10", "1.10")


def test_cases_that_disagree_are_expected_to_disagree() -> None:
    one, other = case("pass", client="a"), case("fail", client="a")
    assert [verdicts for _, verdicts in rules(expectations([one, other]).text)] == [["fail", "pass"]]


@pytest.mark.parametrize("text", ["1.10", "yes", "a: b", "- x", "[a]*", 'say "hi"', "#1", "0x10", "null"])
def test_any_value_is_read_back_as_the_same_text(text: str) -> None:
    made = expectations([case("fail", client=text), case("pass", client="other")])
    again = expectations([case("fail", client=text), case("pass", client="other")], made.text)
    assert again.text == made.text
    ((when, _),) = rules(made.text)
    assert when["client"].replace("[[]", "[").replace("[*]", "*") == text


def test_what_is_not_claimed_needs_one_rule_however_many_cells_it_concerns() -> None:
    cases = [
        *(case("unsupported", client="a", server=each, scenario="x", why="a does not support x") for each in "pq"),
        *(case("pass", client="b", server=each, scenario="x") for each in "pq"),
        *(case("fail", client="a", server=each, scenario="y") for each in "p"),
    ]
    assert rules(expectations(cases).text) == [
        ({"name": "talk", "client": "a", "scenario": "x"}, "unsupported"),
        ({"name": "talk", "client": "a", "server": "p", "scenario": "y"}, "fail"),
    ]


def test_a_case_that_was_cancelled_shows_nothing_and_an_error_is_told() -> None:
    made = expectations([case("cancelled"), case("fail", client="a", final=False), case("error", client="b")])
    assert (made.left_out, made.errors, len(rules(made.text))) == (2, 1, 1)


def test_a_rule_that_did_not_change_keeps_its_comment() -> None:
    before = expectations([case("fail", client="a", why="first")]).text.replace("# first", "# see our notes")
    assert "# see our notes\n- {when" in expectations([case("fail", client="a", why="second")], before).text


def test_a_rule_of_ones_own_stays_if_it_is_right_about_every_case_that_it_fits() -> None:
    right = '# ours\n- when: {client: "a*"}\n  verdict: [fail, flaky]\n  reason: known\n'
    wrong = "- {when: {server: one}, verdict: fail}\n"
    useless = "- {when: {client: gone}, verdict: fail}\n"
    cases = [case("fail", client="a1"), case("fail", client="a2"), case("pass", client="b"), case("fail", client="c")]
    made = expectations(cases, wrong + right + useless + "- no rule\n")
    assert right in made.text
    assert [when["client"] for when, _ in rules(made.text)] == ["a*", "c"]


def test_a_rule_of_ones_own_may_fit_cases_that_are_unsupported_by_an_earlier_rule() -> None:
    ours = "- {when: {client: a}, verdict: fail}\n"
    cases = [case("unsupported", client="a", server=each, why="a lacks it", scenario="x") for each in "pq"]
    cases += [case("fail", client="a", server=each, scenario="y") for each in "pq"]
    made = expectations(cases, ours)
    assert [verdict for _, verdict in rules(made.text)] == ["unsupported", "fail"]
    assert expectations(cases, made.text).text == made.text


@pytest.fixture
def project(panther_project: MakeProject, monkeypatch: pytest.MonkeyPatch) -> PantherProject:
    monkeypatch.setenv("PANTHER_PLUGINS", "-")
    return panther_project({"first.yaml": MATRIX, "same.yaml": SAME}, plugins=[DummyPlugin()])


def test_a_run_with_the_file_of_an_earlier_one_reports_changes_only(project: PantherProject) -> None:
    project.run("run first.yaml --output first").assert_exit(1, "2 of 4 cases not as expected (2 fail)")
    project.run("expect --from first --output known.yaml").assert_exit(0, "2 rules in known.yaml")
    project.run("run same.yaml").assert_exit(0, "2 pass, 2 fail, all as expected")
    known = project.folder / "known.yaml"
    wrong = '- {when: {name: talk, timeout: "8s"}, verdict: fail}\n'
    known.write_text(wrong + known.read_text().replace("verdict: fail}", "verdict: error}", 1))
    project.run("run same.yaml").assert_exit(
        1, "2 of 4 cases not as expected (1 fail, 1 pass)", "(expected fail)", "(expected error)"
    )


def test_a_file_that_cannot_be_written_and_a_run_that_is_not_there_are_errors(project: PantherProject) -> None:
    project.run("run first.yaml --output first")
    project.run("expect --from first --output first.yaml/known.yaml").assert_exit(2, "cannot write")
    project.run("expect --from nowhere").assert_exit(2, "nowhere")
