"""Tests of any kind on a pool of systems, in a few lines of Python: no experiment, no protocol, no configuration.

A test is a command. It runs on whatever system is free and fits, tells results while it runs, and is stored the moment
it has ended. This is a toolbox for tools of one's own; `panther run` is one made of the same parts.
"""

from __future__ import annotations

import json
import math
import os
import secrets
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs

from panther_core.elsewhere import connected
from panther_core.plugin_manager import PluginManager
from panther_core.pool.orchestrator import Orchestrator
from panther_core.pool.slots import LocalSlots, PinnedSlots
from panther_core.pool.trouble import told
from panther_core.pool.work import Loss, Work
from panther_core.remote.host import RemoteHost
from panther_core.results.directory import cut_torn_line, read_lines, slug
from panther_hookspecs import Job, JobEnd, Provisioner, System, SystemLostError

__all__ = ["LocalSlots", "PinnedSlots", "Test", "Toolbox", "status_of"]


@attrs.frozen(kw_only=True)
class Test:
    """One command to run somewhere."""

    __test__ = False

    name: str
    argv: Sequence[str]
    tree: Path | None = None
    """A folder to copy there first, once for each system; the command runs in it."""
    env: Mapping[str, str] = attrs.field(factory=dict)
    timeout: float = math.inf
    labels: frozenset[str] = frozenset()
    """What a system must have."""
    reruns: int = 0
    """How often it is tried again when its exit code is not 0."""
    exclusive: bool = False
    repetition: int = 1
    priority: int = 0
    deadline: float | None = None
    uses: Mapping[str, float] = attrs.field(factory=dict)

    @property
    def case_id(self) -> str:
        """What tells it from the others: its name."""
        return self.name

    def described(self) -> str:
        """Return its name."""
        return self.name


