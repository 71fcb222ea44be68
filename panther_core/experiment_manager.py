"""The experiment from its configuration to its results, through its five phases."""

from __future__ import annotations

import contextlib
import logging
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import attrs

from panther_core import session
from panther_core.config import ExperimentConfig, GlobalConfig
from panther_core.elsewhere import Elsewhere
from panther_core.events import EventManager
from panther_core.hooks import listed
from panther_core.metrics import MetricsCollector
from panther_core.outcome import Ending
from panther_core.plan import PlannedCase, count_cases, plan_cases
from panther_core.plugin_manager import PluginManager
from panther_core.pool.orchestrator import Orchestrator
from panther_core.pool.trouble import told
from panther_core.results import RunDirectory
from panther_core.results.directory import History
from panther_core.results.durations import Durations
from panther_core.run.engine import Engine
from panther_core.run.fastfail import FastFail
from panther_core.runner import Runner
from panther_core.tally import Tally
from panther_core.test_case import TestCase
from panther_hookspecs import (
    BaseEvent,
    ConfigurationException,
    ExperimentEvent,
    ExperimentInitializationError,
    ExperimentPhase,
    Observer,
    PantherExperimentError,
    PluginValidationError,
    RunInfo,
    TestCaseInitializationError,
)

_NO_EXPERIMENT = "no experiment was given: call initialize_experiments first"
ExperimentResult = dict[str, Any]
"""What run_tests returns: verdict, success_rate, counts, the run's folder, one entry per test case."""


@attrs.frozen(kw_only=True)
class RunSettings:
    """How to run, as opposed to what: the options of the command line."""

    jobs: int = 1
    select: str = ""
    output: Path | None = None
    runs: Path | None = None
    """The folder with earlier runs that tell how long cases take, if not the one that the run is made in."""
    fail_fast: bool = False
    strict: bool = False
    locked: Mapping[str, Any] | None = None
    """A recorded lock that this machine must match."""
    only_missing: bool = False
    """When a run is taken up again: leave alone what has failed."""
    keep_capture: str = "always"
    """When recordings of packets are kept: always, on-failure or never."""


