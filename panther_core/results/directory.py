"""The run directory: made once, written by appending, safe to read and to continue after a crash at any moment."""

from __future__ import annotations

import contextlib
import difflib
import fcntl
import json
import os
import re
import secrets
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

import attrs

from panther_hookspecs import ExperimentInitializationError, Verdict

RESULTS = "results.jsonl"
RESOLVED = "resolved.yaml"
AS_WRITTEN = "experiment.yaml"
LOCK = "panther.lock.json"
HELD = ".panther"
_EXPERIMENTS = (".yaml", ".yml")


class RunDirectoryError(ExperimentInitializationError):
    """A run directory cannot be made, opened or continued."""


def slug(text: str, limit: int = 40) -> str:
    """Return ``text`` as a part of a file name: lower case letters, digits and dashes."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:limit].strip("-") or "run"


@attrs.frozen(kw_only=True)
class History:
    """What is on disk about one case."""

    attempts: int
    """Number of the last attempt."""
    verdicts: tuple[Verdict, ...]
    """Of the attempts since the case was last taken up."""
    final: Mapping[str, Any] | None
    """The record that settles the case, if it is settled."""


@attrs.define
class RunDirectory:
    """One run's folder, held exclusively while this object lives."""

    folder: Path
    run_id: str
    """Everything made outside of the folder carries this; no other run has it, wherever its folder is."""
    _journal: int
    _hold: int

    @classmethod
    def create(cls, base: Path, name: str, *, at: Path | None = None) -> Self:
        """Make a new folder ``<name>-<utc time>`` in ``base``, or exactly ``at``, which must be missing or empty."""
        folder = (at or base / f"{slug(name)}-{datetime.now(UTC):%Y%m%dT%H%M%SZ}").absolute()
        try:
            folder = _make(folder, exact=at is not None)
            (folder / "cases").mkdir()
        except OSError as error:
            raise RunDirectoryError(
                f"cannot make the run directory {folder}: {error.strerror}\n  try: --output with another folder"
            ) from error
        return cls._hold_it(folder)

    @classmethod
    def open(cls, folder: Path) -> Self:
        """Take an existing run up again: an unfinished last line of its journal is cut off."""
        if not (folder / RESOLVED).is_file():
            raise RunDirectoryError(f"{folder} is no run directory: it has no {RESOLVED}")
        run = cls._hold_it(folder.absolute())
        cut_torn_line(folder / RESULTS)
        cut_torn_line(folder / "events.jsonl")
        return run

    @classmethod
    def _hold_it(cls, folder: Path) -> Self:
        try:
            hold = os.open(folder / HELD, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
            fcntl.flock(hold, fcntl.LOCK_EX | fcntl.LOCK_NB)
            journal = os.open(folder / RESULTS, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
        except BlockingIOError as error:
            raise RunDirectoryError(
                f"another panther is working in {folder}\n  try: wait for it, or stop it"
            ) from error
        except OSError as error:
            raise RunDirectoryError(f"cannot write to {folder}: {error.strerror}") from error
        return cls(folder, _identity(hold, folder), journal, hold)

    def record(self, attempt: Mapping[str, Any]) -> None:
        """Append one finished attempt with a single write: when this returns, a crash cannot lose it."""
        line = json.dumps(attempt, separators=(",", ":"), default=str).encode() + b"\n"
        written = os.write(self._journal, line)
        if written != len(line):
            os.ftruncate(self._journal, os.fstat(self._journal).st_size - written)
            raise OSError(28, f"the disk is full: a result could not be written to {self.folder / RESULTS}")

    def write(self, name: str, content: str) -> None:
        """Write a whole file of the run, replacing it only when the new one is complete."""
        target = self.folder / name
        temporary = target.with_name(f".{target.name}.{os.getpid()}")
        temporary.write_text(content, encoding="utf-8")
        temporary.replace(target)

    def case_folder(self, case_id: str, attempt: int) -> Path:
        """Make and return the folder of an attempt; one that a killed run has left half-filled is set aside."""
        folder = self.folder / "cases" / case_id / str(attempt)
        try:
            folder.mkdir(parents=True)
        except FileExistsError:
            _set_aside(folder)
            folder.mkdir()
        return folder

    def was_begun(self, case_id: str, attempt: int) -> bool:
        """Return whether there is a folder of that attempt, which then has no end: it is asked before it begins."""
        return (self.folder / "cases" / case_id / str(attempt)).exists()

    def history(self) -> dict[str, History]:
        """Return what was recorded about every case since it was last taken up, by case id."""
        found: dict[str, History] = {}
        for record in read_lines(self.folder / RESULTS):
            before = found.get(record["case"])
            earlier = before.verdicts if before is not None and before.final is None else ()
            found[record["case"]] = History(
                attempts=record["attempt"],
                verdicts=(*earlier, Verdict(record["verdict"])),
                final=record if record["final"] else None,
            )
        return found

    def close(self) -> None:
        """Let go of the folder after everything has reached the disk."""
        with contextlib.suppress(OSError):  # a full disk was reported when it happened
            os.fdatasync(self._journal)
        os.close(self._journal)
        os.close(self._hold)


def _identity(hold: int, folder: Path) -> str:
    """Return the run's id, which the file that holds the run keeps; a new run gets one."""
    known = os.pread(hold, 200, 0).decode()
    if not known:
        known = f"{slug(folder.name, 60)}-{secrets.token_hex(4)}"
        os.pwrite(hold, known.encode(), 0)
    return known


def _make(folder: Path, *, exact: bool) -> Path:
    if exact:
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise RunDirectoryError(
                f"{folder} is not empty; a run never writes into an existing one\n"
                "  try: another --output, or `panther resume` to continue that run"
            )
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    for number in range(1, 1000):
        candidate = folder if number == 1 else folder.with_name(f"{folder.name}-{number}")
        with contextlib.suppress(FileExistsError):
            candidate.mkdir()
            return candidate
    raise RunDirectoryError(f"there are a thousand runs called {folder.name} already")


def _set_aside(folder: Path) -> None:
    for number in range(1, 1000):
        aside = folder.with_name(f"{folder.name}.interrupted-{number}")
        if not aside.exists():
            folder.rename(aside)
            return


def cut_torn_line(path: Path) -> None:
    """Cut off what follows the last newline: a write that a crash interrupted."""
    if not path.is_file():
        return
    with path.open("r+b") as file:
        size = end = file.seek(0, os.SEEK_END)
        while end > 0:
            start = max(0, end - 65536)
            file.seek(start)
            newline = file.read(end - start).rfind(b"\n")
            if newline >= 0:
                end = start + newline + 1
                break
            end = start
        if end != size:
            file.truncate(end)


def whole_lines(path: Path) -> Iterator[bytes]:
    """Yield the lines of a file, if there is one; an unfinished last line is left out."""
    if path.is_file():
        with path.open("rb") as file:
            yield from (line for line in file if line.endswith(b"\n"))


def read_lines(path: Path, wanted: Callable[[bytes], bool] = bool) -> Iterator[dict[str, Any]]:
    """Yield the JSON objects of a file of lines, of those that are wanted; an unfinished last line is left out."""
    decode = json.JSONDecoder().decode  # what json.loads() does without guessing the encoding of each line
    return (decode(line[:-1].decode("utf-8")) for line in whole_lines(path) if wanted(line))


def find_run(name: str, base: Path) -> Path:
    """Return the run directory called ``name``: a path, a folder below ``base``, or ``last`` for the newest."""
    if name == "last":
        runs = [folder for folder in base.iterdir() if (folder / RESOLVED).is_file()] if base.is_dir() else []
        if not runs:
            raise RunDirectoryError(f"there is no run in {base} yet")
        return max(runs, key=lambda folder: (folder / RESOLVED).stat().st_mtime_ns)
    for folder in (Path(name), base / name):
        if (folder / RESOLVED).is_file():
            return folder
    raise RunDirectoryError(f"no run {name!r}: neither a run directory nor a run in {base}\n  {_instead(name, base)}")


def _instead(name: str, base: Path) -> str:
    """Return what somebody may want who names something that is no run: one of an experiment, or a misspelt one."""
    runs = {each.name: each for each in base.iterdir() if (each / RESOLVED).is_file()} if base.is_dir() else {}
    path = Path(name)
    if any((folder / HELD).is_file() for folder in (path, base / name)):
        return "that one was ended before it had begun; try: remove the folder, and run the experiment again"
    begins = slug(path.stem if path.suffix in _EXPERIMENTS else name)
    own = [runs[each] for each in runs if each.startswith(f"{begins}-")]
    if own:
        return f"the newest run of that experiment: {max(own, key=lambda each: each.name)}"
    if path.suffix in _EXPERIMENTS and path.is_file():
        return f"it is an experiment; to run it: panther run {name}"
    near = difflib.get_close_matches(name, runs, n=1)
    if near:
        return f"did you mean {near[0]!r}?"
    return "try: panther runs, which lists what there is" if runs else "try: panther run, which makes one"
