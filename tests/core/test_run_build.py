"""What is built, what is found built, and what a build that fails leaves."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import attrs
import pytest

from panther_core.process import LocalCommandProcessor, Supervisor
from panther_core.run.build import BuildCache, BuildError
from panther_hookspecs import BaseEvent, BuildEvent, ServicePlan, ShellCommand


@attrs.frozen
class Builds:
    """A cache of builds, and sources in a folder of any name."""

    place: Path
    commands: LocalCommandProcessor
    events: list[BaseEvent] = attrs.field(factory=list)

    def cache(self) -> BuildCache:
        return BuildCache(self.place / "cache", self.commands, self.place / "evidence", self.events.append)

    def plan(self, folder: str, text: str = "hello") -> ServicePlan:
        source = self.place / folder / "program"
        source.mkdir(parents=True, exist_ok=True)
        (source / "main.txt").write_text(text, encoding="utf-8")
        copied = ShellCommand("cp", ("-r", str(source), "{build}/program"))
        return ServicePlan(run=ShellCommand("true"), compile=(copied,), build_inputs=(source,))


@pytest.fixture
def builds(tmp_path: Path) -> Iterator[Builds]:
    with Supervisor.start(run_id="test-builds", output_limit=1 << 20) as started:
        yield Builds(tmp_path, started.commands)


def test_the_same_sources_in_another_checkout_are_not_built_again(builds: Builds) -> None:
    built = builds.cache().ready("tool", builds.plan("here"))
    assert built is not None
    assert [(each.what, each.status) for each in builds.events if isinstance(each, BuildEvent)] == [
        ("building tool", "started"),
        ("building tool", "finished"),
    ]
    (built / "witness").touch()
    assert builds.cache().ready("tool", builds.plan("there")) == built
    assert (built / "witness").exists()
    assert len(builds.events) == 2, "what is there is not announced"


def test_changed_sources_are_built_beside_what_was_there(builds: Builds) -> None:
    first = builds.cache().ready("tool", builds.plan("here"))
    second = builds.cache().ready("tool", builds.plan("here", "changed"))
    assert first is not None
    assert second is not None
    assert first != second
    assert (first / "program/main.txt").read_text() == "hello"
    assert (second / "program/main.txt").read_text() == "changed"


def test_a_failed_build_tells_the_last_lines_and_is_not_tried_for_each_case(builds: Builds) -> None:
    plan = attrs.evolve(builds.plan("here"), compile=(ShellCommand("cat", ("no-such-source",)),))
    cache = builds.cache()
    with pytest.raises(BuildError, match="no-such-source: No such file") as first:
        cache.ready("tool", plan)
    (key,) = (each.name for each in builds.place.joinpath("evidence").iterdir())
    assert str(builds.place / "evidence" / key) in str(first.value)
    (builds.place / "cache" / key / "again").touch()
    with pytest.raises(BuildError):
        cache.ready("tool", plan)
    assert (builds.place / "cache" / key / "again").exists()
