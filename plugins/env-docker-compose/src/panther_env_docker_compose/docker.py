"""Calls of Docker and Compose, each with a time limit, and each failure as an error that says what to do."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import attrs

from panther_env_docker_compose.failures import explained
from panther_hookspecs import DockerComposeException

_SMALL = 20.0
"""Seconds for a call that only asks or signals."""


def local() -> bool:
    """Return whether the engine that is asked is on this machine."""
    host = os.environ.get("DOCKER_HOST", "")
    return not host or host.startswith("unix://")


@attrs.frozen
class Docker:
    """The Docker engine of this machine."""

    limit: float = 60.0
    """Seconds that one call may take."""

    def run(self, *words: str) -> str:
        """Return what ``docker`` with these words prints."""
        doing = f"docker {' '.join(words[:2])}"
        try:
            done = subprocess.run(
                ["docker", *words],
                capture_output=True,
                stdin=subprocess.DEVNULL,
                timeout=min(self.limit, _SMALL),
                check=False,
                start_new_session=True,
            )
        except FileNotFoundError:
            raise DockerComposeException("docker is not installed\n  try: the package docker.io") from None
        except subprocess.TimeoutExpired:
            raise explained(doing, -9, "") from None
        if done.returncode:
            raise explained(doing, done.returncode, done.stderr.decode("utf-8", "replace"))
        return done.stdout.decode("utf-8", "replace")

    def info(self) -> Any:
        """Return what the engine tells of itself, and the plugins of the command."""
        return json.loads(self.run("info", "--format", "{{json .}}"))

    def inspect(self, names: Sequence[str]) -> Any:
        """Return all that is known of some containers."""
        return json.loads(self.run("container", "inspect", *names))

    def state(self, container: str) -> Any:
        """Return the state of a container."""
        return json.loads(self.run("container", "inspect", "--format", "{{json .State}}", container))

    def subnets(self) -> tuple[str, ...]:
        """Return the addresses that networks have already taken."""
        ids = self.run("network", "ls", "--quiet").split()
        if not ids:
            return ()
        form = "{{range .IPAM.Config}}{{.Subnet}} {{end}}"
        return tuple(self.run("network", "inspect", "--format", form, *ids).split())

    def has_image(self, name: str) -> bool:
        """Return whether the engine has an image."""
        return bool(self.run("image", "ls", "--quiet", name).strip())

    def import_image(self, tar: Path, tag: str, changes: Sequence[str]) -> None:
        """Make an image of a tar file."""
        with self._translated("making an image"):
            self._client().image.import_(tar, tag, changes=list(changes))

    def create(self, file: Path) -> None:
        """Create the networks and containers of a compose file; start nothing."""
        with self._translated(f"docker compose -f {file} up --no-start"):
            self._client(file).compose.up(start=False, no_build=True, quiet=True)

    def remove(self, file: Path) -> None:
        """Remove what was made of a compose file, with its volumes; it need not be there."""
        with self._translated(f"docker compose -f {file} down"):
            self._client(file).compose.down(volumes=True, timeout=0, quiet=True)

    def _client(self, *files: Path) -> Any:
        from python_on_whales import DockerClient

        bounded = ["timeout", "--kill-after", "5", f"{self.limit:g}", "docker"]
        return DockerClient(client_call=bounded, compose_files=list(files))

    @contextmanager
    def _translated(self, doing: str) -> Iterator[None]:
        from python_on_whales.exceptions import DockerException

        try:
            yield
        except DockerException as error:
            raise explained(doing, error.return_code, error.stderr or "") from error