class ExperimentManager:
    """Orchestrates one experiment. Use it as a context manager, so that it always cleans up."""

    def __init__(
        self,
        global_config: GlobalConfig,
        experiment_name: str | None = None,
        plugin_dir: Path | None = None,
        logger: logging.Logger | None = None,
        metrics_collector: MetricsCollector | None = None,
        fast_fail_enabled: bool = True,
        dry_run: bool = False,
        *,
        plugins: PluginManager | None = None,
        event_manager: EventManager | None = None,
        settings: RunSettings | None = None,
        resume: Path | None = None,
    ) -> None:
        """Load the plugins, those of ``plugin_dir`` too; with ``resume``, continue that run."""
        self.global_config = global_config
        self.name = experiment_name
        self.logger = logger or logging.getLogger("panther")
        self.metrics_collector = metrics_collector or MetricsCollector()
        self.fast_fail_enabled = fast_fail_enabled
        self.dry_run = dry_run
        self.settings = settings or RunSettings()
        self._plugins = plugins or PluginManager.load(extra=session.modules_of(plugin_dir))
        self._events = event_manager or EventManager(strict=self.settings.strict)
        self._owns_events = event_manager is None
        self._early: list[BaseEvent] = []
        """Events from before the run's own observers exist; they get them first, so that none is missing on disk."""
        self._events.subscribe("*", self._early.append, name="early events")
        self._resume = resume
        self._stack = contextlib.ExitStack()
        self._directory: RunDirectory | None = None
        self._engine: Engine | None = None
        self._orchestrator: Orchestrator[PlannedCase] | None = None
        self._elsewhere: Elsewhere | None = None
        self._experiment: ExperimentConfig | None = None
        self._tally = Tally()
        self._history: Mapping[str, History] = {}
        self._cancelled = False
        self._entered: set[ExperimentPhase] = set()

    @property
    def experiment_dir(self) -> Path:
        """The run's folder; it is made when it is first asked for, or when the tests run."""
        return self._run_directory().folder

    @property
    def test_cases(self) -> list[TestCase]:
        """The configured test cases."""
        return list(self._tally.test_cases)

    @property
    def plugin_manager(self) -> PluginManager:
        """The plugins of this experiment."""
        return self._plugins

    @property
    def event_manager(self) -> EventManager:
        """The bus that carries this experiment's events."""
        return self._events

    def add_observer(self, observer: Observer) -> None:
        """Let ``observer`` receive every event from now on."""
        self._events.add_observer(observer)

    def initialize_experiments(self, experiment_config: ExperimentConfig) -> None:
        """Take the experiment; everything that can be known to be wrong before it runs is told here."""
        self._experiment = experiment_config
        self.name = self.name or experiment_config.name
        with self._phase(ExperimentPhase.INITIALIZATION), self._phase(ExperimentPhase.PLUGIN_LOADING):
            try:
                session.check(experiment_config, self._plugins.registry)
                self._tally = Tally(tuple(self._test_case(each) for each in experiment_config.test_cases))
            except (ConfigurationException, PluginValidationError):
                raise
            except PantherExperimentError as error:
                raise TestCaseInitializationError(str(error)) from error

    def _test_case(self, config: Any) -> TestCase:
        case = TestCase(config, self.global_config, self._plugins, self._events, self.metrics_collector)
        case.experiment = self._experiment
        return case

    def planned(self) -> Iterator[PlannedCase]:
        """Yield the cases that the experiment consists of, in their order, without starting anything."""
        return plan_cases(self._configured(), self._plugins.registry, select=self.settings.select)

    def run_tests(self) -> ExperimentResult:
        """Run every case; return verdict, counts and where the evidence is."""
        experiment = self._experiment
        if experiment is None:
            return self._result(total=0, error=ExperimentInitializationError(_NO_EXPERIMENT))
        if self.dry_run:
            return self._result(total=sum(1 for _ in self.planned()))
        total = count_cases(experiment) if not self.settings.select else sum(1 for _ in self.planned())
        if not total:
            what = f"--select {self.settings.select!r}" if self.settings.select else "the matrix of the experiment"
            return self._result(total=0, error=ConfigurationException(f"no case matches {what}"))
        error: PantherExperimentError | None = None
        try:
            with self._phase(ExperimentPhase.SERVICE_SETUP):
                self._set_up(experiment)
                runner, pool = self._pool(experiment)
            with self._phase(
                ExperimentPhase.TEST_EXECUTION,
                total=total,
                done=sum(map(self._is_settled, self._history.values())),
                jobs=pool.workers if experiment.provisioners else self.settings.jobs,
                run=str(self.experiment_dir),
                foreseen=session.foreseen(self.planned(), self._is_over, runner.durations, total),
            ):
                self._execute(runner, pool)
        except KeyboardInterrupt:
            self._cancelled = True
        except PantherExperimentError as stopped:
            error = stopped
        self._tally.finish(cancelled=self._cancelled)
        return self._result(total=total, error=error)

    def cancel(self) -> None:
        """Stop from any thread: nothing new starts, what runs is ended and recorded as cancelled."""
        self._cancelled = True
        if self._orchestrator is not None:
            self._orchestrator.stop()
        if self._engine is not None:
            self._engine.cancel()
        if self._elsewhere is not None:
            self._elsewhere.cancel()

    def cleanup(self) -> None:
        """End everything that this experiment has started and write what is still held. May be called twice."""
        if ExperimentPhase.CLEANUP in self._entered:
            return
        with self._phase(ExperimentPhase.CLEANUP):
            self._stack.close()
        if self._owns_events:
            self._events.close()

    def __enter__(self) -> Self:
        """Enter the experiment."""
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc_val: BaseException | None, exc_tb: TracebackType | None
    ) -> bool | None:
        """Clean up; an exception goes on."""
        self.cleanup()
        return None

    def _set_up(self, experiment: ExperimentConfig) -> None:
        directory = self._run_directory()
        self._history = directory.history() if self._resume else {}
        session.write_inputs(directory, experiment, self._plugins, self.settings.locked, self.settings.select)
        for observer in session.observers(experiment, self._plugins.registry, directory, self.metrics_collector):
            self._events.add_observer(observer, missed=tuple(self._early))
            if not self._owns_events:
                self._stack.callback(observer.close)
        self._events.unsubscribe("*", self._early.append)
        self._early.clear()
        listener = self._plugins.hooks.event_listener()
        if listener is not None:
            self._events.subscribe("*", listener, name="panther_on_event")
        self._engine = self._stack.enter_context(
            session.engine(
                directory,
                self._plugins,
                self.global_config,
                self.metrics_collector,
                self._events.emit,
                self.settings.locked,
                session.folder_of(experiment),
                keep_capture=self.settings.keep_capture,
                turns=math.inf if experiment.provisioners else max(1, self.settings.jobs),
            )
        )

    def _is_over(self, case_id: str) -> bool:
        history = self._history.get(case_id)
        return history is not None and self._is_settled(history)

    def _pool(self, experiment: ExperimentConfig) -> tuple[Runner, Orchestrator[PlannedCase]]:
        directory, here = self._run_directory(), session.folder_of(experiment)
        durations = Durations.load(self.settings.runs or directory.folder.parent, into=directory.folder.parent)
        self._stack.callback(durations.save)
        elsewhere = self._elsewhere = Elsewhere(directory, here, self._plugins.registry, self.settings.keep_capture)
        assert self._engine is not None  # made when the services were set up, which comes first
        runner = Runner(
            engine=self._engine,
            tally=self._tally,
            durations=durations,
            fast_fail=FastFail(enabled=self.fast_fail_enabled),
            history=self._history,
            is_settled=self._is_settled,
            unexpected=self._on_unexpected,
            elsewhere=elsewhere,
        )
        self._orchestrator = session.orchestrator(
            runner, experiment, self._plugins, self.settings.jobs, self._stack, ahead=not self.settings.fail_fast
        )
        return runner, self._orchestrator

    def _execute(self, runner: Runner, orchestrator: Orchestrator[PlannedCase]) -> None:
        try:
            orchestrator.run(runner.works(self.planned()))
        except KeyboardInterrupt:
            self.cancel()
            orchestrator.wait()
            raise
        session.refuse_unplaced(orchestrator)

    def _is_settled(self, history: History) -> bool:
        """Return whether a case of a run that is taken up again stays as it is."""
        return history.final is not None and (self.settings.only_missing or bool(history.final["as_expected"]))

    def _on_unexpected(self) -> None:
        if self.settings.fail_fast and self._orchestrator is not None:
            self._orchestrator.stop()

    def _result(self, *, total: int, error: PantherExperimentError | None = None) -> ExperimentResult:
        systems = told(self._orchestrator.failures) if self._orchestrator else ()
        failures = (*listed(self._plugins.hooks.failures), *map(str, self._events.errors), *systems)
        ending = Ending(
            tally=self._tally,
            total=total,
            dry_run=self.dry_run,
            cancelled=self._cancelled,
            error=error,
            failures=failures,
            strict=self.settings.strict,
        )
        run = str(self._directory.folder) if self._directory else None
        return {**ending.result(), "run": run, "metrics": self.metrics_collector.get_metrics()}

    @contextlib.contextmanager
    def _phase(self, phase: ExperimentPhase, **metadata: object) -> Iterator[None]:
        """Enter a phase: tell plugins and observers when it begins, ends and fails."""
        info = RunInfo(
            run_id=self._directory.run_id if self._directory else "",
            name=self.name or "",
            folder=self._directory.folder if self._directory else None,
        )
        hooks, self._entered = self._plugins.hooks, self._entered | {phase}
        self._emit_phase(phase, "started", metadata)
        try:
            hooks.before_phase(info, phase)
            yield
        except BaseException as error:
            hooks.on_phase_error(info, phase, error)
            self._emit_phase(phase, "failed", {"error": str(error)})
            raise
        else:
            self._emit_phase(phase, "finished", {**metadata, "counts": self._tally.counts})
        finally:
            hooks.after_phase(info, phase)

    def _emit_phase(self, phase: ExperimentPhase, status: str, metadata: Mapping[str, object]) -> None:
        self._events.emit(
            ExperimentEvent(experiment_id=self.name or "", phase=phase.value, status=status, metadata=metadata)
        )

    def _configured(self) -> ExperimentConfig:
        if self._experiment is None:
            raise ExperimentInitializationError(_NO_EXPERIMENT)
        return self._experiment

    def _run_directory(self) -> RunDirectory:
        if self._directory is None:
            if self.dry_run:
                raise ExperimentInitializationError("a dry run has no folder")
            base = Path(self.global_config.paths.get("output_dir", "runs"))
            self._directory = (
                RunDirectory.open(self._resume)
                if self._resume
                else RunDirectory.create(base, self.name or "experiment", at=self.settings.output)
            )
            self._stack.callback(self._directory.close)
        return self._directory
