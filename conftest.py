"""Test configuration of the whole repository."""

from __future__ import annotations

import os
from collections.abc import Generator

import pytest

pytest_plugins = ["panther_core.testing.plugin"]

LONGEST = (
    "tests/repository/test_docs.py",
    "tests/core/test_scaffold_packages.py",
    "tests/e2e/test_real_servers.py",
    "plugins/provisioner-ssh/",
    "plugins/executor-dask/",
    "tests/core/test_cli_commands.py",
    "plugins/profiler-valgrind/",
    "plugins/env-docker-compose/",
    "plugins/env-localhost-single-container/",
    "plugins/lib-containers/",
    "plugins/provisioner-container/",
    "plugins/service-quic-image/",
    "tests/e2e/",
    "plugins/service-ping-pong/",
    "plugins/env-localhost/",
    "plugins/profiler-",
    "plugins/protocol-quic/",
    "plugins/env-netns/",
    "plugins/report-",
)
"""Where tests take long, the longest first."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let what takes long begin early: where several files are tested at a time, no processor is idle at the end."""

    def place(item: pytest.Item) -> int:
        return next((place for place, start in enumerate(LONGEST) if item.nodeid.startswith(start)), len(LONGEST))

    items.sort(key=place)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Turn "skipped: needs ..." into a failure where everything is supposed to be there (PANTHER_CI=1)."""
    report = yield
    if report.skipped and os.environ.get("PANTHER_CI") and isinstance(report.longrepr, tuple):
        reason = report.longrepr[2].removeprefix("Skipped: ")
        if reason.startswith("needs "):
            report.outcome = "failed"
            report.longrepr = f"skipped although PANTHER_CI is set: {reason}"
    return report
