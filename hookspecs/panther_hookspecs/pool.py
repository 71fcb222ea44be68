"""The pool: systems on which test cases run, who supplies them, and what the scheduler chooses from."""

from __future__ import annotations

import abc
from collections.abc import Callable, Iterable, Mapping, MutableMapping
from typing import Any, ClassVar

import attrs

from panther_hookspecs.hosts import CaseExecutor, Host, Reach
from panther_hookspecs.networks import Leftover
from panther_hookspecs.plugins import Descriptor


@attrs.frozen(kw_only=True)
class System:
    """A place that runs one test case at a time: a slot of this machine, a host, a container."""

    name: str
    labels: frozenset[str] = frozenset()
    facts: Mapping[str, str] = attrs.field(factory=dict)
    notes: MutableMapping[str, Any] = attrs.field(factory=dict, eq=False)
    """What tests and hooks have noted about it, "a snapshot is set up here" for example; the next choice sees it."""
    reach: Reach | None = attrs.field(default=None, eq=False)
    """How a command gets there; None if it is this process that runs the cases."""
    connection: Host | None = attrs.field(default=None, eq=False)
    """How to do anything there, once the engine has connected; labels and facts then hold what was found there."""
    executor: CaseExecutor | None = attrs.field(default=None, eq=False)
    """Who carries out cases there, if neither this process nor a command can."""
    host: str = ""
    """The machine it is on, this one if empty: systems of one host share what the host has."""
    capacity: Mapping[str, float] = attrs.field(factory=dict)
    """What its host has for all test cases together: ``cpus``, bytes of ``memory``, anything that cases use by name.
    Of a resource that it does not name there is one in the whole run."""


@attrs.frozen(kw_only=True)
class TestCandidate:
    """A test case that waits for a system."""

    __test__: ClassVar[bool] = False

    case_id: str
    name: str
    labels: frozenset[str] = frozenset()
    """Labels that a system must have to run it."""
    expected_seconds: float | None = None
    """How long it took in earlier runs, if it ran before."""
    exclusive: bool = False
    """Whether it wants its host for itself."""
    priority: int = 0
    """The highest is taken first."""
    uses: Mapping[str, float] = attrs.field(factory=dict)
    """How much of which resources it takes while it runs."""
    deadline: float | None = None
    """Seconds from the beginning of the run in which it must have begun and should have ended."""


class Provisioner(abc.ABC):
    """Supplies systems. Any method may be called by several threads at once."""

    def open(self, run_id: str) -> None:
        """Be told the run, before anything is reserved; what is made for it outside of this process carries its id."""

    def most(self) -> int:
        """Return how many systems there can be at a time; 0 if it knows no limit."""
        return 0

    @abc.abstractmethod
    def reserve(self) -> System | None:
        """Return a system for exclusive use, waiting for it if need be; None when there will be no more.

        What it raises is not the end of the run: it is asked again after a while, a few times, but not after an
        EnvironmentUnavailableError that is ``lasting``. The others go on; what nobody else can run ends the run then.
        """

    @abc.abstractmethod
    def release(self, system: System) -> None:
        """Take a system back."""

    def is_alive(self, system: System) -> bool:
        """Return whether the system can run another test; a dead one is released and replaced.

        Asked after each test, and while a broken connection to it is taken up again: a system that is gone for good
        is then given up at once. So it should answer soon. What it raises says that nobody knows.
        """
        return True

    def close(self) -> None:
        """Let go of whatever is left; every system has been released."""


@attrs.frozen(kw_only=True)
class ProvisionerDescriptor(Descriptor):
    """Announces a provisioner."""

    KIND: ClassVar[str] = "provisioner"

    factory: Callable[[Any], Provisioner]
    """Takes the options value."""
    leftovers: Callable[[], Iterable[Leftover]] | None = None
    """Finds what killed runs have left behind, for `panther clean`."""
