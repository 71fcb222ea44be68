"""What is known of a running experiment, taken from its events alone."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import attrs

from panther_core.cli.attempts import Finished, case_label
from panther_core.cli.text import counted, whole
from panther_hookspecs import BaseEvent, BuildEvent, EnvironmentProgressEvent, ExperimentEvent, TestEvent, Verdict

_CERTAIN = 3
_PRIOR = 0.1
"""Part of what earlier runs foretell that weighs as much as what is seen now."""


@attrs.define
class Progress:
    """The state behind every screen. Not locked: whoever feeds it does that."""

    clock: Callable[[], float] = time.monotonic
    begun: float = attrs.field(init=False)
    _since: float = attrs.field(init=False)
    """When the phase began; what comes before the cases says nothing about their pace."""
    total: int | None = None
    jobs: int | None = None
    folder: Path | None = None
    before: int = 0
    """Cases that were finished when a run was taken up again."""
    done: int = 0
    unexpected: int = 0
    counts: Counter[str] = attrs.field(factory=Counter)
    running: dict[str, tuple[str, float]] = attrs.field(factory=dict)
    """Name and start of every attempt that runs now, by case id, the longest first."""
    foreseen: float = 0.0
    """Seconds that the cases of this session take one after the other, as earlier runs tell; 0 if they tell nothing."""
    simulated: dict[str, str] = attrs.field(factory=dict)
    """How far a simulation is that runs now, by case id."""
    builds: dict[str, float] = attrs.field(factory=dict)
    """What is built now, and since when."""
    _built: float = 0.0
    """Seconds of this phase in which something was built: they say nothing about the pace of cases."""
    _paced: int = 0
    """Cases that ended while nothing was built."""
    _tried: int = 0
    """Those among them that could be tried."""
    _awaited: dict[str, float] = attrs.field(factory=dict)
    """The part of that for each case that runs now."""
    _over: float = 0.0
    """The part of that for cases that are over."""

    def __attrs_post_init__(self) -> None:
        """Start the clock."""
        self.begun = self._since = self.clock()

    def take(self, event: BaseEvent) -> Finished | None:
        """Take one event in; return the attempt that it ends."""
        if isinstance(event, ExperimentEvent):
            self._learn(event.metadata, begins=event.status == "started")
        elif isinstance(event, TestEvent):
            if event.action == "started":
                name = case_label({"case": event.test_case_id, **event.metadata})
                self.running[event.test_case_id] = (name, self.clock())
                self._awaited[event.test_case_id] = float(event.metadata.get("foreseen") or 0.0)
            elif event.action in ("completed", "retried"):
                return self._finish(event.test_case_id, event.metadata, again=event.action == "retried")
        elif isinstance(event, BuildEvent):
            self._build(event.what, begins=event.status == "started")
        elif isinstance(event, EnvironmentProgressEvent):
            self.simulated[event.entity_id] = f"simulated {event.done:.0f} of {event.total:.0f} s"
        return None

    def shown(self) -> list[tuple[str, float]]:
        """Return name and start of every attempt that runs now, with how far it is where that is known."""
        return [
            (f"{name}  {self.simulated[case]}" if case in self.simulated else name, since)
            for case, (name, since) in self.running.items()
        ]

    def _build(self, what: str, *, begins: bool) -> None:
        if begins:
            self.builds.setdefault(what, self.clock())
        elif what in self.builds:
            since = min(self.builds.values())
            del self.builds[what]
            self._built += min([self.clock(), *self.builds.values()]) - since  # what goes on is counted at its end

    def _learn(self, facts: Mapping[str, Any], *, begins: bool) -> None:
        if begins:
            self._since = self.clock()
            self.before = self.done = facts.get("done", self.done)
            self.foreseen = facts.get("foreseen") or self.foreseen
        self.total = facts.get("total", self.total)
        self.jobs = facts.get("jobs", self.jobs)
        self.folder = Path(facts["run"]) if facts.get("run") else self.folder

    def _finish(self, case_id: str, record: Mapping[str, Any], *, again: bool) -> Finished:
        self.running.pop(case_id, None)
        self.simulated.pop(case_id, None)
        if not again:
            self._over += self._awaited.pop(case_id, 0.0)
            self.done += 1
            self.counts[record["verdict"]] += 1
            if not self.builds:
                self._paced += 1
                self._tried += record["verdict"] != Verdict.UNSUPPORTED.value
            self.unexpected += not record["as_expected"]
        return Finished(record={"case": case_id, **record}, again=again)

    @property
    def elapsed(self) -> float:
        """Seconds since the start."""
        return self.clock() - self.begun

    @property
    def left(self) -> float | None:
        """Seconds until the end: by what earlier runs took and how fast this one is, or None while that is a guess."""
        if not self.total or self.done >= self.total:
            return None
        if self.foreseen and self.jobs:
            return self._by_history(self.jobs)
        if self._tried < _CERTAIN:
            return None
        return (self.elapsed - self._building) / self._paced * (self.total - self.done)

    @property
    def _building(self) -> float:
        """Seconds until now in which something was built."""
        return self._built + (self.clock() - min(self.builds.values()) if self.builds else 0.0)

    def _by_history(self, jobs: int) -> float | None:
        """Return what is left of the foreseen work, at the pace of the work that is over; a slot runs one case.

        Where all that is left runs longer than ever before, nobody knows.
        """
        now, prior = self.clock(), _PRIOR * self.foreseen
        spent = {case: now - since for case, (_, since) in self.running.items()}
        begun = sum(min(seconds, self._awaited.get(case, 0.0)) for case, seconds in spent.items())
        worked = (now - self._since - self._building) * min(jobs, self.total or jobs)
        pace = (prior + worked) / (prior + self._over + begun)
        rests = [max(self._awaited.get(case, 0.0) - seconds, 0.0) for case, seconds in spent.items()]
        return max([max(self.foreseen - self._over - begun, 0.0) / jobs, *rests]) * pace or None

    def counted(self) -> str:
        """Return the verdicts so far, in the order of the contract: ``8 pass, 2 fail``."""
        return counted((each.value, self.counts[each.value]) for each in Verdict)

    @property
    def share(self) -> str:
        """How much is done: ``12/48 done``."""
        return f"{self.done}{'' if self.total is None else f'/{self.total}'} done"

    @property
    def times(self) -> str:
        """How long it took so far, and how long it still takes if that can be told: ``12 s, about 30 s left``."""
        return whole(self.elapsed) + ("" if self.left is None else f", about {whole(self.left)} left")

    @property
    def now(self) -> str:
        """How many attempts run now, and what they may wait for: ``2 running, building quinn for 2:10``."""
        builds = [f"{what} for {whole(self.clock() - since)}" for what, since in self.builds.items()]
        return ", ".join((f"{len(self.running)} running", *builds))

    def status(self) -> str:
        """Return all of this in one line."""
        return "  ".join(filter(None, (self.share, self.counted(), self.now, self.times)))
