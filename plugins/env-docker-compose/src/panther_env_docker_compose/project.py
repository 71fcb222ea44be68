"""Everything that one attempt has in the Docker engine, from its creation to its removal."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import attrs

from panther_env_docker_compose.docker import Docker

_REAPER = Path(__file__).with_name("reaper.py")
_FAREWELL_PATIENCE = 10.0


@attrs.define
class Project:
    """A compose project, with somebody beside it who removes it if PANTHER is killed."""

    name: str
    file: Path
    docker: Docker
    _reaper: subprocess.Popen[bytes] | None = attrs.field(default=None, init=False)

    @property
    def _label(self) -> str:
        return f"label=panther.project={self.name}"

    def container(self, service: str) -> str:
        """Return the name that Compose gives to the container of a service."""
        return f"{self.name}-{service}-1"

    def create(self) -> None:
        """Create networks and containers, none of them started. The reaper is there before anything else is."""
        self._reaper = subprocess.Popen(
            [sys.executable, "-I", "-S", str(_REAPER), self.name],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        self.docker.create(self.file)

    def containers(self) -> list[str]:
        """Return the ids of the containers that are there, running or not."""
        return self.docker.run("ps", "--all", "--quiet", "--filter", self._label).split()

    def remove(self) -> None:
        """Remove everything, whatever state it is in, and let the reaper go."""
        self.docker.remove(self.file)
        self.farewell()

    def farewell(self) -> None:
        """Tell the reaper that there is nothing to do for it."""
        reaper, self._reaper = self._reaper, None
        if reaper is not None:
            reaper.communicate(b".", timeout=_FAREWELL_PATIENCE)

    def left(self) -> Iterator[str]:
        """Yield what is still there."""
        for each in self.containers():
            yield f"container {each}"
        for each in self.docker.run("network", "ls", "--quiet", "--filter", self._label).split():
            yield f"Docker network {each}"
