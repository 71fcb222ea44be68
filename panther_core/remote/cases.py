"""Whole cases on other systems: the same PANTHER is copied there, and takes one attempt after the other."""

from __future__ import annotations

import json
import queue
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs

from panther_core.remote.host import RemoteHost
from panther_hookspecs import (
    CaseExecutor,
    CaseTask,
    EnvironmentUnavailableError,
    Job,
    SystemLostError,
    TestExecutionError,
)

OLDEST = (3, 11)
"""The version of Python that cases need."""
PATIENCE = 10.0
_Answer = Mapping[str, Any]


@attrs.define(eq=False)
class RemoteCases(CaseExecutor):
    """Carries out cases on one host, one at a time, in a process there that stays."""

    host: RemoteHost
    code: str
    """Where PANTHER is there."""
    here: str = ""
    """Where a copy of the experiment's folder is there."""
    _answers: queue.SimpleQueue[_Answer] = attrs.field(factory=queue.SimpleQueue)
    _job: Job | None = None
    _folder: str = ""

    def begin(self) -> None:
        """Start PANTHER there; it gets ready while something else goes on here."""
        self._folder = f"{self.host.facts['folder']}/scratch/panther"
        self._job = self.host.start(
            (self.host.connection.python, "-m", "panther_core.away", self._folder),
            env={"PYTHONPATH": self.code},
            stdin=True,
            heard=self._answers.put,
        )
        threading.Thread(target=self._watch, args=(self._job,), daemon=True).start()

    def carry_out(self, task: CaseTask, folder: Path) -> Mapping[str, Any]:
        """Run the attempt there, bring its evidence here, return its record."""
        if self._job is None:
            self.begin()
        assert self._job is not None
        if not self._answers.empty():
            raise SystemLostError(self._answers.get()["lost"], begun=False)
        try:
            self._job.write(json.dumps(attrs.asdict(attrs.evolve(task, here=self.here))).encode() + b"\n")
        except TestExecutionError as error:
            raise SystemLostError(f"PANTHER has ended there {error}", begun=False) from error
        answer = self._answers.get()
        if "lost" in answer:
            raise SystemLostError(answer["lost"])
        if "refused" in answer:
            raise EnvironmentUnavailableError(answer["refused"])
        self.host.fetch(answer["folder"], folder)
        self.host.remove(answer["folder"])
        return {**answer["record"], "error": answer.get("error"), "events": answer.get("events", ())}

    def cancel(self) -> None:
        """End what runs there; its record follows, unless nobody is there to send it."""
        if self._job is not None:
            threading.Thread(target=self._cancel, args=(self._job,), daemon=True).start()
            late = threading.Timer(PATIENCE, self._answers.put, [{"lost": "it did not end when it was cancelled"}])
            late.daemon = True
            late.start()

    def _cancel(self, job: Job) -> None:
        try:
            job.write(b'{"cancel": true}\n')
        except (SystemLostError, TestExecutionError) as error:
            self._answers.put({"lost": str(error)})

    def _watch(self, job: Job) -> None:
        """Tell whoever waits for an answer that none will come."""
        try:
            end = job.wait()
        except SystemLostError as error:
            self._answers.put({"lost": str(error)})
        else:
            said = end.output.decode(errors="replace").strip().splitlines()
            self._answers.put({"lost": f"PANTHER ended there ({end.reason}, {end.code}): {' '.join(said[-1:])}"})
