"""What every observer, report and command must keep."""

from __future__ import annotations

import argparse
import contextlib
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import attrs
import pytest

from panther_core.results import DirectoryView
from panther_core.testing.conformance.base import PluginConformance
from panther_core.testing.conformance.sample import sample_run
from panther_core.testing.context import RecordedMetrics
from panther_hookspecs import (
    BaseEvent,
    CommandContext,
    CommandDescriptor,
    EnvironmentSetupEvent,
    EnvironmentTeardownEvent,
    ExperimentEvent,
    MetricsCollectionEvent,
    Observer,
    ObserverContext,
    ObserverDescriptor,
    PantherExperimentError,
    ReportDescriptor,
    RunView,
    ServiceEvent,
    ServiceReadyEvent,
    TestEvent,
)


def sample_events() -> list[BaseEvent]:
    """Return the events of a small run, one of a kind that nobody knows and odd texts included."""
    return [
        ExperimentEvent(experiment_id="run", phase="initialization", status="started"),
        TestEvent(
            test_case_id="case", action="started", metadata={"name": "a \u65e5\u672c \x1b[31m", "folder": Path("/x")}
        ),
        EnvironmentSetupEvent(environment_name="dummy", setup_type="dummy"),
        ServiceReadyEvent(service_name="server", environment_name="dummy"),
        ServiceEvent(service_name="client", operation="exited", exit_code=0, metadata={"nested": {"list": [1, 2]}}),
        MetricsCollectionEvent(environment_name="dummy", metrics_count=3),
        BaseEvent(entity_type="plugin", entity_id="mine", event_type="mine.happened"),
        EnvironmentTeardownEvent(environment_name="dummy", leftovers=("something",)),
        TestEvent(test_case_id="case", action="completed", status="pass", duration_ms=12),
        ExperimentEvent(experiment_id="run", phase="cleanup", status="completed"),
    ]


class ObserverConformance(PluginConformance):
    """Subclass this and name the plugin."""

    descriptor_class = ObserverDescriptor

    @pytest.fixture
    def make(self, tmp_path: Path) -> Callable[[str], Observer]:
        """Make observers, each of a run folder of its own."""
        descriptor = self.found(ObserverDescriptor)
        self.require(descriptor)

        def made(name: str) -> Observer:
            folder = tmp_path / name
            folder.mkdir()
            return descriptor.factory(
                ObserverContext(run_folder=folder, options=self.made_options(), metrics=RecordedMetrics())
            )

        return made

    def show(self, observer: Observer) -> None:
        """Show the observer the events of a small run as the engine does, and close it."""
        for event in sample_events():
            if observer.is_interested(event.name):
                observer.handle_event(event)
        observer.close()

    def test_it_takes_every_event(self, make: Callable[[str], Observer]) -> None:
        """No event of a run makes it raise, not even one of an unknown kind."""
        self.show(make("run"))

    def test_interest_depends_on_the_name_alone(self, make: Callable[[str], Observer]) -> None:
        """The question is asked once for each name, so the answer must not change."""
        observer = make("run")
        before = [observer.is_interested(event.name) for event in sample_events()]
        assert all(isinstance(answer, bool) for answer in before), f"is_interested gave {before}"
        self.show(observer)
        assert [observer.is_interested(event.name) for event in sample_events()] == before, "the interest has changed"

    def test_a_run_without_events(self, make: Callable[[str], Observer]) -> None:
        """Closing works when nothing happened, and twice."""
        observer = make("run")
        observer.close()
        observer.close()

    def test_it_writes_into_the_run_only(self, make: Callable[[str], Observer], tmp_path: Path) -> None:
        """Nothing appears where the user stands."""
        here = tmp_path / "here"
        here.mkdir()
        with contextlib.chdir(here):
            self.show(make("run"))
        assert list(here.iterdir()) == [], f"it wrote {list(here.iterdir())}"

    def test_two_runs_are_kept_apart(self, make: Callable[[str], Observer], tmp_path: Path) -> None:
        """An observer of a second run in the same process starts anew."""
        for name in ("first", "second"):
            self.show(make(name))
        first, second = (sorted(_content(tmp_path / name)) for name in ("first", "second"))
        assert first == second, f"the first run has {first}, the second {second}"


