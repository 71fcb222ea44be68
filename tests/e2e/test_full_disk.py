"""A disk that fills up ends the run with a clear error, and loses nothing that was recorded."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from panther_core.results import DirectoryView
from panther_core.testing import MakeProject

MANY = """
name: many
network_environment: localhost
test_cases:
  - {name: t, repeat: 300, services: {one: {implementation: command, argv: ["true"]}}}
"""


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    if os.geteuid() != 0:
        pytest.skip("needs root, to mount a small file system")
    disk = tmp_path / "small"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=600k", "tmpfs", disk], check=False)
    if mounted.returncode:
        pytest.skip("needs the right to mount a file system")
    yield disk
    subprocess.run(["umount", disk], check=True)


def test_a_full_disk_ends_the_run_and_what_was_recorded_is_kept(panther_project: MakeProject, small_disk: Path) -> None:
    outcome = panther_project({"e.yaml": MANY}).run("run e.yaml --jobs 2 --output", str(small_disk / "run"))
    outcome.assert_exit(3, "No space left on device", "panther resume")
    recorded = list(DirectoryView(small_disk / "run").cases())
    assert 0 < len(recorded) < 300
    assert {each["verdict"] for each in recorded} <= {"pass", "error"}
