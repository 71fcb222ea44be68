"""What waits for a system: a case, and what has happened to it so far."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Generic, Protocol, TypeVar

import attrs

from panther_hookspecs import TestCandidate


class Case(Protocol):
    """What can wait for a system, a planned case or anything of one's own: what the choice looks at."""

    @property
    def case_id(self) -> str:
        """What tells it from the others."""

    @property
    def repetition(self) -> int:
        """Which one of its kind it is, counted from 1; the first ones go first."""

    @property
    def timeout(self) -> float:
        """The most seconds that it takes."""

    @property
    def exclusive(self) -> bool:
        """Whether it wants its host for itself."""

    @property
    def labels(self) -> frozenset[str]:
        """Labels that a system must have to run it."""

    @property
    def priority(self) -> int:
        """The highest is taken first."""

    @property
    def uses(self) -> Mapping[str, float]:
        """How much of which resources it takes while it runs."""

    @property
    def deadline(self) -> float | None:
        """Seconds from the beginning in which it must have begun and should have ended."""

    def described(self) -> str:
        """Return how a person names it."""


CaseT = TypeVar("CaseT", bound=Case)


@attrs.frozen
class Loss:
    """A system that went away while something ran on it."""

    system: str
    why: str
    begun: bool = True
    """Whether the work may have been what it was lost by."""

    def __str__(self) -> str:
        """Return both in one line."""
        return f"it was lost with {self.system}: {self.why}"


@attrs.frozen(kw_only=True)
class Work(Generic[CaseT]):
    """A case that waits for its next attempt."""

    case: CaseT
    attempt: int = 1
    expected_seconds: float | None = None
    losses: tuple[Loss, ...] = ()
    """The systems that went away while it ran."""

    def after(self, loss: Loss) -> Work[CaseT]:
        """Return the work of the same attempt at another place."""
        return attrs.evolve(self, losses=(*self.losses, loss))

    @property
    def lost_twice(self) -> bool:
        """Whether it should not be tried any more: it may be what systems go away by."""
        return sum(each.begun for each in self.losses) > 1

    def candidate(self) -> TestCandidate:
        """Return the work as plugins see it when they choose."""
        return TestCandidate(
            case_id=self.case.case_id,
            name=self.case.described(),
            labels=self.case.labels,
            expected_seconds=self.expected_seconds,
            exclusive=self.case.exclusive,
            priority=self.case.priority,
            uses=self.case.uses,
            deadline=self.case.deadline,
        )

    def needs(self) -> str:
        """Return what a system must have for it, for messages."""
        parts = [f"the labels {', '.join(sorted(self.case.labels))}"] if self.case.labels else []
        uses = (f"{amount:g} {name}" if amount != 1 else name for name, amount in sorted(self.case.uses.items()))
        parts += [f"{', '.join(uses)} to itself"] if self.case.uses else []
        return " and ".join(parts) or "nothing but a system"
