"""A host: what tests and the engine do on another system, over a connection that may break."""

from __future__ import annotations

import hashlib
import itertools
import os
import queue
import tarfile
import tempfile
import threading
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs

from panther_core.remote.boot import OLDEST
from panther_core.remote.connection import Connection, write_all
from panther_core.remote.far.files import packed
from panther_core.remote.far.wire import CHUNK
from panther_hookspecs import Host, Job, JobEnd, PantherExperimentError, System, SystemLostError, TestExecutionError

LEASE = 60.0
"""Seconds that both sides wait for each other."""
Heard = Callable[[Mapping[str, Any]], None]


@attrs.frozen(eq=False)
class Archive:
    """A packed tree, and what tells its content from any other."""

    descriptor: int
    digest: str
    size: int

    @classmethod
    def of(cls, tree: Path, without: str = "") -> Archive:
        """Pack a file or folder, but for folders with a file called ``without``."""
        digest, size = hashlib.sha256(), 0
        with tempfile.TemporaryFile(buffering=0) as file:
            for part in packed(str(tree), without):
                digest.update(part)
                write_all(file, part)
                size += len(part)
            made = cls(os.dup(file.fileno()), digest.hexdigest(), size)
        weakref.finalize(made, os.close, made.descriptor)
        return made

    def part(self, offset: int) -> bytes:
        """Return what is sent at once; several hosts may ask at the same time."""
        return os.pread(self.descriptor, CHUNK, offset)


@attrs.define(eq=False)
class RemoteHost(Host):
    """A system behind a connection."""

    connection: Connection
    _jobs: dict[str, RemoteJob] = attrs.field(factory=dict)
    _names: Iterator[int] = attrs.field(factory=lambda: itertools.count(1))
    _over: list[str] = attrs.field(factory=list)
    """Jobs of which the host need keep nothing any more; told with the next that starts."""
    _copied: dict[str, Archive] = attrs.field(factory=dict)
    """What was copied there, by its digest: it is copied again, should the host have lost it."""

    @classmethod
    def connect(
        cls,
        system: System,
        run_id: str,
        is_alive: Callable[[], bool] = lambda: True,
        oldest: tuple[int, int] = OLDEST,
    ) -> RemoteHost:
        """Connect to a system that can be reached; EnvironmentUnavailableError says why that is not possible.

        ``is_alive`` says, should the connection break, whether there is still anything to come back to, ``oldest``
        which version of Python it needs.
        """
        if system.reach is None:
            raise TestExecutionError(f"{system.name} is this process: there is nothing to connect to")
        agent = hashlib.sha256(f"{run_id}\n{system.name}".encode()).hexdigest()[:20]
        connection = Connection(
            name=system.name,
            reach=system.reach,
            agent=agent,
            lease=float(system.facts.get("lease", LEASE)),
            base=system.facts.get("folder", ""),
            python=system.facts.get("interpreter", "python3"),
            oldest=oldest,
            is_alive=is_alive,
        )
        host = cls(connection)
        connection.open(told=host._told, back=host._back, gone=host._gone)
        return host

    @property
    def facts(self) -> Mapping[str, str]:  # type: ignore[override]
        """What the host is."""
        return self.connection.facts

    def labels(self) -> frozenset[str]:
        """Return the labels that follow from what the host is."""
        facts = self.facts
        distribution, version = facts["distribution"], facts["distribution_version"]
        found = {facts["machine"], facts["system"], distribution, f"python{facts['python']}"}
        found |= {f"{distribution}-{version}"} if version else set()
        found |= {each for each in ("root", "docker") if facts[each]}
        return frozenset(filter(None, found))

    def copy(self, tree: Path) -> str:
        """Place a file or folder there; return where it is. The same content travels only once."""
        path = self.place(Archive.of(tree))
        return f"{path}/{tree.name}" if tree.is_file() else path

    def place(self, archive: Archive) -> str:
        """Unpack an archive there, unless one with that content is there; return the folder."""
        answer = self.connection.ask({"do": "have", "tree": archive.digest})
        for offset in range(0, 0 if answer["have"] else archive.size, CHUNK):
            last = offset + CHUNK >= archive.size
            put = {"do": "put", "tree": archive.digest, "offset": offset, "last": last}
            self.connection.ask(put, archive.part(offset))
        self._copied[archive.digest] = archive
        path: str = answer["path"]
        return path

    def start(
        self,
        argv: Sequence[str],
        *,
        cwd: str = "",
        env: Mapping[str, str] | None = None,
        timeout: float | None = None,
        files: Path | None = None,
        stdin: bool = False,
        heard: Heard | None = None,
    ) -> Job:
        """Start a command in the background."""
        name = str(next(self._names))
        message = {
            "do": "start",
            "job": name,
            "argv": list(argv),
            "cwd": cwd,
            "env": dict(env or {}),
            "timeout": timeout,
            "stdin": stdin,
            "forget": self._told_over(),
        }
        job = self._jobs[name] = RemoteJob(self, name, message, files=files, heard=heard)
        self.connection.send(message)
        try:
            self.connection.refuse_if_lost()
        except SystemLostError as error:
            self._gone(str(error))
        return job

    def fetch(self, path: str, to: Path) -> None:
        """Copy a file or folder that is there into the folder ``to``."""
        with tempfile.TemporaryFile() as parts:
            self.connection.ask({"do": "fetch", "path": path}, parts=parts)
            parts.seek(0)
            to.mkdir(parents=True, exist_ok=True)
            with tarfile.open(fileobj=parts) as archive:
                archive.extractall(to, filter="tar")

    def remove(self, path: str) -> None:
        """Remove a folder there."""
        self.connection.ask({"do": "remove", "path": path})

    def close(self) -> None:
        """End all that runs there and leave nothing."""
        self.connection.close()
        self._gone(f"the connection to {self.connection.name} was closed")

    def forget(self, job: str) -> None:
        """Let the host remove what it keeps of a job that has ended, when it is next told anything."""
        self._jobs.pop(job, None)
        self._over.append(job)

    def _told_over(self) -> list[str]:
        over, self._over = self._over, []
        return over

    def _told(self, message: Mapping[str, Any], blob: bytes) -> None:
        job = self._jobs.get(message.get("job") or message.get("end") or message.get("lost") or "")
        if job is not None:
            job.told.put((message, blob))

    def _back(self, reborn: bool) -> None:
        """Say again what runs and what should not; with a new agent all is lost that did not announce it."""
        for job in list(self._jobs.values()):
            if not reborn:
                self.connection.send(job.message)
                if job.cancelled:
                    self.connection.send({"do": "cancel", "job": job.name})
            elif job.restarting:
                threading.Thread(target=self._restart, args=(job,), daemon=True).start()
            else:
                job.told.put(({"lost": job.name, "why": "everything that ran there was ended"}, b""))

    def _restart(self, job: RemoteJob) -> None:
        try:
            for archive in list(self._copied.values()):
                self.place(archive)
        except PantherExperimentError as error:
            job.told.put(({"lost": job.name, "why": f"it did not come back as it was: {error}"}, b""))
            return
        job.restarting = False
        job.reboots += 1
        job.message["env"]["PANTHER_REBOOTS"] = str(job.reboots)
        self.connection.send(job.message)

    def _gone(self, why: str) -> None:
        for job in list(self._jobs.values()):
            job.told.put(({"lost": job.name, "why": why}, b""))


