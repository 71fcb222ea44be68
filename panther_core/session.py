"""What a run is made of: its inputs on disk, its observers, its engine."""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import io
import json
import math
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs

from panther_core.cache import cache_folder
from panther_core.config import ExperimentConfig, GlobalConfig
from panther_core.metrics import MetricsCollector
from panther_core.needs import require
from panther_core.plan import PlannedCase, chosen_observers, chosen_provisioners
from panther_core.plugin_manager import PluginManager
from panther_core.pool.orchestrator import Orchestrator
from panther_core.pool.slots import LocalSlots
from panther_core.process import Supervisor
from panther_core.registry import Registry
from panther_core.results import RunDirectory
from panther_core.results.directory import AS_WRITTEN, LOCK, RESOLVED
from panther_core.results.durations import Durations
from panther_core.results.provenance import Programs, differences, lock_of
from panther_core.run.build import BuildCache
from panther_core.run.engine import Engine
from panther_core.run.foresight import refuse_mistakes
from panther_core.run.turns import Turns
from panther_core.runner import Runner
from panther_hookspecs import (
    BaseEvent,
    EnvironmentUnavailableError,
    LinkDescriptor,
    Observer,
    ObserverContext,
    PluginValidationError,
    Provisioner,
    ProvisionerDescriptor,
    RunInfo,
    System,
    TestExecutionError,
)

DEFAULT_PORTS = (20000, 29999)
"""Below the range from which the kernel gives out ports by itself."""
MOST_FORESEEN = 5000
"""Cases up to which it is worth planning all of them at the beginning to tell how long they will take."""


def modules_of(folder: Path | None) -> Sequence[object]:
    """Import every Python file of a folder, to be added as plugins that are not installed."""
    if folder is None:
        return ()
    if not folder.is_dir():
        raise PluginValidationError(f"the plugin folder {folder} does not exist")
    found: list[object] = []
    for path in sorted(folder.glob("*.py")):
        spec = importlib.util.spec_from_file_location(f"panther_local_{path.stem}", path)
        if spec is None or spec.loader is None:
            continue
        module = importlib.util.module_from_spec(spec)
        sys.modules[spec.name] = module  # options classes resolve their annotations through it
        try:
            spec.loader.exec_module(module)
        except Exception as error:
            del sys.modules[spec.name]
            raise PluginValidationError(
                f"the plugin {path} cannot be imported: {type(error).__name__}: {error}"
            ) from error
        found.append(module)
    return found


def check(experiment: ExperimentConfig, registry: Registry) -> None:
    """Refuse an experiment for all that can be known to be wrong with it before anything starts."""
    experiment.validate(registry)
    refuse_mistakes(experiment, registry)


def write_inputs(
    directory: RunDirectory,
    experiment: ExperimentConfig,
    plugins: PluginManager,
    locked: Mapping[str, Any] | None,
    select: str,
) -> None:
    """Write the experiment as written and as understood, and the lock; refuse what a given lock excludes."""
    resolved = _as_yaml(experiment.resolved(plugins.registry))
    digest = hashlib.sha256(resolved.encode()).hexdigest()
    lock = lock_of(plugins.plugins, seed=experiment.seed, experiment_hash=digest) | {
        "folder": str(folder_of(experiment)),
        "select": select,
    }
    if locked is not None:
        changed = differences(locked, lock)
        if changed:
            more = f" (and {len(changed) - 2} more)" if len(changed) > 2 else ""  # noqa: PLR2004 - four lines in all
            raise EnvironmentUnavailableError(
                "this is not what the lock file recorded:\n  " + "\n  ".join(changed[:2]) + more
            )
    if (directory.folder / RESOLVED).exists():
        return
    directory.write(AS_WRITTEN, "\n".join(experiment.tree.mark.source.lines) + "\n" if experiment.tree else resolved)
    directory.write(LOCK, json.dumps(lock, indent=1))
    directory.write(RESOLVED, resolved)


def folder_of(experiment: ExperimentConfig) -> Path:
    """Return the folder that relative paths of the experiment count from: that of its file."""
    known = experiment.tree.mark.source.folder if experiment.tree else None
    return (known or Path()).absolute()


def _as_yaml(content: Mapping[str, Any]) -> str:
    """Return plain data as YAML that loads as the same experiment."""
    from ruamel.yaml import YAML  # noqa: PLC0415 - only a run writes YAML

    yaml = YAML(typ="safe", pure=True)
    yaml.default_flow_style = False
    yaml.sort_base_mapping_type_on_output = False  # type: ignore[assignment]
    stream = io.StringIO()
    yaml.dump(content, stream)
    return stream.getvalue()


def observers(
    experiment: ExperimentConfig, registry: Registry, directory: RunDirectory, metrics: MetricsCollector
) -> Iterator[Observer]:
    """Make the observers of the run: those that always take part, and those that the experiment names."""
    for descriptor, options in chosen_observers(experiment, registry):
        yield descriptor.factory(ObserverContext(run_folder=directory.folder, options=options, metrics=metrics))


