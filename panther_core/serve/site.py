"""What there is to see of a folder with runs: all of them, each of them, its files, and measurements over time."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from http import HTTPStatus
from pathlib import Path
from typing import TypeVar
from urllib.parse import parse_qs, unquote, urlsplit

import attrs

from panther_core.results.directory import RESOLVED, RESULTS
from panther_core.results.shelf import Shelved, shelved
from panther_core.results.view import DirectoryView
from panther_core.serve.files import Answer, file_answer
from panther_core.serve.history import SECONDS, Numbers, numbers_of
from panther_core.serve.markup import el, link, page
from panther_core.serve.pages import history_page, overview, run_page

_MOST_RUNS = 100
T = TypeVar("T")
Reports = Mapping[str, Callable[[Path], bytes]]
"""What makes a report of a run, by the name of its file."""


@attrs.define
class Site:
    """Answers requests; what it has read of a run is kept until the run changes."""

    base: Path
    reports: Reports
    _known: dict[tuple[str, str], tuple[tuple[int, int], object]] = attrs.field(factory=dict, init=False)
    _lock: threading.Lock = attrs.field(factory=threading.Lock, init=False)
    _making: threading.Lock = attrs.field(factory=threading.Lock, init=False)
    """What draws is not made for being called twice at once."""

    def answer(self, target: str) -> Answer:
        """Return what stands at an address; an address that leads nowhere gets a page that says so."""
        parts = urlsplit(target)
        query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
        match [unquote(each) for each in parts.path.split("/")[1:]]:
            case [""]:
                return Answer.of_page(
                    overview(self.base.name, *self._runs(), query.get("experiment", ""), tuple(self.reports))
                )
            case ["history"]:
                return self._history(query.get("experiment", ""), query.get("metric", SECONDS))
            case ["runs", name, *rest] if rest:
                folder = self._folder(name)
                return self._below(folder, rest) if folder else self._missing()
        return self._missing()

    def _missing(self) -> Answer:
        body = page("Not here", el("p", None, "There is nothing at this address. ", link(("",), "All runs")))
        return Answer(status=HTTPStatus.NOT_FOUND, body=body)

    def _folder(self, name: str) -> Path | None:
        """Return a run's folder by its name alone: nothing above, beside or elsewhere."""
        return next((each for each in self._folders() if each.name == name), None)

    def _folders(self) -> Iterator[Path]:
        root = self.base.resolve()
        for each in self.base.iterdir() if self.base.is_dir() else ():
            if (each / RESOLVED).is_file() and each.resolve().parent == root:
                yield each

    def _kept(self, kind: str, folder: Path, read: Callable[[Path], T]) -> T:
        journal = folder / RESULTS
        state = journal.stat() if journal.is_file() else (folder / RESOLVED).stat()
        stamp, key = (state.st_mtime_ns, state.st_size), (kind, folder.name)
        with self._lock:
            known = self._known.get(key)
            if known is None or known[0] != stamp:
                known = (stamp, read(folder))
                self._known[key] = known
        return known[1]  # type: ignore[return-value] # what was read by the same function

    def _runs(self) -> tuple[list[Shelved], list[tuple[str, str]]]:
        """Return the runs that can be read, the newest first, and why others cannot."""
        found, broken = [], []
        for folder in self._folders():
            try:
                found.append(self._kept("run", folder, shelved))
            except Exception as error:  # noqa: BLE001 - whatever is wrong with one run is told, and hides no other
                broken.append((folder.name, f"{type(error).__name__}: {error}".splitlines()[0]))
        return sorted(found, key=lambda each: -each.ended), broken

    def _below(self, folder: Path, rest: Sequence[str]) -> Answer:
        if list(rest) == [""]:
            return Answer.of_page(run_page(self._kept("run", folder, shelved), tuple(self.reports)))
        if len(rest) == 1 and rest[0] in self.reports and not (folder / rest[0]).is_file():
            with self._making:
                return Answer.of_report(self.reports[rest[0]](folder))
        return file_answer(folder, rest, reports=tuple(self.reports)) or self._missing()

    def _history(self, experiment: str, metric: str) -> Answer:
        runs = [each for each in reversed(self._runs()[0]) if each.name == experiment][-_MOST_RUNS:]
        if not runs:
            return self._missing()
        numbers = [(each, self._kept("numbers", each.folder, _numbers)) for each in runs]
        return Answer.of_page(history_page(experiment, metric, numbers))


def _numbers(folder: Path) -> Numbers:
    return numbers_of(DirectoryView(folder))