@attrs.define(eq=False)
class RemoteJob(Job):
    """A command on a host; everything it tells is taken in the thread that waits for it."""

    host: RemoteHost
    name: str
    message: dict[str, Any]
    """How it was started."""
    files: Path | None = None
    heard: Heard | None = None
    told: queue.SimpleQueue[tuple[Mapping[str, Any], bytes]] = attrs.field(factory=queue.SimpleQueue)
    results: dict[str, Mapping[str, Any]] = attrs.field(factory=dict)
    notes: list[str] = attrs.field(factory=list)
    cancelled: bool = False
    restarting: bool = False
    reboots: int = 0
    _written: Iterator[int] = attrs.field(factory=lambda: itertools.count(1))

    def wait(self) -> JobEnd:
        """Return when it has ended; SystemLostError if the host is gone for good."""
        while True:
            message, blob = self.told.get()
            if "lost" in message:
                self.host.forget(self.name)
                raise SystemLostError(message["why"])
            if "end" in message:
                return self._ended(message, blob)
            if "bad" in message:
                self.notes.append(f"this is no result: {message['bad']}")
            else:
                self._said(message["said"])

    def cancel(self) -> None:
        """End it and everything that it has started."""
        self.cancelled = True
        self.host.connection.send({"do": "cancel", "job": self.name})

    def write(self, data: bytes) -> None:
        """Hand bytes to its standard input."""
        self.host.connection.ask({"do": "write", "job": self.name, "number": next(self._written)}, data)

    def _said(self, said: Mapping[str, Any]) -> None:
        if "name" in said:
            self.results[str(said["name"])] = said
        if "file" in said:
            self._fetch(str(said["file"]))
        if said.get("reboot"):
            self.restarting = True
            self.host.connection.send({"do": "restarting", "job": self.name})
        if self.heard is not None:
            self.heard(said)

    def _fetch(self, path: str) -> None:
        if self.files is None:
            self.notes.append(f"nobody wants the file {path}")
            return
        try:
            self.host.fetch(path, self.files)
        except TestExecutionError as error:
            self.notes.append(f"the file {path} could not be had {error}")

    def _ended(self, message: Mapping[str, Any], blob: bytes) -> JobEnd:
        try:
            if message.get("full"):
                raise SystemLostError(f"the disk of {self.host.connection.name} is full")
            if self.files is not None:
                self._keep_output(self.files, message["size"], blob)
        finally:
            self.host.forget(self.name)
        return JobEnd(
            reason=message["reason"],
            code=message["code"],
            seconds=message["seconds"],
            results=tuple(self.results.values()),
            output=blob,
            reboots=self.reboots,
            notes=tuple(self.notes),
        )

    def _keep_output(self, folder: Path, size: int, tail: bytes) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        if size > len(tail):
            self.host.fetch(f"../{self.name}.log", folder)
            (folder / f"{self.name}.log").replace(folder / "output.txt")
        else:
            (folder / "output.txt").write_bytes(tail)
