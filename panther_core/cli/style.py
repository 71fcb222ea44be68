"""Colours, used as an accent and never as the only sign of anything."""

from __future__ import annotations

import attrs

_COLOURS = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33", "cyan": "36"}
_VERDICT_COLOURS = {
    "pass": "green",
    "fail": "red",
    "error": "red",
    "flaky": "yellow",
    "inconclusive": "yellow",
    "unsupported": "dim",
    "cancelled": "dim",
}


@attrs.frozen
class Style:
    """Puts colour around text, or nothing where colour is not wanted."""

    enabled: bool = False

    def __call__(self, text: str, *names: str) -> str:
        """Return ``text`` in the colours of these names."""
        if not self.enabled or not text or not names:
            return text
        return f"\x1b[{';'.join(_COLOURS[name] for name in names)}m{text}\x1b[0m"

    def verdict(self, verdict: str, text: str = "", *, expected: bool = True) -> str:
        """Return ``text`` (the verdict's own name if empty) in the colour of the verdict."""
        colour = _VERDICT_COLOURS.get(verdict, "bold") if expected else "red"
        return self(text or verdict, colour)