@attrs.define(eq=False)
class Toolbox:
    """Runs tests on the systems of its provisioners, and stores each result in ``folder/results.jsonl`` as it comes."""

    folder: Path = attrs.field(converter=Path)
    keep_output: bool = True
    """Whether each attempt gets a folder with what it has printed and sent."""
    plugins: Sequence[object] = ()
    """Objects with hooks that choose: panther_choose_next_test, panther_choose_fitness, panther_choose_applicable."""
    _provisioners: list[tuple[Provisioner, int]] = attrs.field(factory=list)
    _orchestrator: Orchestrator[Test] | None = None
    _cancelled: bool = False
    _jobs: set[Job] = attrs.field(factory=set)
    _trees: dict[tuple[str, Path], str] = attrs.field(factory=dict)
    _run_id: str = attrs.field(factory=lambda: f"toolbox-{secrets.token_hex(6)}")
    _lock: threading.Lock = attrs.field(factory=threading.Lock)
    _done: dict[str, Mapping[str, Any]] = attrs.field(factory=dict)

    def add_provisioner(
        self, provisioner: Provisioner | Callable[[], Provisioner] = LocalSlots, max_workers: int = 0
    ) -> None:
        """Use at most ``max_workers`` systems of ``provisioner``, or of what that class makes, at a time; all if 0."""
        made = provisioner if isinstance(provisioner, Provisioner) else provisioner()
        self._provisioners.append((made, max_workers))

    def run(self, tests: Iterable[Test]) -> list[Mapping[str, Any]]:
        """Run all tests that have no result in ``folder`` yet; return the last result of each, by name."""
        self.folder.mkdir(parents=True, exist_ok=True)
        cut_torn_line(self.folder / "results.jsonl")
        for record in read_lines(self.folder / "results.jsonl"):
            if record["final"]:
                self._done[record["name"]] = record
        orchestrator = self._orchestrator = Orchestrator(
            self.run_test,
            PluginManager.load(autoload=False, extra=self.plugins).hooks,
            prepare=self._prepare,
            leave=self._leave,
            lost=self._lost,
        )
        for provisioner, workers in self._provisioners:
            provisioner.open(self._run_id)
            orchestrator.add_provisioner(provisioner, max_workers=workers)
        try:
            orchestrator.run(Work(case=test) for test in tests if test.name not in self._done)
        except KeyboardInterrupt:
            self.cancel()
            orchestrator.wait()
            raise
        finally:
            for provisioner, _ in self._provisioners:
                provisioner.close()
        for work in orchestrator.unplaced:
            why = "; ".join([f"no system for it: {orchestrator.why_not(work)}", *told(orchestrator.failures)[-2:]])
            self.output_result({"name": work.case.name, "status": "error", "why": why, "final": False})
        return [self._done[name] for name in sorted(self._done)]

    def cancel(self) -> None:
        """Stop from any thread: nothing new starts, what runs is ended."""
        if self._orchestrator is not None:
            self._orchestrator.stop()
        self._cancelled = True
        with self._lock:
            jobs = list(self._jobs)
        for job in jobs:
            job.cancel()

    def run_test(self, work: Work[Test], system: System) -> Work[Test] | None:
        """Run one test on a system that is borrowed for it alone; return the work of another attempt if it is due."""
        test = work.case
        host = system.connection
        assert host is not None
        files = self.folder / "tests" / slug(test.name, 100) / str(work.attempt) if self.keep_output else None
        cwd = self._copied(system, test.tree) if test.tree else ""
        timeout = test.timeout if math.isfinite(test.timeout) else None
        job = host.start(test.argv, cwd=cwd, env=test.env, timeout=timeout, files=files)
        with self._lock:
            self._jobs.add(job)
        if self._cancelled:
            job.cancel()
        try:
            end = job.wait()
        finally:
            with self._lock:
                self._jobs.discard(job)
        status = status_of(end)
        again = status in ("fail", "error") and work.attempt <= test.reruns
        if status != "cancelled":
            losses = {"losses": [str(each) for each in work.losses]} if work.losses else {}
            about = {"attempt": work.attempt, "system": system.name, "final": not again, **losses}
            self.output_result({"name": test.name, "status": status, **about, **_told(end)})
        return attrs.evolve(work, attempt=work.attempt + 1, losses=()) if again else None

    def output_result(self, record: Mapping[str, Any]) -> None:
        """Store a result: when this returns, a crash of this program cannot lose it."""
        line = json.dumps(record, separators=(",", ":")).encode() + b"\n"
        with self._lock:
            self._done[record["name"]] = record
            descriptor = os.open(self.folder / "results.jsonl", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
            try:
                os.write(descriptor, line)
            finally:
                os.close(descriptor)

    def _copied(self, system: System, tree: Path) -> str:
        key = (system.name, tree)
        if key not in self._trees:
            assert system.connection is not None
            self._trees[key] = system.connection.copy(tree)
        return self._trees[key]

    def _prepare(self, system: System, is_alive: Callable[[], bool]) -> System:
        """Connect: a system that is this process gets an agent as any other, so that a test is the same everywhere."""
        here = attrs.evolve(system, reach=system.reach or tuple)
        return connected(here, RemoteHost.connect(here, self._run_id, is_alive))

    def _leave(self, system: System) -> None:
        for key in [each for each in self._trees if each[0] == system.name]:
            del self._trees[key]
        if isinstance(system.connection, RemoteHost):
            system.connection.close()

    def _lost(self, work: Work[Test], loss: Loss) -> Work[Test] | None:
        again = work.after(loss)
        if not again.lost_twice:
            return again
        error = SystemLostError("; ".join(map(str, again.losses)))
        about = {"attempt": work.attempt, "system": loss.system, "losses": [str(each) for each in again.losses]}
        self.output_result({"name": work.case.name, "status": "error", "why": str(error), "final": True, **about})
        return None


def status_of(end: JobEnd) -> str:
    """Return what an end means: a result that is no pass is not outvoted by an exit code 0."""
    told = {str(each.get("status", "pass")) for each in end.results}
    if end.reason == "cancelled":
        return "cancelled"
    if end.reason == "timeout" or "error" in told:
        return "error"
    return "fail" if end.code != 0 or "fail" in told else "pass"


def _told(end: JobEnd) -> dict[str, Any]:
    return {
        "reason": end.reason,
        "code": end.code,
        "seconds": end.seconds,
        **({"results": list(end.results)} if end.results else {}),
        **({"reboots": end.reboots} if end.reboots else {}),
        **({"notes": list(end.notes)} if end.notes else {}),
    }
