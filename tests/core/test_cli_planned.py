"""What the command line says about where to run, as the experiment would say it."""

from __future__ import annotations

import argparse

import pytest

from panther_core.cli.planned import overrides
from panther_hookspecs import ConfigurationException


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("local", "{type: local}"),
        (
            "ssh hosts=[a,b]  labels={a: [big, x86_64]} workers=2",
            "{type: ssh, hosts: [a,b], labels: {a: [big, x86_64]}, workers: 2}",
        ),
        ('container environment={A: "b c=d"} memory=5', '{type: container, environment: {A: "b c=d"}, memory: 5}'),
    ],
)
def test_keys_of_a_provisioner_are_yaml_with_or_without_spaces(said: str, meant: str) -> None:
    assert overrides(argparse.Namespace(sets=[], provisioners=[said])) == [f"provisioners=[{meant}]"]


def test_an_empty_provisioner_is_refused() -> None:
    with pytest.raises(ConfigurationException, match="it is empty"):
        overrides(argparse.Namespace(sets=[], provisioners=[" "]))
