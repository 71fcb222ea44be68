"""Reads a run directory, finished or not; everything comes from its files."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

import attrs

from panther_core.checks.judge import over_attempts
from panther_core.results.directory import LOCK, RESOLVED, RESULTS, read_lines, whole_lines
from panther_hookspecs import RunView, Verdict

EVENTS = "events.jsonl"
_CASE = re.compile(rb'\{"v": ?\d+, ?"case": ?"([\w-]+)"', re.ASCII)
_ENTITIES = re.compile(rb'"entity_id": ?"((?:[^"\\]|\\.)*)"')
"""What a line says that the event is about; it is no part of a text, where quotation marks are escaped."""


@attrs.frozen
class DirectoryView(RunView):
    """A run directory to read from."""

    folder: Path

    @property
    def experiment(self) -> Mapping[str, Any]:
        """The experiment as it was understood."""
        from ruamel.yaml import YAML  # noqa: PLC0415 - most readers of a run never ask for it

        found: Mapping[str, Any] = YAML(typ="safe", pure=True).load(self.folder / RESOLVED)
        return found

    @property
    def lock(self) -> Mapping[str, Any]:
        """The repeatable part."""
        path = self.folder / LOCK
        found: Mapping[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
        return found

    @property
    def planned(self) -> int | None:
        """How many cases the run consists of, as its first event about their execution says."""
        for event in self.events():
            if event["name"] == "experiment.test_execution.started":
                total: int = event["content"]["metadata"]["total"]
                return total
        return None

    def attempts(self) -> Iterator[Mapping[str, Any]]:
        """Yield every finished attempt in the order in which they ended."""
        return iter(read_lines(self.folder / RESULTS))

    def cases(self) -> Iterator[Mapping[str, Any]]:
        """Yield one record per case in the order in which they ended, its verdict taken over all its attempts.

        Where a run was taken up again, the attempts since then count.
        """
        rounds: dict[str, int] = {}
        for case, final in _outline(self.folder / RESULTS):
            rounds[case] = rounds.get(case, 0) + final
        tries: dict[str, list[Mapping[str, Any]]] = {}
        for record in self.attempts():
            case = record["case"]
            tries.setdefault(case, []).append(record)
            if record["final"]:
                rounds[case] -= 1
                since = tries.pop(case)
                if rounds[case] == 0:
                    yield summed_up(since)
        for case, since in tries.items():
            if case in rounds:
                yield {**summed_up(since), "final": False}

    def events(self) -> Iterator[Mapping[str, Any]]:
        """Yield every event in order."""
        return iter(read_lines(self.folder / EVENTS))

    def events_about(self, entities: Collection[str]) -> Iterator[Mapping[str, Any]]:
        """Yield the events about these entities; the lines of others are not even decoded."""
        wanted = frozenset(entities)
        encoded = frozenset(entity.encode() for entity in wanted)

        def maybe(line: bytes) -> bool:
            named = _ENTITIES.findall(line)
            return len(named) != 1 or b"\\" in named[0] or named[0] in encoded

        return (event for event in read_lines(self.folder / EVENTS, maybe) if event.get("entity_id") in wanted)


def _outline(path: Path) -> Iterator[tuple[str, bool]]:
    """Yield the case of each attempt and whether it was the last, without decoding what is as we write it."""
    for line in whole_lines(path):
        head = _CASE.match(line)
        if head and line.count(b'"final":') == 1:
            yield head[1].decode(), b'"final":true' in line or b'"final": true' in line
        else:
            record = json.loads(line)
            yield record["case"], bool(record["final"])


def summed_up(tries: list[Mapping[str, Any]]) -> Mapping[str, Any]:
    """Return the record of a case from those of its attempts."""
    verdict = over_attempts(Verdict(each["verdict"]) for each in tries)
    return {
        **tries[-1],
        "verdict": verdict.value,
        "as_expected": verdict.value in tries[-1]["expected"],
        "attempts": len(tries),
        "verdicts": [each["verdict"] for each in tries],
    }
