"""This machine as a supplier of systems: slots, or processors that each slot has for itself."""

from __future__ import annotations

import itertools
import os
import platform
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence

import attrs

from panther_hookspecs import EnvironmentUnavailableError, Provisioner, System, option


def capacity_of_this_machine() -> dict[str, float]:
    """Return what cases may use of this machine together: processors that this process may use, bytes of memory."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {"cpus": float(len(os.sched_getaffinity(0))), "memory": float(memory)}


def labels_of_this_machine() -> frozenset[str]:
    """Return what cases may ask for."""
    root = {"root"} if os.geteuid() == 0 else set()
    return frozenset({"local", platform.machine(), platform.system().lower()} | root)


@attrs.define
class LocalSlots(Provisioner):
    """Slots of this machine: as many cases at a time as there are workers."""

    capacity: Mapping[str, float] = attrs.field(factory=capacity_of_this_machine)
    _numbers: Iterator[int] = attrs.field(factory=lambda: itertools.count(1))

    def reserve(self) -> System:
        """Return a fresh slot; there is always one."""
        return System(
            name=f"local-{next(self._numbers)}", labels=labels_of_this_machine(), capacity=dict(self.capacity)
        )

    def release(self, system: System) -> None:
        """Take the slot back; nothing is held for it."""


@attrs.frozen(kw_only=True)
class LocalOptions:
    """How this machine is divided."""

    cpus: int = option(
        0,
        validator=attrs.validators.ge(0),
        help="Processors that each worker has for itself; all workers share all of them if 0.",
    )


@attrs.define(eq=False)
class PinnedSlots(Provisioner):
    """Slots of this machine with processors of their own: what runs in one is kept off those of the others."""

    cpus: int
    _usable: Sequence[int] = attrs.field(factory=lambda: sorted(os.sched_getaffinity(0)))
    _free: list[tuple[int, ...]] = attrs.field()
    _changed: threading.Condition = attrs.field(factory=threading.Condition)

    @_free.default
    def _parts(self) -> list[tuple[int, ...]]:
        parts = range(0, len(self._usable) - self.cpus + 1, self.cpus)
        return [tuple(self._usable[at : at + self.cpus]) for at in parts]

    def most(self) -> int:
        """Return how many parts the processors make."""
        return len(self._usable) // self.cpus

    def reserve(self) -> System:
        """Return a slot whose processors nobody uses, waiting for it if need be."""
        if not self.most():
            raise EnvironmentUnavailableError(
                f"a worker of this machine was to have {self.cpus} processors, but there are {len(self._usable)}",
                lasting=True,
            )
        with self._changed:
            self._changed.wait_for(lambda: self._free)
            part = self._free.pop(0)
        listed = ",".join(map(str, part))

        def reach(argv: Sequence[str]) -> Sequence[str]:
            return ("taskset", "-c", listed, *argv)

        return System(
            name=f"cpu-{listed}",
            labels=labels_of_this_machine() | {"pinned"},
            facts={"interpreter": sys.executable},
            reach=reach,
            host=f"cpu-{listed}",
        )

    def release(self, system: System) -> None:
        """Let the next one have the processors."""
        with self._changed:
            self._free.append(tuple(map(int, system.name.partition("-")[2].split(","))))
            self._changed.notify()


def local(options: LocalOptions) -> Provisioner:
    """Return what supplies this machine as ``options`` say."""
    return PinnedSlots(options.cpus) if options.cpus else LocalSlots()
