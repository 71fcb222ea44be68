"""For the tests of implementations: run one with itself or with another, and see that what it claims holds."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

_CASE = "  - {{name: {scenario}, scenario: {scenario}, parameters: {parameters}{more}}}\n"
_TRIES = ", timeout: 30s, retry_count: {retries}, expect: [pass, flaky]"
_SMALL = {"transfer": "{files: [300KiB, 20KiB]}", "chacha20": "{files: [20KiB]}", "multiplexing": "{count: 250}"}
_EXPERIMENT = """name: together
protocol: quic
network_environment: netns
services: {{server: {{implementation: {server}}}, client: {{implementation: {client}}}}}
test_cases:
{cases}"""


def build_cache() -> Path:
    """Return where caches of the user are."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")


def prove_with_itself(make_project: Any, implementation: str, scenarios: Sequence[str], *, builds: str = "") -> None:
    """Show that an implementation in both roles passes every one of ``scenarios``.

    ``builds`` is how long its building takes, as "minutes", if that is too long for a test: it must have been built.
    """
    outcome = run_together(make_project, implementation, implementation, scenarios, builds=builds)
    outcome.assert_ok()
    outcome.assert_verdicts(dict.fromkeys(scenarios, "pass"))


def run_together(
    make_project: Any, server: str, client: str, scenarios: Iterable[str], *, tries: int = 1, builds: str = ""
) -> Any:
    """Return the outcome of a client and a server, small files in every scenario.

    ``tries`` are more than one for an implementation of which it is known that it fails now and then.
    ``make_project`` is the fixture ``panther_project``. What has to be built is built in the cache of the user, as a
    test that builds for minutes is not run twice. They talk where packets are recorded, or most could not be judged.
    """
    import pytest  # noqa: PLC0415 - only tests have it

    if os.geteuid() != 0:
        pytest.skip("needs root")
    more = _TRIES.format(retries=tries - 1) if tries > 1 else ""
    cases = "".join(_CASE.format(scenario=each, parameters=_SMALL.get(each, "{}"), more=more) for each in scenarios)
    project = make_project({"together.yaml": _EXPERIMENT.format(server=server, client=client, cases=cases)})
    environ = {"XDG_CACHE_HOME": str(build_cache())}
    if builds and (missing := _unbuilt(project.run("plan together.yaml --commands", environ=environ).stdout)):
        pytest.skip(f"only where {', '.join(missing)} has been built, which takes {builds}")
    return project.run("run together.yaml", environ=environ)


def _unbuilt(commands: str) -> list[str]:
    """Return the builds that commands use and that are not there yet."""
    folders = set(re.findall(r"\S+/panther/builds/[^/\s]+", commands))
    return sorted(Path(each).name.rpartition("-")[0] for each in folders if not Path(each, ".complete").exists())
