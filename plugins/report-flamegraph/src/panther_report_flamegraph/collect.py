"""The profiles of a run, put together by case, service and instrument."""

from __future__ import annotations

import os
from collections.abc import Iterator

import attrs

from panther_hookspecs import FoldedProfile, RunView, folded_profiles
from panther_report_flamegraph.stacks import SMALLEST, Frame, Stacks, added, frames_of, stacks_in

MOST_SINGLE = 100
"""Number of files up to which each has a graph of its own beside the sum of its repetitions."""
_FULL_DETAIL = 50
"""Number of graphs from which on each is drawn more coarsely, so that the report can still be opened."""


@attrs.frozen(kw_only=True)
class Source:
    """One file of folded stacks."""

    case: str
    """Name and cell."""
    profile: FoldedProfile
    repetition: int
    shown: str
    """The path, relative to the run's folder."""

    @property
    def key(self) -> tuple[str, str, str, str]:
        """What repetitions of it share."""
        profile = self.profile
        return self.case, profile.service, profile.instrument, profile.part


@attrs.frozen(kw_only=True)
class Graph:
    """What is drawn at once: a file, or the sum of the repetitions of a case."""

    source: Source
    repetition: int
    """0 for the sum of all."""
    repetitions: int
    frames: tuple[Frame, ...]

    @property
    def label(self) -> str:
        """What a person chooses it by."""
        profile = self.source.profile
        parts = [profile.service, " ".join(filter(None, (profile.instrument, profile.part)))]
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
    """Yield the files of folded stacks of the last attempt of each case."""
    for record in run.cases():
        cell = ", ".join(f"{axis}={value}" for axis, value in (record.get("cell") or {}).items())
        name = str(record.get("name") or record.get("case") or "")
        for profile in folded_profiles(record, run.folder):
            yield Source(
                case=f"{name}[{cell}]" if cell else name,
                profile=profile,
                repetition=int(record.get("repetition") or 1),
                shown=os.path.relpath(profile.path, run.folder),
            )


def _drawn(group: list[Source], smallest: float, *, singly: bool) -> Iterator[Graph]:
    """Yield the sum of a group and, if there are several and that is wanted, each of them."""
    files = [(source, stacks) for source in group if (stacks := stacks_in(source.profile.path))]
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
        frames=tuple(frames_of(stacks, smallest)),
    )
