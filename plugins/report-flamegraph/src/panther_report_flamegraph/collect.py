"""The profiles of a run, put together by case, service and instrument."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import attrs

from panther_hookspecs import RunView
from panther_report_flamegraph.stacks import SMALLEST, Frame, Stacks, added, frames_of, read_folded

KIND = "folded"
MOST_SINGLE = 100
"""Number of files up to which each has a graph of its own beside the sum of its repetitions."""
_FULL_DETAIL = 50
"""Number of graphs from which on each is drawn more coarsely, so that the report can still be opened."""
_UNITS = ("nanoseconds", "microseconds", "milliseconds", "seconds", "bytes", "samples", "instructions")
_PLACE = re.compile(r"profiles/[^/]+/([^/]+)/.")


@attrs.frozen(kw_only=True)
class Source:
    """One file of folded stacks."""

    case: str
    """Name and cell."""
    service: str
    instrument: str
    part: str
    """What tells it from other files of the same instrument; empty where there is one."""
    repetition: int
    title: str
    path: Path
    shown: str
    """The path, relative to the run's folder."""

    @property
    def key(self) -> tuple[str, str, str, str]:
        """What repetitions of it share."""
        return self.case, self.service, self.instrument, self.part


@attrs.frozen(kw_only=True)
class Graph:
    """What is drawn at once: a file, or the sum of the repetitions of a case."""

    source: Source
    repetition: int
    """0 for the sum of all."""
    repetitions: int
    unit: str
    frames: tuple[Frame, ...]

    @property
    def label(self) -> str:
        """What a person chooses it by."""
        source = self.source
        parts = [source.service, " ".join(filter(None, (source.instrument, source.part)))]
        if self.repetition:
            parts.append(f"#{self.repetition}")
        elif self.repetitions > 1:
            parts.append(f"{self.repetitions} repetitions")
        return ", ".join(filter(None, parts))


def graphs_of(run: RunView) -> list[Graph]:
    """Return every graph of a run: for each case, service and instrument the sum, then its repetitions."""
    groups: dict[tuple[str, str, str, str], list[Source]] = {}
    for each in sources_of(run):
        groups.setdefault(each.key, []).append(each)
    files = sum(map(len, groups.values()))
    singly = files <= MOST_SINGLE
    count = len(groups) + (files if singly else 0)
    smallest = SMALLEST * max(1.0, count / _FULL_DETAIL)
    return [graph for _, group in sorted(groups.items()) for graph in _drawn(group, smallest, singly=singly)]


def sources_of(run: RunView) -> Iterator[Source]:
    """Yield the files of folded stacks of the last attempt of each case; only what is inside of the run's folder."""
    root = run.folder.resolve()
    for record in run.cases():
        found = []
        for artifact in record.get("artifacts") or ():
            shown = f"{record.get('folder') or ''}/{artifact.get('path') or ''}"
            path = run.folder / shown
            if artifact.get("kind") == KIND and path.resolve().is_relative_to(root) and path.is_file():
                found.append(_source(record, artifact, path, shown))
        several = Counter((each.service, each.instrument) for each in found)
        yield from (
            each if several[each.service, each.instrument] > 1 else attrs.evolve(each, part="") for each in found
        )


def _source(record: Mapping[str, Any], artifact: Mapping[str, Any], path: Path, shown: str) -> Source:
    cell = ", ".join(f"{axis}={value}" for axis, value in (record.get("cell") or {}).items())
    name = str(record.get("name") or record.get("case") or "")
    stem = PurePosixPath(str(artifact["path"])).stem
    place = _PLACE.search(str(artifact["path"]))
    return Source(
        case=f"{name}[{cell}]" if cell else name,
        service=str(artifact.get("service") or ""),
        instrument=place[1] if place else stem,
        part=re.sub(r"[\W\d_]+$", "", stem),
        repetition=int(record.get("repetition") or 1),
        title=str(artifact.get("title") or ""),
        path=path,
        shown=shown,
    )


def _drawn(group: list[Source], smallest: float, *, singly: bool) -> Iterator[Graph]:
    """Yield the sum of a group and, if there are several and that is wanted, each of them."""
    files = [(source, stacks) for source in group if (stacks := read_folded(source.path))]
    if not files:
        return
    yield _graph(files[0][0], added([stacks for _, stacks in files]), smallest, repetitions=len(files))
    for source, stacks in files if singly and len(files) > 1 else ():
        yield _graph(source, stacks, smallest, repetition=source.repetition)


def _graph(source: Source, stacks: Stacks, smallest: float, *, repetition: int = 0, repetitions: int = 1) -> Graph:
    return Graph(
        source=source,
        repetition=repetition,
        repetitions=repetitions,
        unit=unit_of(source.title),
        frames=tuple(frames_of(stacks, smallest)),
    )


def unit_of(title: str) -> str:
    """Return what is counted, which is the last word of a title that names a unit."""
    words = re.findall(r"[a-z]+", title.lower())
    return next((word for word in reversed(words) if word in _UNITS), "")