@attrs.frozen(eq=False)
class Unusable(Provisioner):
    """Stands for a provisioner for which this machine lacks something: the others of the run may do without it."""

    error: EnvironmentUnavailableError

    def reserve(self) -> System:
        """Say what is missing."""
        raise self.error

    def release(self, system: System) -> None:
        """Take nothing back: nothing was given."""


def supply(
    experiment: ExperimentConfig, registry: Registry, jobs: int
) -> Iterator[tuple[ProvisionerDescriptor, Provisioner, int]]:
    """Make what the experiment names to supply systems, each with its most workers, in runs as in predictions."""
    for descriptor, options, workers in chosen_provisioners(experiment, registry):
        made = descriptor.factory(options)
        yield descriptor, made, workers or made.most() or max(1, jobs)


def provisioners(
    experiment: ExperimentConfig, registry: Registry, jobs: int, *, ahead: bool
) -> Iterator[tuple[Provisioner, int]]:
    """Make what supplies systems, each with its most workers: what the experiment names, or slots of this machine.

    With ``ahead`` this machine has twice as many workers as jobs, so that networks are made and evidence is judged
    while the programs of other cases run. A single job has nothing beside it: nothing disturbs what it measures.
    """
    chosen = [(_usable(descriptor, made), workers) for descriptor, made, workers in supply(experiment, registry, jobs)]
    yield from chosen or [(LocalSlots(), 2 * jobs if ahead and jobs > 1 else max(1, jobs))]


def _usable(descriptor: ProvisionerDescriptor, made: Provisioner) -> Provisioner:
    try:
        require([descriptor])
    except EnvironmentUnavailableError as error:
        return Unusable(EnvironmentUnavailableError(str(error), lasting=True))
    return made


def orchestrator(
    runner: Runner,
    experiment: ExperimentConfig,
    plugins: PluginManager,
    jobs: int,
    stack: contextlib.ExitStack,
    *,
    ahead: bool,
) -> Orchestrator[PlannedCase]:
    """Make the pool of a run; its provisioners are closed with ``stack``."""
    elsewhere = runner.elsewhere
    made = Orchestrator(
        runner.run_test,
        plugins.hooks,
        runner.durations.expected,
        prepare=elsewhere.prepare,
        leave=elsewhere.leave,
        lost=runner.lost,
    )
    for provisioner, workers in provisioners(experiment, plugins.registry, jobs, ahead=ahead):
        stack.callback(provisioner.close)
        provisioner.open(elsewhere.run.run_id)
        made.add_provisioner(provisioner, max_workers=workers)
    return made


def refuse_unplaced(pool: Orchestrator[PlannedCase]) -> None:
    """Raise for the first case that no system has taken; what was the matter with the systems is told besides."""
    missing = pool.labels is None or any(each.lasting for each in pool.failures)
    for work in pool.unplaced:
        why = f"no system can run {work.case.described()}: {pool.why_not(work)}"
        why += "\n  what has run is kept; to continue once there is one: panther resume"
        raise EnvironmentUnavailableError(why) if missing else TestExecutionError(why)


def foreseen(
    cases: Iterable[PlannedCase], is_over: Callable[[str], bool], durations: Durations, total: int
) -> float | None:
    """Return the seconds that the cases to run are likely to take one after the other, by earlier runs."""
    if durations.typical() is None or total > MOST_FORESEEN:
        return None
    return round(sum(durations.foreseen(each) for each in cases if not is_over(each.case_id)), 3)


@contextlib.contextmanager
def engine(
    directory: RunDirectory,
    plugins: PluginManager,
    settings: GlobalConfig,
    metrics: MetricsCollector,
    emit: Callable[[BaseEvent], None],
    locked: Mapping[str, Any] | None,
    here: Path,
    *,
    keep_capture: str = "always",
    turns: float = math.inf,
) -> Iterator[Engine]:
    """Start what runs processes; on the way out nothing of it is left."""
    with Supervisor.start(run_id=directory.run_id) as supervisor:
        programs = Programs(directory, (locked or {}).get("programs", {}))
        info = RunInfo(run_id=directory.run_id, name=directory.run_id, folder=directory.folder)
        cache = Path(settings.paths.get("cache") or cache_folder(os.environ)).absolute()
        yield Engine(
            run=directory,
            hooks=plugins.hooks,
            launcher=supervisor.launcher,
            commands=supervisor.commands,
            metrics=metrics,
            emit=emit,
            builds=BuildCache(cache / "builds", supervisor.commands, directory.folder / "builds", emit),
            here=here,
            links=plugins.registry.all(LinkDescriptor),
            keep_capture=keep_capture,
            turns=Turns(turns),
            program_seen=programs.seen,
            port_range=plugins.hooks.choose_port_range(info) or DEFAULT_PORTS,
        )
        with contextlib.suppress(OSError):  # a full disk has ended the run with an error of its own
            programs.write()
