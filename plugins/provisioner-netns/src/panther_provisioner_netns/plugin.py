"""What PANTHER loads: the provisioner ``netns``."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterable, Iterator, Sequence

import attrs

from panther_hookspecs import Need, Provisioner, ProvisionerDescriptor, System, hookimpl, option

_ENTER = ("sh", "-c", 'ip link set lo up && exec "$@"', "sh")


@attrs.frozen(kw_only=True)
class NetnsOptions:
    """How the systems are used."""

    interpreter: str = option("python3", help="The Python that runs cases; 3.11 or later.")
    lease: float = option(
        60.0,
        validator=attrs.validators.gt(0),
        help="Seconds that what runs there goes on when PANTHER has gone.",
    )


@attrs.define(eq=False)
class Namespaces(Provisioner):
    """Each system is a namespace with a loopback of its own; it is gone when the last process in it has ended."""

    options: NetnsOptions
    _numbers: Iterator[int] = attrs.field(factory=lambda: itertools.count(1))

    def reserve(self) -> System:
        """Return a system; its namespace is made when the first command gets there."""
        facts = {"interpreter": self.options.interpreter, "lease": str(self.options.lease)}
        return System(
            name=f"netns-{next(self._numbers)}", labels=frozenset({"netns"}), facts=facts, reach=enter_new_namespace
        )

    def release(self, system: System) -> None:
        """Nothing is left of it once it is left."""


def enter_new_namespace(argv: Sequence[str]) -> Sequence[str]:
    """Return the command in a namespace of its own; who is not root is it in there."""
    rights = () if os.geteuid() == 0 else ("--map-root-user",)
    return ("unshare", *rights, "--net", "--", *_ENTER, *argv)


@hookimpl
def panther_register_provisioners() -> Iterable[ProvisionerDescriptor]:
    """Announce ``netns``."""
    yield ProvisionerDescriptor(
        name="netns",
        summary="Network namespaces of this machine, each with a loopback of its own",
        options=NetnsOptions,
        factory=Namespaces,
        needs=(
            Need("tool", "unshare", package="util-linux", why="it makes the namespaces"),
            Need("tool", "ip", package="iproute2", why="it brings their loopback up"),
        ),
    )
