"""Recordings of the container's loopback interface, one for each service, made from outside."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import attrs
from panther_lib_containers.namespaces import end_helper, start_helper

from panther_hookspecs import (
    Artifact,
    Context,
    Endpoint,
    Process,
    RecordedPlace,
    Recording,
    ServiceLaunch,
    TestExecutionError,
)

_FOLDER = "capture"


@attrs.define
class Recorders:
    """What records the packets of one attempt, in the network namespace of process ``pid``."""

    context: Context
    launches: Sequence[ServiceLaunch]
    limit: int
    length: int
    _running: dict[str, Process] = attrs.field(factory=dict)

    def start(self, pid: int) -> None:
        """Begin to record; from here on no packet is missed."""
        (self.context.folder / _FOLDER).mkdir(exist_ok=True)
        for launch in self.launches:
            places = tuple(self._places(launch.name))
            if places:
                recording = Recording(
                    file=self.context.folder / _file(launch.name),
                    interfaces=("lo",),
                    limit=self.limit,
                    length=self.length,
                    places=places,
                )
                argv = self.context.recorder(recording)
                self._running[launch.name] = start_helper(self.context, pid, argv, f"recorder-{launch.name}")

    def _places(self, service: str) -> Iterator[RecordedPlace]:
        """Yield the ports of a service itself, and those of others, at which it talks to them."""
        for launch in self.launches:
            for ip, port in _ends(launch.endpoint):
                yield RecordedPlace(ip=ip, port=port, own=launch.name == service)

    def collect(self) -> Iterator[Artifact]:
        """Let the recorders write what they have, and yield it."""
        problems = [problem for each in self._running.values() if (problem := end_helper(each))]
        if problems:
            raise TestExecutionError(problems[0])
        for name in self._running:
            yield Artifact(path=_file(name), kind="capture", service=name, title=f"Packets of {name}")

    def end(self) -> None:
        """End what still runs; of a case that went wrong the packets are worth most, so they are written first."""
        for each in self._running.values():
            end_helper(each)
            each.kill()


def _file(service: str) -> str:
    return f"{_FOLDER}/{service}.pcapng"


def _ends(endpoint: Endpoint) -> Iterator[tuple[str, int]]:
    for ip in filter(None, (endpoint.ip, endpoint.ip6)):
        for port in endpoint.ports.values():
            yield ip, port
