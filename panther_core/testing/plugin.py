"""Fixtures for pytest. Use them with ``pytest_plugins = ["panther_core.testing.plugin"]`` in a test module."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

import pytest

from panther_core.testing.context import RecordingContext, recording_context
from panther_core.testing.project import MakeProject, PantherProject


@pytest.fixture
def panther_project(tmp_path: Path) -> MakeProject:
    """Make projects: ``panther_project({"exp.yaml": text}, plugins=[...]).run("run exp.yaml")``."""
    made = 0

    def make(files: Mapping[str, str | bytes], *, plugins: Sequence[object] = ()) -> PantherProject:
        nonlocal made
        made += 1
        return PantherProject.create(tmp_path / f"project-{made}", files, plugins=plugins)

    return make


@pytest.fixture
def panther_context(tmp_path: Path) -> Iterator[Callable[[str], RecordingContext]]:
    """Make contexts with a real launcher, each with a folder of the name it is given."""
    with ExitStack() as stack:
        yield lambda name: stack.enter_context(recording_context(tmp_path / name))
