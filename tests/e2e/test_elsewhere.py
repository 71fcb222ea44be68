"""Whole cases on other systems: PANTHER goes there, the evidence comes here, and nothing stays there."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import attrs
import pytest

from panther_core.testing import MakeProject, Outcome
from panther_hookspecs import NoOptions, Provisioner, ProvisionerDescriptor, System, hookimpl

KILL_THE_AGENT = r"""
p=$$
until tr '\0' ' ' </proc/$p/cmdline | grep -q panther-agent; do p=$(sed -n 's/^PPid:.//p' /proc/$p/status); done
kill -9 $p
sleep 600
"""


@attrs.define
class Far(Provisioner):
    """Systems that are this machine, reached as if they were none of it."""

    folder: Path
    numbers: Iterator[int] = attrs.field(factory=itertools.count)

    def reserve(self) -> System:
        self.folder.mkdir(exist_ok=True)
        facts = {"folder": str(self.folder), "interpreter": sys.executable, "lease": "30"}
        return System(name=f"far-{next(self.numbers)}", labels=frozenset({"far"}), reach=tuple, facts=facts)

    def release(self, system: System) -> None:
        pass


@attrs.define(eq=False)
class FarPlugin:
    """Brings the provisioner ``far``."""

    folder: Path

    @hookimpl
    def panther_register_provisioners(self) -> Iterable[ProvisionerDescriptor]:
        yield ProvisionerDescriptor(
            name="far", summary="this machine", options=NoOptions, factory=lambda _: Far(self.folder)
        )


def event_names(outcome: Outcome, name: str) -> list[str]:
    """Return what the first case of that name has told, and that must be the same everywhere."""
    case = next(each["case"] for each in outcome.attempts() if each["name"] == name)
    told = [each for each in outcome.events() if case in (each["entity_id"], each["content"].get("test_case_id"))]
    return [each["name"] for each in told]


def test_cases_run_where_their_labels_are_and_their_evidence_comes_back(
    panther_project: MakeProject, tmp_path: Path
) -> None:
    experiment = """
name: spread
network_environment: localhost
provisioners: [{type: far, max_workers: 2}, local]
test_cases:
  - {name: here, labels: [local], repeat: 3, services: {one: {implementation: command, argv: [echo, here]}}}
  - {name: there, labels: [far, linux], repeat: 6, services: {one: {implementation: command, argv: [cat, "{here}/f"]}}}
  - {name: wrong, labels: [far], services: {one: {implementation: command, argv: ["false"]}}}
  - name: ping
    labels: [far]
    protocol: minip
    scenario: ping
    services: {server: {implementation: ping-pong-py}, client: {implementation: ping-pong-py}}
"""
    project = panther_project({"e.yaml": experiment, "f": "read there"}, plugins=[FarPlugin(tmp_path / "far")])
    outcome = project.run("run e.yaml")
    outcome.assert_verdicts({"here": ["pass"] * 3, "there": ["pass"] * 6, "wrong": "fail", "ping": "pass"})
    for record in outcome.attempts():
        assert record["system"].startswith("local" if record["name"] == "here" else "far")
        assert "losses" not in record
        output = outcome.run / record["folder"] / "services/one/stdout"
        if record["name"] in ("here", "there"):
            assert output.read_text().strip() == {"here": "here", "there": "read there"}[record["name"]]
    assert (outcome.folder("ping") / "services/client").is_dir()
    assert [event_names(outcome, "there")] * 3 == [event_names(outcome, name) for name in ("here", "there", "wrong")]
    assert "service.ready" in event_names(outcome, "ping")
    assert not any((tmp_path / "far").iterdir())


def test_what_was_lost_with_its_system_runs_once_more_and_says_so(panther_project: MakeProject, tmp_path: Path) -> None:
    experiment = """
name: lossy
network_environment: localhost
provisioners: [{type: far, max_workers: 1}]
test_cases:
  - {name: once, services: {one: {implementation: command, argv: [sh, "{here}/once.sh"]}}}
  - {name: twice, services: {one: {implementation: command, argv: [sh, "{here}/twice.sh"]}}}
  - {name: plain, services: {one: {implementation: command, argv: ["true"]}}}
"""
    files = {"e.yaml": experiment, "twice.sh": KILL_THE_AGENT}
    files["once.sh"] = f"mkdir {tmp_path}/once || exit 0\n{KILL_THE_AGENT}"
    project = panther_project(files, plugins=[FarPlugin(tmp_path / "far")])
    outcome = project.run("run e.yaml")
    outcome.assert_verdicts({"once": "pass", "twice": "error", "plain": "pass"})
    records = {each["name"]: each for each in outcome.attempts()}
    assert {name: len(each.get("losses", ())) for name, each in records.items()} == {"once": 1, "twice": 2, "plain": 0}
    assert len(list(outcome.attempts())) == 3
    assert "it was lost with far-" in records["twice"]["why"]
    assert not any((tmp_path / "far").iterdir())


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to mount a small disk")
def test_a_disk_that_is_full_there_is_told_and_costs_nothing_else(panther_project: MakeProject, tmp_path: Path) -> None:
    experiment = """
name: full
network_environment: localhost
provisioners: [{type: far, max_workers: 1}]
test_cases:
  - {name: before, priority: 1, repeat: 2, services: {one: {implementation: command, argv: ["true"]}}}
  - {name: big, services: {one: {implementation: command, argv: [sh, -c, "cat /dev/zero >fill"]}}}
  - {name: after, priority: -1, services: {one: {implementation: command, argv: ["true"]}}}
"""
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(("mount", "-t", "tmpfs", "-o", "size=48m", "none", str(disk)), check=True)
    try:
        outcome = panther_project({"e.yaml": experiment}, plugins=[FarPlugin(disk)]).run("run e.yaml")
        assert not list(disk.iterdir())
    finally:
        subprocess.run(("umount", str(disk)), check=True)
    outcome.assert_verdicts({"before": ["pass"] * 2, "big": "error", "after": "pass"})
    (big,) = (each for each in outcome.attempts() if each["name"] == "big")
    assert big["why"].count("it was lost with far-") == 2
    assert "is full" in big["why"]
