"""What killed runs have left in the Docker engine, found by their labels alone."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator

from panther_env_docker_compose.docker import Docker, local
from panther_hookspecs import DockerComposeException, Leftover

_FORM = '{{.ID}} {{.Label "panther.project"}} {{.Label "panther.run"}} {{.Label "panther.service"}}'


def leftovers() -> Iterator[Leftover]:
    """Yield every container and network that carries PANTHER's labels; none if there is no engine to ask."""
    docker = Docker()
    if shutil.which("docker") is None or not local() or not _answers(docker):
        return
    for line in docker.run("ps", "--all", "--filter", "label=panther.project", "--format", _FORM).splitlines():
        number, _, run, service = line.split(" ", 3)
        remove = _removal(docker, "rm", "--force", "--volumes", number)
        yield Leftover(what=f"container {number} of service {service}", run_id=run, remove=remove)
    for line in docker.run("network", "ls", "--filter", "label=panther.project", "--format", _FORM).splitlines():
        number, _, run, _ = line.split(" ", 3)
        remove = _removal(docker, "network", "rm", number)
        yield Leftover(what=f"Docker network {number}", run_id=run, remove=remove)


def _removal(docker: Docker, *words: str) -> Callable[[], None]:
    def remove() -> None:
        docker.run(*words)

    return remove


def _answers(docker: Docker) -> bool:
    try:
        docker.info()
    except DockerComposeException:
        return False
    return True
