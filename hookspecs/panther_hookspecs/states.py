"""States of an entity: an enum and a table of what may follow what."""

from __future__ import annotations

import enum
import threading
from collections.abc import Iterable, Mapping
from typing import Generic, TypeVar

StateT = TypeVar("StateT", bound=enum.Enum)


class StateManager(Generic[StateT]):
    """Keeps the current state and refuses transitions that the table does not list; safe to use from any thread."""

    def __init__(self, initial_state: StateT, valid_transitions: Mapping[StateT, Iterable[StateT]]) -> None:
        """Start in ``initial_state``; every state must stand in the table, a final one with an empty list."""
        self._table = _checked(type(initial_state), valid_transitions)
        self._lock = threading.Lock()
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
        with self._lock:
            if not self.can_transition_to(new_state):
                return False
            self.history.append(new_state)
            return True


def _checked(states: type[StateT], table: Mapping[StateT, Iterable[StateT]]) -> dict[StateT, frozenset[StateT]]:
    """Return the table in a form that cannot change; name everything that is wrong with it in one error."""
    problems = [
        f"{state.name} is missing (a state that nothing follows has an empty list)"
        for state in states
        if state not in table
    ]
    problems += [f"{key!r} is no state of {states.__name__}" for key in table if not isinstance(key, states)]
    checked: dict[StateT, frozenset[StateT]] = {}
    for state, after in table.items():
        if isinstance(after, (str, enum.Enum)) or not hasattr(after, "__iter__"):
            problems.append(f"what follows {state!r} must be a list of states, not {after!r}")
            continue
        checked[state] = frozenset(after)
        problems += [
            f"{each!r} after {state!r} is no state of {states.__name__}"
            for each in sorted(checked[state], key=repr)
            if not isinstance(each, states)
        ]
    if problems:
        raise ValueError(f"the transition table of {states.__name__} is wrong: {'; '.join(problems)}")
    return checked
