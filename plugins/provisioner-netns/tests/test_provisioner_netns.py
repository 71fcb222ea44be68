"""Each system has a network of its own, and nothing of it stays."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from panther_provisioner_netns.plugin import Namespaces, NetnsOptions, enter_new_namespace

from panther_core.testing import MakeProject
from panther_core.testing.conformance import ProvisionerConformance

EXPERIMENT = f"""
name: ports
network_environment: localhost
provisioners: [{{type: netns, max_workers: 2, interpreter: {sys.executable}}}]
test_cases:
  - name: inside
    labels: [netns]
    repeat: 2
    services: {{one: {{implementation: command, argv: [ip, -o, link]}}}}
"""


def _works(argv: Sequence[str]) -> bool:
    return subprocess.run(argv, capture_output=True, check=False).returncode == 0


needs_namespaces = pytest.mark.skipif(
    not _works(enter_new_namespace(("true",))), reason="needs the right to make network namespaces"
)


class TestNetns(ProvisionerConformance):
    plugin = "panther_provisioner_netns.plugin"
    systems = 2


@needs_namespaces
def test_cases_see_a_loopback_and_nothing_else(panther_project: MakeProject) -> None:
    outcome = panther_project({"e.yaml": EXPERIMENT}).run("run e.yaml", subprocess=True)
    outcome.assert_verdicts({"inside": ["pass", "pass"]})
    for record in outcome.attempts():
        links = (outcome.run / record["folder"] / "services/one/stdout").read_text().splitlines()
        assert [line.split(": ")[1] for line in links] == ["lo"]
        assert "UP" in links[0]


@needs_namespaces
def test_two_systems_have_two_networks() -> None:
    pool = Namespaces(NetnsOptions())
    ways = [pool.reserve().reach for _ in range(2)]
    seen = {
        subprocess.run(way(("readlink", "/proc/self/ns/net")), capture_output=True, text=True, check=True).stdout
        for way in ways
        if way is not None
    }
    assert len(seen | {str(Path("/proc/self/ns/net").readlink()) + "\n"}) == 3
