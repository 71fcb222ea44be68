"""What Docker and Compose say when they refuse, and what a person can do about it."""

from __future__ import annotations

import re

from panther_hookspecs import DockerComposeException

_KNOWN = (
    ("Cannot connect to the Docker daemon", "the Docker engine does not answer", "start it, or set DOCKER_HOST"),
    ("permission denied while trying to connect", "this user may not talk to the Docker engine", "the group docker"),
    ("unknown command: docker compose", "Docker has no Compose plugin", "install Compose, version 2"),
    ("is not a docker command", "Docker has no Compose plugin", "install Compose, version 2"),
    ("Pool overlaps", "another network has taken these addresses meanwhile", "run it again, or another pool"),
    ("non-overlapping IPv4 address pool", "the Docker engine has no addresses left", "docker network prune"),
    ("No such image", "an image is missing", "docker pull, or pull: missing"),
    ("pull access denied", "an image is missing and cannot be fetched", "its right name, or docker login"),
    ("/v2/", "an image is missing, and its registry cannot be reached", "docker load, or image: host"),
    ("no such host", "an image is missing, and its registry cannot be reached", "docker load, or image: host"),
    ("failed to resolve reference", "an image is missing and cannot be fetched", "docker load, or image: host"),
    ("bind source path does not exist", "a path that a service needs does not exist", "make it, or leave it out"),
    ("executable file not found", "the image has no such program", "another image, or the full path of the program"),
    ("address already in use", "an address or port is taken", "another pool"),
    ("unexpected EOF", "the Docker engine has ended meanwhile", "look into the log of the engine"),
    ("is too new. Maximum supported API version", "the Docker engine is too old", "an engine from 20.10 on"),
    ("container-init binary not found", "the engine has no init for containers", "the package catatonit"),
    ("no space left on device", "the disk of the Docker engine is full", "docker system df"),
    ("validating ", "Compose does not accept the file, or is too old for it", "a newer Compose"),
)
_STOPPED_BY_TIMEOUT = (124, 137, -9)
_WRONG = (400, 404)
"""How the engine answers what it will never do: a value that it does not take, a thing that is not there."""
_QUOTED = 300
_OF_COMPOSE = re.compile(r"^\S+ (?:Error|Warning) ")
"""What Compose puts before the words of the engine: a service and how it is with it."""


def explained(doing: str, code: int | None, said: str) -> DockerComposeException:
    """Return the error for a call that failed while ``doing`` something and ``said`` why."""
    lines = [_OF_COMPOSE.sub("", line.strip()) for line in said.strip().splitlines() if line.strip()]
    last = lines[-1][-_QUOTED:] if lines else f"exit code {code}"
    for text, what, fix in _KNOWN:
        if text.lower() in said.lower():
            line = next((each for each in lines if text.lower() in each.lower()), last)
            why = f"{what}\n  in {doing}\n  because {line[-_QUOTED:]}\n  try: {fix}"
            return DockerComposeException(why, lasting=code in _WRONG)
    if code in _STOPPED_BY_TIMEOUT and not lines:
        return DockerComposeException(f"the Docker engine took too long\n  in {doing}\n  try: a longer timeout")
    return DockerComposeException(f"Docker refused: {last}\n  in {doing}", lasting=code in _WRONG)
