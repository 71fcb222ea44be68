"""Cases that this process does not run itself: the systems they run on are connected, supplied and left here."""

from __future__ import annotations

import contextlib
import functools
import os
import re
import shutil
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import attrs

from panther_core.events.travel import revived
from panther_core.plan import PlannedCase
from panther_core.registry import Registry
from panther_core.remote.cases import OLDEST, RemoteCases
from panther_core.remote.code import gather, used_plugins
from panther_core.remote.host import Archive, RemoteHost
from panther_core.results import RunDirectory
from panther_core.results.directory import HELD, RESOLVED
from panther_core.run.engine import Engine
from panther_core.run.evidence import explain
from panther_core.run.record import Attempt, info_of, record_of
from panther_hookspecs import (
    CaseExecutor,
    CaseTask,
    EnvironmentUnavailableError,
    Host,
    PantherExperimentError,
    System,
    SystemLostError,
    TestExecutionError,
    Verdict,
)

LARGEST_FOLDER = 64 << 20
"""Bytes of an experiment's folder that are copied without asking."""
_CODE = ".code"
"""Where PANTHER is put together in the folder of a run, to be copied from there."""
_USES_HERE = re.compile(r"\{here\}|^discover:", re.MULTILINE)
"""An experiment that names its folder, or whose cases are found there."""


@attrs.define
class Elsewhere:
    """Everything about other systems that one run needs."""

    run: RunDirectory
    here: Path
    """The folder of the experiment file."""
    registry: Registry
    keep_capture: str = "always"
    _executors: dict[str, CaseExecutor] = attrs.field(factory=dict)
    _hosts: dict[str, RemoteHost] = attrs.field(factory=dict)
    _code: dict[str, Archive] = attrs.field(factory=dict)
    """PANTHER for each kind of host."""
    _archive: Archive | None = None
    """The experiment's folder, once a system has needed it."""
    _lock: threading.Lock = attrs.field(factory=threading.Lock)

    @functools.cached_property
    def experiment(self) -> str:
        """The experiment as understood, without what concerns the run as a whole."""
        return without((self.run.folder / RESOLVED).read_text(encoding="utf-8"), "provisioners", "observers")

    def prepare(self, system: System, is_alive: Callable[[], bool]) -> System:
        """Connect to a system that has just been reserved, and get PANTHER ready there."""
        executor = system.executor
        if executor is None and system.reach is not None:
            host = RemoteHost.connect(system, self.run.run_id, is_alive, OLDEST)
            try:
                system = connected(system, host)
                executor = self._supply(host)
            except BaseException:
                host.close()
                raise
            system = attrs.evolve(system, executor=executor)
        if executor is not None:
            with self._lock:
                self._executors[system.name] = executor
                if isinstance(system.connection, RemoteHost):
                    self._hosts[system.name] = system.connection
        return system

    def leave(self, system: System) -> None:
        """Leave nothing of ours on a system that is given back."""
        with self._lock:
            self._executors.pop(system.name, None)
            host = self._hosts.pop(system.name, None)
        if host is not None:
            host.close()

    def cancel(self) -> None:
        """End what runs elsewhere."""
        with self._lock:
            executors = list(self._executors.values())
        for each in executors:
            each.cancel()

    def carry_out(
        self, case: PlannedCase, number: int, engine: Engine, executor: CaseExecutor
    ) -> tuple[dict[str, Any], BaseException | None]:
        """Have an attempt carried out; return its record and the error that ended it, if one did."""
        task = CaseTask(
            run_id=self.run.run_id,
            case_id=case.case_id,
            attempt=number,
            experiment=self.experiment,
            here=str(self.here),
            keep_capture=self.keep_capture,
        )
        folder = engine.run.case_folder(case.case_id, number)
        try:
            record = dict(executor.carry_out(task, folder))
        except SystemLostError:
            raise
        except PantherExperimentError as error:
            return _broken(case, number, engine, folder, error), error
        for each in record.pop("events", ()):
            engine.emit(revived(each))
        told = record.pop("error", None)
        return record, _as_error(told) if told else None

    def _supply(self, host: RemoteHost) -> RemoteCases:
        """Copy PANTHER, and the experiment's folder if it is used, to a host, and start it there."""
        binary = host.facts["binary"]
        with self._lock:
            if binary not in self._code:
                folder = self.run.folder / _CODE
                shutil.rmtree(folder, ignore_errors=True)  # of one that was killed
                try:
                    gather(used_plugins(self.experiment, self.registry), folder, binary)
                    self._code[binary] = Archive.of(folder)
                finally:
                    shutil.rmtree(folder, ignore_errors=True)
        here = host.place(self._packed_here()) if _USES_HERE.search(self.experiment) else ""
        cases = RemoteCases(host, host.place(self._code[binary]), here)
        cases.begin()
        return cases

    def _packed_here(self) -> Archive:
        """Return the experiment's folder without the runs in it, packed once for all systems."""
        with self._lock:
            if self._archive is None:
                if (size := size_of(self.here)) > LARGEST_FOLDER:
                    raise EnvironmentUnavailableError(
                        f"the folder of the experiment, {self.here}, has {size >> 20} MiB: too much to copy to other "
                        "systems\n  try: keep what the experiment needs in a folder of its own"
                    )
                self._archive = Archive.of(self.here, without=HELD)
            return self._archive


def size_of(tree: Path) -> int:
    """Return the bytes of all files in a folder but for runs; a file that goes away meanwhile has none."""
    size = 0
    for folder, folders, files in os.walk(tree):
        if HELD in files:
            folders.clear()
            continue
        for name in files:
            with contextlib.suppress(FileNotFoundError):
                size += Path(folder, name).lstat().st_size
    return size


def without(text: str, *keys: str) -> str:
    """Return YAML in block style without these keys of its top level."""
    return re.sub(rf"^(?:{'|'.join(keys)}):.*\n(?:[ -].*\n)*", "", text, flags=re.MULTILINE)


def connected(system: System, host: RemoteHost) -> System:
    """Return the system with what was found there."""
    facts = host.facts
    capacity = system.capacity or {"cpus": float(facts["cpus"]), "memory": float(facts["memory"])}
    there: Host = host
    return attrs.evolve(
        system,
        labels=system.labels | host.labels(),
        facts={**facts, **system.facts},
        connection=there,
        capacity=capacity,
    )


def unfinished(case: PlannedCase, number: int, engine: Engine, error: BaseException) -> dict[str, Any]:
    """Return the record of an attempt that came to no end."""
    return _broken(case, number, engine, engine.run.case_folder(case.case_id, number), error)


def _broken(case: PlannedCase, number: int, engine: Engine, folder: Path, error: BaseException) -> dict[str, Any]:
    attempt = Attempt(case=case, number=number, engine=engine, folder=folder, info=info_of(case, number, folder))
    attempt.verdict, attempt.why, attempt.error = Verdict.ERROR, explain(error, folder), error
    return record_of(attempt)


def _as_error(told: Mapping[str, str]) -> PantherExperimentError:
    """Return an error of another process: as unavailable if it was that, else as any."""
    unavailable = told["type"] == EnvironmentUnavailableError.__name__
    return (EnvironmentUnavailableError if unavailable else TestExecutionError)(told["text"])
