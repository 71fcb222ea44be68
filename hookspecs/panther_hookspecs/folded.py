"""Folded stacks, as profilers leave them: one line per stack, its frames between semicolons, then its weight."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import attrs

_KIND = "folded"
_UNITS = {
    "nanoseconds": "ns",
    "microseconds": "us",
    "milliseconds": "ms",
    "seconds": "s",
    "bytes": "B",
    "samples": "samples",
    "instructions": "instructions",
    "allocations": "allocations",
    "blocks": "blocks",
}
_PLACE = re.compile(r"profiles/[^/]+/([^/]+)/.")


@attrs.frozen(kw_only=True)
class FoldedProfile:
    """A file of folded stacks that an attempt has left."""

    instrument: str
    service: str
    part: str
    """What tells it from other files of the same instrument; empty where there is one."""
    title: str
    path: Path

    @property
    def counted(self) -> str:
        """What its weights are: the last word of the title that names a unit, ``nanoseconds`` for example."""
        words = re.findall(r"[a-z]+", self.title.lower())
        return next((word for word in reversed(words) if word in _UNITS), "")

    @property
    def unit(self) -> str:
        """The same as measurements write it, ``ns`` for example."""
        return _UNITS.get(self.counted, "")

    def self_weights(self) -> Mapping[str, float]:
        """Return how much each function weighs itself, without what it calls."""
        weights: defaultdict[str, float] = defaultdict(float)
        for stack, weight in read_folded(self.path):
            weights[stack.rpartition(";")[2]] += weight
        return weights


def read_folded(path: Path) -> Iterator[tuple[str, float]]:
    """Yield each stack with its weight; lines that are none, as of a file that was cut off, are left out."""
    with path.open(encoding="utf-8", errors="replace") as file:
        for line in file:
            stack, _, weight = line.rstrip("\n").rpartition(" ")
            try:
                number = float(weight)
            except ValueError:
                continue
            if stack and 0 < number < float("inf"):
                yield stack, number


def folded_profiles(record: Mapping[str, Any], run: Path) -> list[FoldedProfile]:
    """Return the files of folded stacks of an attempt that are there and inside of the run's folder."""
    found, root = [], run.resolve()
    for each in record.get("artifacts") or ():
        path = run / str(record.get("folder") or "") / str(each.get("path") or "")
        if each.get("kind") == _KIND and path.resolve().is_relative_to(root) and path.is_file():
            found.append(_profile(each, path, record))
    several = Counter((each.instrument, each.service) for each in found)
    return [each if several[each.instrument, each.service] > 1 else attrs.evolve(each, part="") for each in found]


def _profile(artifact: Mapping[str, Any], path: Path, record: Mapping[str, Any]) -> FoldedProfile:
    stem = PurePosixPath(str(artifact["path"])).stem
    return FoldedProfile(
        instrument=_instrument_of(artifact, record.get("instruments") or ()),
        service=str(artifact.get("service") or ""),
        part=re.sub(r"[\W\d_]+$", "", stem),
        title=str(artifact.get("title") or ""),
        path=path,
    )


def _instrument_of(artifact: Mapping[str, Any], instruments: Any) -> str:
    """Return the instrument that wrote an artifact: the one whose folder it is in, or whose name it bears."""
    path = str(artifact["path"])
    place = _PLACE.search(path)
    if place:
        return place[1]
    stem = PurePosixPath(path).stem
    return next((str(each) for each in instruments if stem.startswith(str(each))), stem)
