"""Containers that only wait: everything in them is started by whoever reserved them."""

from __future__ import annotations

import contextlib
import itertools
import secrets
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import attrs
from panther_lib_containers.engine import Engine

from panther_hookspecs import EnvironmentUnavailableError, PantherExperimentError, Provisioner, System, option

ENVIRONMENT = "provisioner"
"""What the containers are labelled with, beside their run."""
_GONE = 404
_STAY = "sleep $1; while ls /tmp/panther-*/agents; do sleep 2; done"
"""What a container does: it ends when the lease of whoever worked in it is over, should PANTHER have been killed."""


@attrs.frozen(kw_only=True)
class ContainerOptions:
    """Which containers."""

    image: str = option(help="The image; it must have Python, 3.11 or later for cases of PANTHER.")
    interpreter: str = option("python3", help="The Python in it.")
    network: str = option("bridge", help="The network that the containers are in, as `docker run --network` takes it.")
    environment: Mapping[str, str] = option(factory=dict, help="Variables of everything that runs in them.")
    memory: int = option(0, validator=attrs.validators.ge(0), help="Most bytes of memory of each; no limit if 0.")
    cpus: float = option(0.0, validator=attrs.validators.ge(0), help="Most processors of each; no limit if 0.")
    lease: float = option(
        60.0, validator=attrs.validators.gt(0), help="Seconds after which, without a connection, work there is lost."
    )


@attrs.define(eq=False)
class Containers(Provisioner):
    """Each system is a new container, removed when it is given back."""

    options: ContainerOptions
    engine: Engine = attrs.field(factory=Engine)
    _run: str = "none"
    _numbers: Iterator[int] = attrs.field(factory=lambda: itertools.count(1))

    def open(self, run_id: str) -> None:
        """Mark what is made with the run, so that `panther clean` finds it."""
        self._run = run_id

    def reserve(self) -> System:
        """Start a container."""
        number, options = next(self._numbers), self.options
        if self.engine.image(options.image) is None:
            raise EnvironmentUnavailableError(
                f"there is no image {options.image}\n  try: docker pull {options.image}", lasting=True
            )
        name = f"panther-{self._run}-{number}-{secrets.token_hex(4)}"  # one of a killed run may still be there
        host = {"Init": True, "AutoRemove": True, "NetworkMode": options.network, "Memory": options.memory}
        request = {
            "Image": options.image,
            "Entrypoint": [],
            "Cmd": ["sh", "-c", _STAY, "sh", str(int(options.lease) + 1)],
            "Env": [f"{key}={value}" for key, value in options.environment.items()],
            "Labels": {"panther.run": self._run, "panther.environment": ENVIRONMENT},
            "HostConfig": {**host, "NanoCpus": int(options.cpus * 1e9)},
        }
        try:
            self.engine.create(name, request)
            self.engine.start(name)
        except EnvironmentUnavailableError as error:
            self.engine.remove_container(name)
            if not error.lasting:
                raise
            why = "\n".join(line for line in str(error).splitlines() if name not in line)  # the same for all of them
            fix = "" if "try: " in why else "\n  try: other options of the provisioner `container`"
            raise EnvironmentUnavailableError(f"{why}{fix}", lasting=True) from error
        return self._system(name, number)

    def release(self, system: System) -> None:
        """Remove the container with all that is in it."""
        with contextlib.suppress(PantherExperimentError):  # it ends by itself when nobody uses it
            self.engine.remove_container(system.facts["container"])

    def is_alive(self, system: System) -> bool:
        """Return whether the container still runs."""
        found: Any = self.engine.ask("GET", f"/containers/{system.facts['container']}/json", fine=(_GONE,))
        return bool(found and found["State"]["Running"])

    def _system(self, name: str, number: int) -> System:
        options = self.options

        def reach(argv: Sequence[str]) -> Sequence[str]:
            return self.engine.command("exec", "-i", name, *argv)

        facts = {"interpreter": options.interpreter, "lease": str(options.lease), "container": name}
        return System(
            name=f"container-{number}", labels=frozenset({"container", options.image}), facts=facts, reach=reach
        )
