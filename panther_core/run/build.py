"""The compile phases: once per content, in a folder of the cache that is kept between runs."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import platform
import shutil
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

import attrs

from panther_core.run.placeholders import fill_command
from panther_hookspecs import (
    BaseEvent,
    CommandProcessor,
    ServicePlan,
    ShellCommand,
    TestCaseInitializationError,
    building,
)

PHASES = ("pre_compile", "compile", "post_compile")
_COMPLETE = ".complete"


class BuildError(TestCaseInitializationError):
    """A compile phase failed; the message holds the last lines that the tool wrote."""

    exit_code = 3


@attrs.define
class BuildCache:
    """Content-addressed builds. Several threads and several panthers may share one cache."""

    folder: Path
    commands: CommandProcessor
    evidence: Path
    """Where the run keeps a copy of the logs of every build that it has used."""
    emit: Callable[[BaseEvent], None]
    _failed: dict[str, str] = attrs.field(factory=dict)
    _done: set[str] = attrs.field(factory=set)
    _lock: threading.Lock = attrs.field(factory=threading.Lock)

    def ready(self, implementation: str, plan: ServicePlan) -> Path | None:
        """Return the folder of the finished build, building it if need be; None if there is nothing to build."""
        folder = self.planned(implementation, plan)
        if folder is None or (key := folder.name) in self._done:
            return folder
        with self._lock:
            if key in self._failed:
                raise BuildError(self._failed[key])
            if key not in self._done:
                with contextlib.ExitStack() as stack:
                    if not (folder / _COMPLETE).exists():  # somebody else who builds it is waited for as well
                        stack.enter_context(building(f"building {implementation}", self.emit))
                    stack.enter_context(_held(self.folder / f"{key}.lock"))
                    try:
                        self._build(folder, key, implementation, plan)
                    finally:
                        shutil.copytree(folder / "logs", self.evidence / key, dirs_exist_ok=True)
                self._done.add(key)
        return folder

    def planned(self, implementation: str, plan: ServicePlan) -> Path | None:
        """Return where the build is or would be, without building it; None if there is nothing to build."""
        if not any(getattr(plan, phase) for phase in PHASES):
            return None
        return self.folder / _key(implementation, plan)

    def _build(self, folder: Path, key: str, implementation: str, plan: ServicePlan) -> None:
        if (folder / _COMPLETE).exists():
            return
        shutil.rmtree(folder, ignore_errors=True)
        (folder / "logs").mkdir(parents=True)
        known = {"build": str(folder), "dir": str(folder)}
        for phase in PHASES:
            for number, command in enumerate(getattr(plan, phase), 1):
                self._run(folder, key, implementation, f"{phase}-{number}", _placed(command, folder, known))
        (folder / _COMPLETE).touch()

    def _run(self, folder: Path, key: str, implementation: str, name: str, command: ShellCommand) -> None:
        result = self.commands.execute(command, log_dir=folder / "logs", name=name)
        if result.exit_code == 0:
            return
        tail = (result.stderr.strip() or result.stdout.strip() or "it wrote nothing").splitlines()[-2:]
        self._failed[key] = (
            f"building {implementation} failed: {command.command}: {result.exit}\n  "
            + "\n  ".join(tail)
            + f"\n  the whole log: {self.evidence / key}"
        )
        raise BuildError(self._failed[key])


def _placed(command: ShellCommand, folder: Path, known: Mapping[str, str]) -> ShellCommand:
    filled = fill_command(command, known, f"the compile phases of {folder.name}")
    return filled if filled.working_dir else attrs.evolve(filled, working_dir=str(folder))


def _key(implementation: str, plan: ServicePlan) -> str:
    """Return a name that changes whenever an input of the build changes: sources, commands, tools, machine.

    Where the sources are does not count: another checkout or environment with the same files needs no build.
    """
    digest = hashlib.blake2b(digest_size=10)
    digest.update(repr((platform.machine(), sys.version_info[:2])).encode())
    for phase in PHASES:
        for command in getattr(plan, phase):
            words = [_placeless(word, plan.build_inputs) for word in command.argv]
            digest.update(repr((phase, words, sorted(command.env.items()), _stamp(command.command))).encode())
    for place in plan.build_inputs:
        for file in sorted(place.rglob("*")) if place.is_dir() else [place]:
            if file.is_file():
                digest.update(str(file.relative_to(place.parent)).encode() + b"\0" + file.read_bytes())
    return f"{implementation}-{digest.hexdigest()}"


def _placeless(word: str, inputs: Iterable[Path]) -> str:
    for place in inputs:
        word = word.replace(str(place), place.name)
    return word


def _stamp(program: str) -> tuple[str, int] | None:
    """Identify the tool without running it: a new compiler is a new file."""
    path = shutil.which(program)
    return (os.path.realpath(path), Path(path).stat().st_size) if path else None


@contextlib.contextmanager
def _held(path: Path) -> Iterator[None]:
    """Hold a lock file, so that another panther waits for this build instead of repeating it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
