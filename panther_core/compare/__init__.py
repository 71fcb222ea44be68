"""Two runs side by side: what got worse, what got better, and what cannot be said yet."""

from __future__ import annotations

from panther_core.compare.cells import CellView, parse_cell
from panther_core.compare.data import as_data, conclusion
from panther_core.compare.run import compare
from panther_core.compare.values import Change, Comparison, FindingChange, Outcome, Rules, VerdictChange

__all__ = [
    "CellView",
    "Change",
    "Comparison",
    "FindingChange",
    "Outcome",
    "Rules",
    "VerdictChange",
    "as_data",
    "compare",
    "conclusion",
    "parse_cell",
]
