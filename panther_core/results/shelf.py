"""The runs in a folder: what each has shown, what it takes, and which may go by a rule."""

from __future__ import annotations

import fcntl
import os
import shutil
import tarfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import attrs

from panther_core.results.directory import HELD, RESOLVED, RESULTS
from panther_core.results.view import DirectoryView

PACKED = "cases.tar.gz"
_CASES = "cases"


@attrs.frozen(kw_only=True)
class Shelved:
    """One run as it stands in its folder."""

    folder: Path
    name: str
    """Of the experiment; runs of the same name replace each other."""
    ended: float
    """When something was last written to its journal, in seconds since the epoch."""
    size: int
    """Bytes on the disk."""
    counts: Mapping[str, int]
    unexpected: int
    unfinished: bool
    """Whether `panther resume` would have something to do."""
    busy: bool
    """Whether a panther is working in it."""
    packed: bool


def runs_in(base: Path) -> list[Shelved]:
    """Return all runs in a folder, the newest first."""
    folders = [each for each in base.iterdir() if (each / RESOLVED).is_file()] if base.is_dir() else []
    return sorted((shelved(each) for each in folders), key=lambda each: -each.ended)


def shelved(folder: Path) -> Shelved:
    """Look at one run."""
    view = DirectoryView(folder)
    cases = list(view.cases())
    unfinished = (view.planned or 0) > len(cases) or any(not each.get("final", True) for each in cases)
    journal = folder / RESULTS
    return Shelved(
        folder=folder,
        name=str(view.experiment.get("name") or folder.name),
        ended=(journal if journal.is_file() else folder / RESOLVED).stat().st_mtime,
        size=_size(folder),
        counts=Counter(str(each["verdict"]) for each in cases),
        unexpected=sum(not each["as_expected"] for each in cases),
        unfinished=unfinished,
        busy=is_held(folder),
        packed=(folder / PACKED).is_file(),
    )


def _size(folder: Path) -> int:
    """Return what the files of a folder take on the disk; links are not followed."""
    total = 0
    for place, _, names in os.walk(folder):
        for name in names:
            try:
                total += (Path(place) / name).lstat().st_blocks * 512
            except FileNotFoundError:
                continue  # a run that goes on removes files of its own
    return total


def is_held(folder: Path) -> bool:
    """Return whether a panther works in this run."""
    path = folder / HELD
    if not path.is_file():
        return False
    with path.open("rb") as held:
        try:
            fcntl.flock(held, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


@attrs.frozen(kw_only=True)
class Policy:
    """Which runs may go. A run has to break a rule to go; a busy one never does."""

    keep: int | None = None
    """Newest runs of each experiment that stay."""
    older_than: float | None = None
    """Seconds after which a run may go."""
    at_most: float | None = None
    """Bytes that all runs together may take: the oldest go until they do."""
    unfinished: bool = False
    """Whether runs that could be resumed may go too."""
    unexpected: bool = False
    """Whether runs that hold something unexpected may go too."""

    def gone(self, runs: Sequence[Shelved], now: float) -> list[Shelved]:
        """Return the runs that may go, the oldest first."""
        movable = [each for each in runs if self._may_go(each)]
        found = {each.folder for each in self._by_age(movable, now)} | {each.folder for each in self._by_count(runs)}
        chosen = [each for each in movable if each.folder in found]
        if self.at_most is not None:
            rest = sum(each.size for each in runs) - sum(each.size for each in chosen)
            for each in sorted((run for run in movable if run not in chosen), key=lambda run: run.ended):
                if rest <= self.at_most:
                    break
                chosen.append(each)
                rest -= each.size
        return sorted(chosen, key=lambda each: each.ended)

    def _may_go(self, run: Shelved) -> bool:
        return not run.busy and (self.unfinished or not run.unfinished) and (self.unexpected or not run.unexpected)

    def _by_age(self, runs: Iterable[Shelved], now: float) -> Iterator[Shelved]:
        if self.older_than is not None:
            yield from (each for each in runs if now - each.ended > self.older_than)

    def _by_count(self, runs: Iterable[Shelved]) -> Iterator[Shelved]:
        seen: Counter[str] = Counter()
        for each in sorted(runs, key=lambda run: -run.ended) if self.keep is not None else ():
            seen[each.name] += 1
            if seen[each.name] > (self.keep or 0):
                yield each


def remove(run: Shelved) -> None:
    """Remove a run: first what makes it one, so that half a removal is never taken for a run."""
    (run.folder / RESOLVED).unlink()
    shutil.rmtree(run.folder)


def pack(run: Shelved) -> int:
    """Put the evidence of a finished run into one compressed file, which `unpack` undoes; return the bytes saved.

    Results, events and reports stay as they are. The folder goes only when the file is complete.
    """
    target = run.folder / PACKED
    temporary = target.with_name(f".{PACKED}.{os.getpid()}")
    try:
        with tarfile.open(temporary, "w:gz") as archive:
            archive.add(run.folder / _CASES, _CASES)
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)
    shutil.rmtree(run.folder / _CASES)
    return run.size - _size(run.folder)


def unpack(folder: Path) -> bool:
    """Undo `pack`; return whether there was something to undo."""
    packed = folder / PACKED
    if not packed.is_file():
        return False
    with tarfile.open(packed) as archive:
        archive.extractall(folder, filter="data")
    packed.unlink()
    return True
