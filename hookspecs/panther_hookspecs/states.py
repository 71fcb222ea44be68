"""States of an entity: an enum and a table of what may follow what."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping
from typing import Generic, TypeVar

StateT = TypeVar("StateT", bound=enum.Enum)


class StateManager(Generic[StateT]):
    """Keeps the current state and refuses transitions that the table does not list."""

    def __init__(self, initial_state: StateT, valid_transitions: Mapping[StateT, Iterable[StateT]]) -> None:
        """Start in ``initial_state``; the table names every state of the enum, a terminal one with nothing after it."""
        missing = [state.name for state in type(initial_state) if state not in valid_transitions]
        if missing:
            raise ValueError(f"the transition table of {type(initial_state).__name__} leaves out {', '.join(missing)}")
        self._table = {state: frozenset(after) for state, after in valid_transitions.items()}
        self.history: list[StateT] = [initial_state]

    @property
    def current_state(self) -> StateT:
        """The state the entity is in."""
        return self.history[-1]

    @property
    def is_terminal(self) -> bool:
        """Whether nothing can follow the current state."""
        return not self._table[self.current_state]

    def can_transition_to(self, new_state: StateT) -> bool:
        """Return whether the table lists ``new_state`` after the current one."""
        return new_state in self._table[self.current_state]

    def transition_to(self, new_state: StateT) -> bool:
        """Go to ``new_state`` and return True; return False and stay where the table does not allow it."""
        if not self.can_transition_to(new_state):
            return False
        self.history.append(new_state)
        return True
