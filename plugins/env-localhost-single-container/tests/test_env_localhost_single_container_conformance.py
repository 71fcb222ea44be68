"""The environment keeps what every network environment must keep."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from panther_core.testing.conformance import NetworkEnvironmentConformance


@pytest.fixture(autouse=True)
def _engine() -> None:
    if (
        shutil.which("docker") is None
        or subprocess.run(["docker", "info"], capture_output=True, check=False).returncode
    ):
        pytest.skip("needs docker: an engine that answers (bash .ci/dockerd start FOLDER)")


class TestSingleContainer(NetworkEnvironmentConformance):
    plugin = "panther_env_localhost_single_container.plugin"
