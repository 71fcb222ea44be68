"""What the command line says about where to run, as the experiment would say it."""

from __future__ import annotations

from typing import Any

import pytest

from panther_core.config.overrides import put_provisioners
from panther_core.config.tree import Mark, Node, Source, plain
from panther_core.testing import MakeProject

EMPTY = Node({}, Mark(Source("e.yaml")))


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("local", {"type": "local"}),
        (
            "ssh hosts=[a,b]  labels={a: [big, x86_64]} workers=2",
            {"type": "ssh", "hosts": ["a", "b"], "labels": {"a": ["big", "x86_64"]}, "workers": "2"},
        ),
        ('container environment={A: "b c=d"}', {"type": "container", "environment": {"A": "b c=d"}}),
    ],
)
def test_keys_of_a_provisioner_are_yaml_with_or_without_spaces(said: str, meant: dict[str, Any]) -> None:
    assert plain(put_provisioners(EMPTY, [said], environ={})) == {"provisioners": [meant]}


def test_what_is_wrong_with_a_provisioner_is_told_as_it_was_said_all_at_once(panther_project: MakeProject) -> None:
    text = (
        "name: e\nnetwork_environment: localhost\ntest_cases: [{name: a, services: {a: {implementation: command}}}]\n"
    )
    project = panther_project({"e.yaml": text})
    specs = ("'local cups=1'", "' '", "'local cpus=[a'", "'local cpus'")
    outcome = project.run("run e.yaml " + " ".join(f"--provisioner {each}" for each in specs))
    outcome.assert_exit(
        2, "--provisioner 'local cpus=[a':1:3: error: not valid YAML", "--provisioner 'local cpus': error"
    )
    assert "--provisioner ' ': error: write it as NAME KEY=VALUE" in outcome.stderr
    right = project.run("plan e.yaml --provisioner 'local cups=1' --set repeat=2")
    right.assert_exit(
        2, "--provisioner 'local cups=1': error: provisioners[0].cups: unknown key", "did you mean 'cpus'"
    )
