"""Resource limits of processes: by a control group where the kernel has to count, by the process itself elsewhere."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from signal import SIGKILL

import attrs

from panther_hookspecs.commands import Layer, LayerRole, Process, ServiceCommand
from panther_hookspecs.groups import ControlGroup, why_not
from panther_hookspecs.networks import ResourceLimits
from panther_hookspecs.units import Bytes
from panther_hookspecs.values import ExitStatus, Problem, Usage

TOO_HUNGRY = "it used more memory than its limit"


def counted(limits: ResourceLimits) -> ResourceLimits:
    """Return the limits that only a control group can keep: those of a whole service, or of a part of a processor."""
    return ResourceLimits(cpu=limits.cpu if limits.cpu % 1 else 0.0, processes=limits.processes)


def unfit(limits: Mapping[str, ResourceLimits], environment: str) -> Iterator[Problem]:
    """Yield a problem for each limit that cannot be kept here: a limit that is written down but not kept misleads."""
    for name, wanted in limits.items():
        where = f"network_environment.resource_limits.{name}"
        asked = counted(wanted)
        lacking = why_not(asked) if asked != ResourceLimits() else ""
        if lacking:
            yield Problem(
                what=f"{environment} cannot {_in_words(asked)} here",
                where=where,
                why=lacking,
                fix="root, or docker_compose",
            )
        for tool, used in (("prlimit", wanted.files or wanted.memory), ("taskset", wanted.cpu and not asked.cpu)):
            if used and shutil.which(tool) is None:
                yield Problem(
                    what=f"{tool} is not installed", where=where, why="it sets the limit", fix="the package util-linux"
                )


def _in_words(asked: ResourceLimits) -> str:
    return f"give {asked.cpu:g} of a processor" if asked.cpu else "limit the processes of one service"


def grouped(pid: int, name: str, limits: ResourceLimits) -> ControlGroup | None:
    """Make the group that keeps what has to be counted, and the memory if it can; None if nothing needs one.

    It is made where the group of ``pid`` is. Raise OSError where it has to be and cannot.
    """
    asked = counted(limits)
    if limits.memory:
        try:
            return ControlGroup.beside(pid, name, attrs.evolve(asked, memory=limits.memory))
        except OSError:
            if asked == ResourceLimits():
                return None
    return ControlGroup.beside(pid, name, asked) if asked != ResourceLimits() else None


def limited(
    command: ServiceCommand, limits: ResourceLimits, number: int, group: ControlGroup | None = None
) -> ServiceCommand:
    """Return the command with its limits around it; ``number`` spreads services over the processors.

    The limits stand outside of the instruments, since an instrument must see the program and not a wrapper; so the
    memory limit includes what an instrument needs. Without a group it is the address space of each process.
    """
    if group is not None:
        limits = attrs.evolve(limits, cpu=limits.cpu if limits.cpu % 1 == 0 else 0.0, memory=Bytes(0))
    bounds = [f"--nofile={limits.files}"] if limits.files else []
    bounds += [f"--as={int(limits.memory)}"] if limits.memory else []
    argv = [*(group.entering() if group is not None else ()), *(["prlimit", *bounds, "--"] if bounds else [])]
    processors = sorted(os.sched_getaffinity(0))
    count = int(limits.cpu)
    if 0 < count < len(processors):
        chosen = sorted(processors[(number * count + each) % len(processors)] for each in range(count))
        argv += ["taskset", "--cpu-list", ",".join(map(str, chosen))]
    return command.wrapped(Layer(role=LayerRole.USER, by="limits", argv=tuple(argv))) if argv else command


@attrs.define(eq=False)
class GroupedProcess(Process):
    """A process in a group of its own, which knows whether the kernel has ended it for its memory."""

    process: Process
    group: ControlGroup
    _exit: ExitStatus | None = None

    @property
    def name(self) -> str:  # type: ignore[override]
        """The service's name."""
        return self.process.name

    @property
    def pid(self) -> int:  # type: ignore[override]
        """The first process."""
        return self.process.pid

    @property
    def program_pid(self) -> int:
        """The process id of the program itself."""
        return self.process.program_pid

    @property
    def exit(self) -> ExitStatus | None:
        """How it ended, or None while it runs."""
        status = self.process.exit
        if self._exit is None and status is not None:
            hungry = status.signal == SIGKILL and self.group.oom_kills()
            self._exit = attrs.evolve(status, reason="oom", detail=TOO_HUNGRY) if hungry else status
        return self._exit

    @property
    def usage(self) -> Usage:
        """What it cost."""
        return self.process.usage

    @property
    def capped(self) -> Mapping[str, int]:
        """Streams whose file was cut."""
        found: Mapping[str, int] = getattr(self.process, "capped", {})
        return found

    def pids(self) -> tuple[int, ...]:
        """Return every live process of it."""
        return self.process.pids()

    def signal(self, number: int) -> None:
        """Send a signal to the program."""
        self.process.signal(number)

    def wait(self, timeout: float | None = None) -> ExitStatus | None:
        """Wait for the end; None if it still runs after ``timeout`` seconds."""
        self.process.wait(timeout)
        return self.exit

    def stop(self, *, signal: int, grace: float) -> ExitStatus:
        """Ask the program to end; after ``grace`` seconds kill all of it. Return how it ended."""
        return self._told(self.process.stop(signal=signal, grace=grace))

    def kill(self) -> ExitStatus:
        """End all of it at once."""
        return self._told(self.process.kill())

    def _told(self, status: ExitStatus) -> ExitStatus:
        return self.exit or status
