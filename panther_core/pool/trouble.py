"""What goes wrong with systems and with those who supply them, and how that is told at the end."""

from __future__ import annotations

from collections.abc import Iterable

import attrs


@attrs.frozen
class Trouble:
    """One thing that was wrong."""

    who: str
    """The system, or who supplies it; empty if that tells nothing."""
    what: str
    lasting: bool = False
    """Whether nothing will mend it."""

    def __str__(self) -> str:
        """Return both, unless the one is in the other."""
        return self.what if self.who in self.what else f"{self.who}: {self.what}"


def told(troubles: Iterable[Trouble]) -> tuple[str, ...]:
    """Return each thing that was wrong once, with how often, and who else had it."""
    same: dict[str, list[Trouble]] = {}
    for each in troubles:
        same.setdefault(each.what.replace(each.who, "") if each.who else each.what, []).append(each)
    return tuple(map(_together, same.values()))


def _together(troubles: list[Trouble]) -> str:
    first, *more = str(troubles[0]).split("\n")
    others = [each for each in dict.fromkeys(each.who for each in troubles) if each != troubles[0].who]
    if others:
        first += f" (and so {others[0]}" + (f" and {len(others) - 1} more)" if len(others) > 1 else ")")
    elif len(troubles) > 1:
        first += f" ({len(troubles)} times)"
    return "\n".join([first, *more])
