"""Resource limits as far as a plain process can have them."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping

from panther_hookspecs.commands import Layer, LayerRole, ServiceCommand
from panther_hookspecs.networks import ResourceLimits
from panther_hookspecs.values import Problem


def unfit(limits: Mapping[str, ResourceLimits], environment: str) -> Iterator[Problem]:
    """Yield a problem for each limit that cannot be kept here: a limit that is written down but not kept misleads."""
    for name, wanted in limits.items():
        where = f"network_environment.resource_limits.{name}"
        if wanted.processes:
            yield Problem(
                what=f"{environment} cannot limit the processes of one service",
                where=f"{where}.processes",
                why="the kernel counts them for the user, not for a process tree",
                fix="a network environment with containers, or leave the limit out",
            )
        if wanted.cpu and wanted.cpu != int(wanted.cpu):
            yield Problem(
                what=f"{environment} cannot give {wanted.cpu:g} of a processor",
                where=f"{where}.cpu",
                why="a process can be bound to whole processors only",
                fix="a whole number",
            )
        for tool, used in (("prlimit", wanted.files or wanted.memory), ("taskset", wanted.cpu)):
            if used and shutil.which(tool) is None:
                yield Problem(
                    what=f"{tool} is not installed", where=where, why="it sets the limit", fix="the package util-linux"
                )


def limited(command: ServiceCommand, limits: ResourceLimits, number: int) -> ServiceCommand:
    """Return the command with its limits around it; ``number`` spreads services over the processors.

    The limits stand outside of the instruments, since an instrument must see the program and not a wrapper; so the
    memory limit, which is the address space of each process, includes what an instrument needs.
    """
    bounds = [f"--nofile={limits.files}"] if limits.files else []
    bounds += [f"--as={int(limits.memory)}"] if limits.memory else []
    argv = ["prlimit", *bounds, "--"] if bounds else []
    processors = sorted(os.sched_getaffinity(0))
    count = int(limits.cpu)
    if 0 < count < len(processors):
        chosen = sorted(processors[(number * count + each) % len(processors)] for each in range(count))
        argv += ["taskset", "--cpu-list", ",".join(map(str, chosen))]
    return command.wrapped(Layer(role=LayerRole.USER, by="limits", argv=argv)) if argv else command
