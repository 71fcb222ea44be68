"""The pool: systems on which test cases run, who supplies them, and what the scheduler chooses from."""

from __future__ import annotations

import abc
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import attrs

from panther_hookspecs.plugins import Descriptor


@attrs.frozen(kw_only=True)
class System:
    """A place that runs one test case at a time: a slot of this machine, a host, a container."""

    name: str
    labels: frozenset[str] = frozenset()
    facts: Mapping[str, str] = attrs.field(factory=dict)


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
    priority: int = 0


class Provisioner(abc.ABC):
    """Supplies systems."""

    @abc.abstractmethod
    def reserve(self) -> System | None:
        """Return a system for exclusive use, waiting for it if need be; None when there will be no more."""

    @abc.abstractmethod
    def release(self, system: System) -> None:
        """Take a system back."""

    def is_alive(self, system: System) -> bool:
        """Return whether the system can run another test; a dead one is released and replaced."""
        return True


@attrs.frozen(kw_only=True)
class ProvisionerDescriptor(Descriptor):
    """Announces a provisioner."""

    KIND: ClassVar[str] = "provisioner"

    factory: Callable[[Any], Provisioner]
    """Takes the options value."""
