"""What runs beside the services in the loopback of the container: a proxy for links, and recorders."""

from __future__ import annotations

from collections.abc import Iterator

import attrs
from panther_lib_containers.namespaces import end_helper, start_helper

from panther_hookspecs import Artifact, Context, Process, Recording, TestExecutionError


@attrs.define
class Helpers:
    """The helpers of one attempt, in the network namespace of process ``pid``."""

    context: Context
    pid: int
    _running: list[Process] = attrs.field(factory=list)
    _recorded: list[str] = attrs.field(factory=list)

    def start(self, name: str, argv: tuple[str, ...]) -> None:
        """Start one, and wait until it is ready."""
        self._running.append(start_helper(self.context, self.pid, argv, name))

    def record(self, service: str, recording: Recording) -> None:
        """Begin to record for a service; from here on no packet is missed."""
        self.start(f"recorder-{service}", self.context.recorder(recording))
        self._recorded.append(service)

    def finish(self) -> None:
        """Let all write what they have."""
        problems = [problem for each in self._running if (problem := end_helper(each))]
        if problems:
            raise TestExecutionError(problems[0])

    def recordings(self) -> Iterator[Artifact]:
        """Yield what was recorded."""
        for name in self._recorded:
            yield Artifact(path=f"capture/{name}.pcapng", kind="capture", service=name, title=f"Packets of {name}")

    def end(self) -> None:
        """End what still runs; of a case that went wrong the packets are worth most, so they are written first."""
        for each in self._running:
            end_helper(each)
            each.kill()
