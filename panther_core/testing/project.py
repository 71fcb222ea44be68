"""A project: files in a folder, commands of the console run in it, and what came of them."""

from __future__ import annotations

import contextlib
import io
import os
import shlex
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import attrs

from panther_core.cli.main import main
from panther_core.results import DirectoryView

_TIMEOUT = 120.0


class MakeProject(Protocol):
    """The type of the fixture ``panther_project``."""

    def __call__(self, files: Mapping[str, str | bytes], *, plugins: Sequence[object] = ()) -> PantherProject:
        """Write ``files`` into a new folder; ``plugins`` are modules or objects that are not installed."""
        ...


@attrs.frozen(kw_only=True)
class Outcome:
    """What a command has done: what it said, how it ended, and the run that it made."""

    command: tuple[str, ...]
    exit_code: int
    stdout: str
    stderr: str
    runs: tuple[Path, ...] = ()
    """The run directories that appeared, oldest first."""

    @property
    def run(self) -> Path:
        """The run directory that the command has made."""
        if len(self.runs) != 1:
            raise AssertionError(f"{len(self.runs)} run directories appeared, not one\n{self}")
        return self.runs[0]

    def view(self) -> DirectoryView:
        """Return the run to read from."""
        return DirectoryView(self.run)

    def attempts(self) -> list[Mapping[str, Any]]:
        """Return the record of every attempt."""
        return list(self.view().attempts())

    def cases(self) -> list[Mapping[str, Any]]:
        """Return the record of every case, its verdict taken over its attempts."""
        return list(self.view().cases())

    def events(self) -> list[Mapping[str, Any]]:
        """Return every event of the run in order."""
        return list(self.view().events())

    def folder(self, case: str = "") -> Path:
        """Return the folder of the last attempt at the only case, or at the one of that name."""
        found = [each for each in self.cases() if case in ("", each["name"])]
        if len(found) != 1:
            raise AssertionError(f"{len(found)} cases {case!r}, not one\n{self}")
        return self.run / str(found[0]["folder"])

    def text(self, path: str, case: str = "") -> str:
        """Return the content of a file of evidence, such as ``services/client/stdout``."""
        return (self.folder(case) / path).read_text(encoding="utf-8", errors="replace")

    def measurements(self, case: str = "") -> dict[str, float]:
        """Return the measurements of a case by name, and by ``service.name`` where they are about a service."""
        found: dict[str, float] = {}
        for each in self.cases():
            for measured in each["measurements"] if case in ("", each["name"]) else ():
                found[measured["name"]] = measured["value"]
                if measured["service"]:
                    found[f"{measured['service']}.{measured['name']}"] = measured["value"]
        return found

    def assert_ok(self) -> None:
        """Assert that the command ended with exit code 0."""
        if self.exit_code != 0:
            raise AssertionError(f"expected exit code 0\n{self}")

    def assert_exit(self, code: int, *texts: str) -> None:
        """Assert that the command ended with ``code`` and that its output has all ``texts``."""
        missing = [text for text in texts if text not in self.stdout + self.stderr]
        if self.exit_code != code or missing:
            raise AssertionError(
                f"expected exit code {code}" + "".join(f" and {text!r}" for text in missing) + f"\n{self}"
            )

    def assert_verdicts(self, expected: Mapping[str, str | Sequence[str]]) -> None:
        """Assert the verdicts of all cases by name; a list where a name has several cases, in any order."""
        seen: dict[str, list[str]] = {}
        for each in self.cases():
            seen.setdefault(each["name"], []).append(each["verdict"])
        wanted = {
            name: sorted([verdicts] if isinstance(verdicts, str) else verdicts) for name, verdicts in expected.items()
        }
        if {name: sorted(verdicts) for name, verdicts in seen.items()} != wanted:
            reasons = "\n".join(f"  {each['name']}: {each['verdict']}: {each['why']}" for each in self.cases())
            raise AssertionError(f"expected the verdicts {wanted}, got\n{reasons}\n{self}")

    def __str__(self) -> str:
        """Return the whole outcome, as a failed assertion shows it."""
        return (
            f"$ panther {shlex.join(self.command)}\n{self.stdout}\n--- stderr\n{self.stderr}\n"
            f"--- exit code {self.exit_code}, runs: {', '.join(map(str, self.runs)) or 'none'}"
        )


@attrs.frozen(kw_only=True)
class PantherProject:
    """A folder with experiment files, and plugins that are not installed. Nothing outside of it is written."""

    folder: Path
    plugins: tuple[object, ...] = ()

    @classmethod
    def create(
        cls, folder: Path, files: Mapping[str, str | bytes], *, plugins: Sequence[object] = ()
    ) -> PantherProject:
        """Make ``folder`` and write ``files`` into it."""
        folder.mkdir(parents=True)
        for name, content in files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content.encode() if isinstance(content, str) else content)
        return cls(folder=folder, plugins=tuple(plugins))

    def run(
        self,
        command: str | Sequence[str],
        *more: str,
        subprocess: bool = False,
        environ: Mapping[str, str] | None = None,
        timeout: float = _TIMEOUT,
    ) -> Outcome:
        """Run ``panther`` with the words of ``command`` and the arguments ``more``; return what came of it.

        In this process with a fresh engine unless ``subprocess`` asks for the installed console script, which
        knows installed plugins only. ``environ`` is added to the environment, ``timeout`` bounds the subprocess.
        """
        words = (*(shlex.split(command) if isinstance(command, str) else command), *more)
        environment = {"XDG_CACHE_HOME": str(self.folder / ".cache"), **(environ or {})}
        before = self._runs()
        run = self._run_outside if subprocess else self._run_inside
        code, stdout, stderr = run(words, environment, timeout)
        made = sorted(self._runs() - before, key=lambda folder: (folder / "results.jsonl").stat().st_mtime_ns)
        return Outcome(command=words, exit_code=code, stdout=stdout, stderr=stderr, runs=tuple(made))

    def _run_inside(self, words: Sequence[str], environ: Mapping[str, str], _timeout: float) -> tuple[int, str, str]:
        stdout, stderr = io.StringIO(), io.StringIO()
        with (
            contextlib.chdir(self.folder),
            _environment(environ),
            contextlib.redirect_stdout(stdout),
            contextlib.redirect_stderr(stderr),
        ):
            code = main(words, extra=self.plugins)
        return code, stdout.getvalue(), stderr.getvalue()

    def _run_outside(self, words: Sequence[str], environ: Mapping[str, str], timeout: float) -> tuple[int, str, str]:
        if self.plugins:
            raise ValueError(
                "the console script knows installed plugins only: run without subprocess=True, or install them"
            )
        script = Path(sys.executable).with_name("panther")
        start = [str(script)] if script.exists() else [sys.executable, "-m", "panther_core"]
        done = subprocess.run(
            [*start, *words],
            cwd=self.folder,
            env={**os.environ, **environ},
            timeout=timeout,
            capture_output=True,
            stdin=subprocess.DEVNULL,
            check=False,
        )
        return done.returncode, done.stdout.decode("utf-8", "replace"), done.stderr.decode("utf-8", "replace")

    def _runs(self) -> set[Path]:
        return {path.parent for path in self.folder.rglob("results.jsonl")}


@contextlib.contextmanager
def _environment(added: Mapping[str, str]) -> Any:
    """Set variables within the block and put them back as they were."""
    before = {name: os.environ.get(name) for name in added}
    os.environ.update(added)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
