"""PANTHER as the console and other programs use it: plugins, settings, and one method per thing to do."""

from __future__ import annotations

import contextlib
import json
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs

from panther_core import session
from panther_core.config import ExperimentConfig, GlobalConfig, load_experiment
from panther_core.events import EventManager
from panther_core.experiment_manager import ExperimentManager, RunSettings
from panther_core.metrics import MetricsCollector
from panther_core.plan import left_out
from panther_core.plugin_manager import PluginManager
from panther_core.results import RunDirectory, find_run
from panther_core.results.directory import LOCK, RESOLVED
from panther_core.run.engine import Engine
from panther_hookspecs import ConfigurationException, Observer


@attrs.frozen(kw_only=True)
class RunOptions:
    """The options of one run, as the command line has them."""

    jobs: int = 1
    select: str = ""
    sets: Sequence[str] = ()
    provisioners: Sequence[str] = ()
    """Where to run, instead of what the experiment says, each ``name key=value ...``."""
    output: Path | None = None
    runs: Path | None = None
    """The folder with earlier runs that tell how long cases take, if not the one that the run is made in."""
    dry_run: bool = False
    locked: Path | None = None
    fail_fast: bool = False
    fast_fail: bool = True
    strict: bool = False
    only_missing: bool = False
    keep_capture: str = "always"

    def settings(self, locked: Mapping[str, Any] | None) -> RunSettings:
        """Return them as the experiment manager takes them."""
        return RunSettings(
            jobs=self.jobs,
            select=self.select,
            output=self.output,
            runs=self.runs,
            fail_fast=self.fail_fast,
            strict=self.strict,
            locked=locked,
            only_missing=self.only_missing,
            keep_capture=self.keep_capture,
        )


@attrs.frozen(kw_only=True)
class RunSummary:
    """How a run ended."""

    verdict: str
    counts: Mapping[str, int]
    run: Path | None
    unexpected: int
    interrupted: bool
    errors: tuple[str, ...]
    exit_code: int
    total: int = 0
    left_out: tuple[str, ...] = ()
    """Implementations that ``*`` did not stand for, because this machine lacks what they need."""
    changes: Mapping[str, int] = attrs.field(factory=dict)
    """The unexpected ones by verdict."""


@attrs.define
class Panther:
    """One PANTHER; there may be several in one process."""

    settings: GlobalConfig
    plugins: PluginManager

    @classmethod
    def create(
        cls,
        settings: GlobalConfig | None = None,
        *,
        block: Sequence[str] = (),
        only: Sequence[str] | None = None,
        autoload: bool = True,
        extra: Sequence[object] = (),
    ) -> Panther:
        """Load the plugins and be ready."""
        settings = settings or GlobalConfig()
        blocked = (*settings.plugins.get("block", ()), *block)
        return cls(settings, PluginManager.load(block=blocked, only=only, autoload=autoload, extra=extra))

    @property
    def runs(self) -> Path:
        """The folder that new runs are made in."""
        return Path(self.settings.paths.get("output_dir", "runs"))

    def load(self, path: Path, sets: Sequence[str] = (), provisioners: Sequence[str] = ()) -> ExperimentConfig:
        """Read an experiment file; ConfigurationException lists everything that is wrong with it."""
        return load_experiment(path, self.plugins.registry, sets=sets, provisioners=provisioners)

    def run(self, path: Path, options: RunOptions, observers: Sequence[Observer] = ()) -> RunSummary:
        """Run an experiment file from beginning to end."""
        return self._carry_out(self.load(path, options.sets, options.provisioners), options, observers)

    @contextlib.contextmanager
    def previewing(self, experiment: ExperimentConfig) -> Iterator[Engine]:
        """Give an engine to preview cases with; nothing of it is kept."""
        with tempfile.TemporaryDirectory(prefix="panther-preview-") as name, contextlib.ExitStack() as stack:
            directory = RunDirectory.create(Path(name), "preview")
            stack.callback(directory.close)
            directory.write(LOCK, '{"programs": {}}')
            here, emit = session.folder_of(experiment), EventManager().emit
            made = session.engine(directory, self.plugins, self.settings, MetricsCollector(), emit, None, here)
            yield stack.enter_context(made)

    def resume(self, run: Path, options: RunOptions, observers: Sequence[Observer] = ()) -> RunSummary:
        """Run what is missing of what a run has selected, and what did not come out as expected."""
        lock = json.loads((run / LOCK).read_text(encoding="utf-8")) if (run / LOCK).is_file() else {}
        experiment = load_experiment(run / RESOLVED, self.plugins.registry, folder=Path(lock.get("folder", run)))
        return self._carry_out(experiment, attrs.evolve(options, select=lock.get("select", "")), observers, resume=run)

    def _carry_out(
        self,
        experiment: ExperimentConfig,
        options: RunOptions,
        observers: Sequence[Observer],
        resume: Path | None = None,
    ) -> RunSummary:
        locked = self._lock(options.locked) if options.locked else None
        with ExperimentManager(
            self.settings,
            plugins=self.plugins,
            settings=options.settings(locked),
            fast_fail_enabled=options.fast_fail,
            dry_run=options.dry_run,
            resume=resume,
        ) as manager:
            for observer in observers:
                manager.add_observer(observer)
            manager.initialize_experiments(experiment)
            result = manager.run_tests()
        return RunSummary(
            verdict=result["verdict"],
            counts=result["counts"],
            run=Path(result["run"]) if result["run"] else None,
            unexpected=result["unexpected"],
            interrupted=result["interrupted"],
            errors=tuple(result["errors"]),
            exit_code=result["exit_code"],
            total=result["total"],
            left_out=left_out(experiment, self.plugins.registry),
            changes=result["changes"],
        )

    def _lock(self, path: Path) -> Mapping[str, Any]:
        """Read a lock file, or the one of a run."""
        file = path if path.is_file() else find_run(str(path), self.runs) / LOCK
        try:
            content: Mapping[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise ConfigurationException(f"cannot read the lock file {file}: {error}") from error
        return content
