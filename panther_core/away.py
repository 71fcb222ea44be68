"""PANTHER away from home: carries out single attempts that another PANTHER asks for, one after the other.

``python -m panther_core.away FOLDER`` reads a line of JSON for each attempt, the fields of a CaseTask, and writes one:
``{"record": ..., "folder": ..., "events": [...]}`` with ``error`` if one ended it, ``{"refused": why}`` where it cannot
be tried, or ``{"lost": why}`` if this system is not fit any more. ``{"cancel": true}`` ends what runs. It writes to the
descriptor that ``PANTHER_CONTROL`` names, or to standard output. When its input ends, it ends, and so does all that it
started.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import shutil
import sys
import threading
from collections import deque
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any

import attrs

from panther_core import session
from panther_core.config import ExperimentConfig, GlobalConfig, load_experiment
from panther_core.events.travel import told
from panther_core.metrics import MetricsCollector
from panther_core.plan import PlannedCase, plan_cases
from panther_core.plugin_manager import PluginManager
from panther_core.results import RunDirectory
from panther_core.results.directory import LOCK
from panther_core.run.attempt import carry_out
from panther_core.run.engine import Engine
from panther_hookspecs import BaseEvent, CaseTask, PantherExperimentError

LEAST_FREE = 1 << 20
"""Bytes: with less, evidence may be incomplete, so that an attempt shows nothing."""


@attrs.define
class Away:
    """What is kept between attempts: the plugins, the engine, the plan as far as it was looked at."""

    folder: Path
    plugins: PluginManager
    stack: contextlib.ExitStack
    _engine: Engine | None = None
    _experiment: str | None = None
    _cases: dict[str, PlannedCase] = attrs.field(factory=dict)
    _plan: Iterator[PlannedCase] = attrs.field(factory=lambda: iter(()))
    _cancelled: bool = False
    _events: deque[BaseEvent] = attrs.field(factory=deque)
    """What has happened and was not told yet."""

    def carry_out(self, task: CaseTask) -> Mapping[str, Any]:
        """Carry out one attempt; say how it went."""
        try:
            engine = self._ready(task)
            case = self._find(task.case_id)
        except PantherExperimentError as refusal:
            return {"refused": str(refusal)}
        self._events.clear()
        record, error = carry_out(case, task.attempt, engine)
        events = [told(self._events.popleft()) for _ in range(len(self._events))]
        if shutil.disk_usage(self.folder).free < LEAST_FREE:
            return {"lost": f"the disk with {self.folder} is full"}
        about = {"type": type(error).__name__, "text": str(error)} if error else None
        folder = str(engine.run.folder / record["folder"])
        return {"record": record, "error": about, "folder": folder, "events": events}

    def cancel(self) -> None:
        """End what runs, and start nothing more."""
        self._cancelled = True
        if self._engine is not None:
            self._engine.cancel()

    def _ready(self, task: CaseTask) -> Engine:
        """Return the engine for the experiment of ``task``."""
        if self._engine is not None and task.experiment == self._experiment:
            return self._engine
        self.stack.close()
        self._engine, self._experiment = None, task.experiment
        written = self.folder / "experiment.yaml"
        written.write_text(task.experiment, encoding="utf-8")
        here = Path(task.here) if task.here else self.folder
        experiment: ExperimentConfig = load_experiment(written, self.plugins.registry, environ={}, folder=here)
        self._cases, self._plan = {}, plan_cases(experiment, self.plugins.registry)
        directory = RunDirectory.create(self.folder, task.run_id)
        self.stack.callback(directory.close)
        directory.write(LOCK, '{"programs": {}}')
        engine = self._engine = self.stack.enter_context(
            session.engine(
                directory,
                self.plugins,
                GlobalConfig(),
                MetricsCollector(),
                self._events.append,
                None,
                here,
                keep_capture=task.keep_capture,
            )
        )
        if self._cancelled:
            engine.cancel()
        return engine

    def _find(self, case_id: str) -> PlannedCase:
        """Return a case of the plan, which is gone through only as far as it takes."""
        while case_id not in self._cases:
            case = next(self._plan, None)
            if case is None:
                raise PantherExperimentError(f"the plan has no case {case_id} here: the plugins are not the same")
            self._cases[case.case_id] = case
        return self._cases[case_id]


def main(folder: Path, asked: IO[str], answers: IO[str]) -> None:
    """Answer until nothing is asked any more."""
    folder.mkdir(parents=True, exist_ok=True)
    tasks: queue.SimpleQueue[CaseTask | None] = queue.SimpleQueue()
    with contextlib.ExitStack() as stack:
        away = Away(folder, PluginManager.load(), stack)
        threading.Thread(target=_read, args=(asked, tasks, away), daemon=True).start()
        while (task := tasks.get()) is not None:
            try:
                answer = away.carry_out(task)
            except OSError as error:
                answer = {"lost": str(error)}
            answers.write(json.dumps(answer, separators=(",", ":"), default=str) + "\n")
            answers.flush()


def _read(asked: IO[str], tasks: queue.SimpleQueue[CaseTask | None], away: Away) -> None:
    for line in asked:
        message = json.loads(line)
        if "cancel" in message:
            away.cancel()
        else:
            tasks.put(CaseTask(**message))
    away.cancel()
    tasks.put(None)


def _answers() -> IO[str]:
    """Return where answers go; what plugins print goes to standard error then."""
    control = os.environ.pop("PANTHER_CONTROL", "")
    number = int(control) if control else os.dup(1)
    if not control:
        os.dup2(2, 1)
    os.set_inheritable(number, False)
    return os.fdopen(number, "w", encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]).absolute(), sys.stdin, _answers())
