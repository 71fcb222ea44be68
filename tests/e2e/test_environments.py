"""The same experiment with one word changed: every network environment comes to the same verdicts."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from panther_core.testing import MakeProject

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"
EVERYTHING = "PANTHER_TEST_VARIANTS"
Verdicts = Mapping[tuple[str, str, int], str]


def _require(environment: str) -> None:
    if environment == "netns":
        if not (shutil.which("ip") and shutil.which("unshare")):
            pytest.skip("needs ip and unshare")
    elif (
        shutil.which("docker") is None
        or subprocess.run(["docker", "info"], capture_output=True, check=False).returncode
    ):
        pytest.skip("needs docker: an engine that answers (bash .ci/dockerd start FOLDER)")


def _verdicts(make: MakeProject, example: str, environment: str) -> Verdicts:
    text = (EXAMPLES / example).read_text()
    assert "network_environment: localhost\n" in text
    project = make({example: text.replace("network_environment: localhost\n", f"network_environment: {environment}\n")})
    outcome = project.run(f"run {example}", timeout=280)
    outcome.assert_ok()
    found = {(each["name"], json.dumps(each["cell"]), each["repetition"]): each["verdict"] for each in outcome.cases()}
    assert len(found) == len(outcome.cases())
    return found


@pytest.fixture(scope="module")
def known() -> dict[str, Verdicts]:
    """Keep the verdicts of localhost, which every other environment is compared with."""
    return {}


@pytest.mark.timeout(900)  # containers for 48 cases, on a machine that may be busy
@pytest.mark.parametrize("example", ["quickstart.yaml", "variants.yaml"])
@pytest.mark.parametrize("environment", ["netns", "docker_compose", "localhost_single_container"])
def test_the_verdicts_are_those_of_localhost(
    panther_project: MakeProject, known: dict[str, Verdicts], example: str, environment: str
) -> None:
    _require(environment)
    if example == "variants.yaml" and environment == "docker_compose" and EVERYTHING not in os.environ:
        pytest.skip(f"only where {EVERYTHING}=1 asks for it: localhost_single_container shows containers the same")
    if shutil.which("cc") is None:
        pytest.skip("needs cc")
    if example not in known:
        known[example] = _verdicts(panther_project, example, "localhost")
    assert _verdicts(panther_project, example, environment) == known[example]
