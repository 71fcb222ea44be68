"""Two runs side by side: what got worse, what got better, and what cannot be said yet."""

from __future__ import annotations

from panther_core.compare.run import compare
from panther_core.compare.values import Change, Comparison, FindingChange, Outcome, Rules, VerdictChange

__all__ = ["Change", "Comparison", "FindingChange", "Outcome", "Rules", "VerdictChange", "compare"]
