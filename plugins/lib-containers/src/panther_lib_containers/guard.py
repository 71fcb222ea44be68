"""Everything that one attempt has in the engine, found by its label, and who removes it if PANTHER is killed."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import attrs

from panther_hookspecs import DockerComposeException
from panther_lib_containers.engine import Engine, names_of
from panther_lib_containers.where import socket_of

_REAPER = Path(__file__).with_name("reaper.py")
_FAREWELL_PATIENCE = 10.0
_AT_ONCE = 8


@attrs.define
class Guard:
    """The belongings of one attempt: all containers and networks with the label of its project."""

    project: str
    run_id: str
    case_id: str
    environment: str
    engine: Engine
    folder: Path
    _reaper: subprocess.Popen[bytes] | None = attrs.field(default=None, init=False)
    _unanswered: bool = attrs.field(default=False, init=False)

    @property
    def labels(self) -> Mapping[str, str]:
        """What every container and network has to carry."""
        return {
            "panther.run": self.run_id,
            "panther.case": self.case_id,
            "panther.project": self.project,
            "panther.environment": self.environment,
        }

    @property
    def _label(self) -> str:
        return f"panther.project={self.project}"

    @contextlib.contextmanager
    def making(self) -> Iterator[None]:
        """Watch over what is created inside of it; what a call that failed has asked for may come later."""
        place = socket_of(self.engine.host)
        self._reaper = subprocess.Popen(
            [sys.executable, "-I", "-S", str(_REAPER), self.project, place, f"{self.folder}/", self.run_id],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            yield
        except DockerComposeException:
            self._unanswered = True
            raise

    def containers(self) -> list[str]:
        """Return the ids of the containers that are there, running or not."""
        return names_of(self.engine.containers(self._label))

    def remove(self) -> None:
        """Remove everything, whatever state it is in, and let the reaper go; if that fails it goes on trying."""
        if self._remove_containers(self.containers()) and (errors := self._remove_containers(self.containers())):
            raise errors[0]
        for network in names_of(self.engine.networks(self._label)):
            self.engine.remove_network(network)
        self.farewell()

    def _remove_containers(self, containers: Sequence[str]) -> list[DockerComposeException]:
        """Remove containers side by side and return what went wrong: Podman wants those first that need others."""
        errors: list[DockerComposeException] = []

        def remove(container: str) -> None:
            try:
                self.engine.remove_container(container)
            except DockerComposeException as error:
                errors.append(error)

        if containers:
            with ThreadPoolExecutor(min(len(containers), _AT_ONCE)) as pool:
                list(pool.map(remove, containers))
        return errors

    def farewell(self) -> None:
        """Tell the reaper that there is nothing to do for it, or let it wait for what may still come."""
        reaper, self._reaper = self._reaper, None
        if reaper is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                reaper.communicate(b"" if self._unanswered else b".", timeout=_FAREWELL_PATIENCE)

    def left(self) -> Iterator[str]:
        """Yield what is still there."""
        for each in self.containers():
            yield f"container {each[:12]}"
        for each in names_of(self.engine.networks(self._label)):
            yield f"Docker network {each[:12]}"