class ReportConformance(PluginConformance):
    """Subclass this and name the plugin."""

    descriptor_class = ReportDescriptor

    def write(self, run: RunView, target: Path) -> bytes:
        """Write the report about ``run`` and return its content."""
        descriptor = self.found(ReportDescriptor)
        self.require(descriptor)
        descriptor.write(run, target, self.made_options())
        assert target.is_file(), f"the report {descriptor.name} did not write {target.name}"
        return target.read_bytes()

    def test_its_file_name_is_one(self) -> None:
        """The default file name has no folder in it."""
        filename = self.found(ReportDescriptor).filename
        assert filename == Path(filename).name != "", f"{filename!r} is no file name"

    def test_every_verdict_is_reported(self, tmp_path: Path) -> None:
        """A run with a case of each verdict and odd texts gives a file that is not empty."""
        assert self.write(sample_run(tmp_path / "run"), tmp_path / "report").strip(), "the report is empty"

    def test_an_empty_run_is_reported(self, tmp_path: Path) -> None:
        """A run that ended before its first case is no reason to fail."""
        self.write(sample_run(tmp_path / "run", empty=True), tmp_path / "report")

    def test_a_run_without_its_lock_and_events_is_reported(self, tmp_path: Path) -> None:
        """Results alone are enough: the rest may be missing after a crash."""
        run = sample_run(tmp_path / "run")
        for name in ("panther.lock.json", "events.jsonl"):
            (run.folder / name).unlink()
        self.write(run, tmp_path / "report")

    def test_the_same_run_gives_the_same_report(self, tmp_path: Path) -> None:
        """A report is made from the run alone: not from the clock, not from where it is written."""
        run = sample_run(tmp_path / "run")
        (tmp_path / "elsewhere").mkdir()
        first, again = (self.write(run, tmp_path / name) for name in ("report", "elsewhere/again"))
        assert first == again, "two reports about one run differ"

    def test_the_run_is_left_as_it_was(self, tmp_path: Path) -> None:
        """Writing a report changes nothing in the run directory, and leaves nothing where the user stands."""
        run = sample_run(tmp_path / "run")
        before = _content(run.folder)
        (tmp_path / "here").mkdir()
        with contextlib.chdir(tmp_path / "here"):
            self.write(run, tmp_path / "report")
        assert _content(run.folder) == before, "the run directory was changed"
        assert _content(tmp_path / "here") == {}, "files were written where the user stands"

    def test_an_older_report_is_replaced(self, tmp_path: Path) -> None:
        """Writing over an existing file gives the same as writing a new one."""
        run = sample_run(tmp_path / "run")
        (tmp_path / "old").write_bytes(b"x" * 1_000_000)
        replaced, new = (self.write(run, tmp_path / name) for name in ("old", "new"))
        assert replaced == new, "something of the older file is left"


@attrs.define
class RecordingCommandContext(CommandContext):
    """Keeps what a command says, and opens the runs below a folder."""

    runs: Path
    said: list[str] = attrs.field(factory=list)

    def say(self, text: str) -> None:
        """Keep a line."""
        self.said.append(text)

    def open_run(self, name: str) -> RunView:
        """Return the sample run called ``name``, whose name may be ``last``."""
        if not (self.runs / name).is_dir():
            raise PantherExperimentError(f"no run {name!r} in {self.runs}")
        return DirectoryView(self.runs / name)


class CommandConformance(PluginConformance):
    """Subclass this, name the plugin, and give arguments that work on a sample run called ``last``."""

    descriptor_class = CommandDescriptor
    arguments: ClassVar[tuple[str, ...]] = ()
    """Arguments of a call that ends with exit code 0."""

    def parser(self) -> argparse.ArgumentParser:
        """Return the parser of the command."""
        descriptor = self.found(CommandDescriptor)
        parser = argparse.ArgumentParser(prog=f"panther {descriptor.name}", exit_on_error=False)
        descriptor.configure(parser)
        return parser

    @pytest.fixture
    def context(self, tmp_path: Path) -> RecordingCommandContext:
        """Give what the command is handed."""
        self.require(self.found(CommandDescriptor))
        sample_run(tmp_path / "runs" / "last")
        return RecordingCommandContext(tmp_path / "runs")

    def test_every_argument_is_explained(self) -> None:
        """``--help`` can be made, and says something about each argument."""
        parser = self.parser()
        parser.format_help()
        unexplained = [action.dest for action in parser._actions if not action.help]  # noqa: SLF001 - argparse offers no other way
        assert not unexplained, f"no help text for the arguments {unexplained}"

    def test_it_works_with_its_arguments(self, context: RecordingCommandContext) -> None:
        """The call ends with exit code 0, and speaks through the context alone."""
        arguments = self.parser().parse_args(list(self.arguments))
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            code = self.found(CommandDescriptor).run(arguments, context)
        assert code == 0, f"{self.arguments} ended with {code!r}: {context.said}"
        assert not printed.getvalue(), "the command prints; it should use context.say"

    def test_it_leaves_nothing_where_the_user_stands(self, context: RecordingCommandContext, tmp_path: Path) -> None:
        """Files appear only where the user asked for them."""
        here = tmp_path / "here"
        here.mkdir()
        with contextlib.chdir(here):
            self.found(CommandDescriptor).run(self.parser().parse_args(list(self.arguments)), context)
        assert list(here.iterdir()) == [], f"it wrote {list(here.iterdir())}"


def _content(folder: Path) -> dict[str, Any]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}
