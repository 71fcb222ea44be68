"""How figures look: sized for a column of a paper, readable in print and by the colour-blind."""

from __future__ import annotations

from typing import Any

COLUMN, PAGE = 3.5, 7.16
"""Widths in inches."""
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#882255")
"""Okabe and Ito, but for their yellow, too pale for a line on white."""
LINES = ("-", "--", "-.", ":")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
FAULT = "#B00020"
PARAMETERS: Any = {
    "font.size": 8,
    "font.family": "sans-serif",
    "axes.labelsize": 8,
    "axes.titlesize": 8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.6,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#DDDDDD",
    "grid.linewidth": 0.5,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "legend.fontsize": 7,
    "legend.frameon": False,
    "lines.linewidth": 1.2,
    "lines.markersize": 4,
    "pdf.fonttype": 42,
    "ps.fonttype": 42,
    "svg.fonttype": "none",
    "svg.hashsalt": "panther",
    "figure.constrained_layout.use": True,
}
_PREFIXES = ((1e9, "G"), (1e6, "M"), (1e3, "k"), (1.0, ""), (1e-3, "m"), (1e-6, "µ"), (1e-9, "n"))
_PLAIN = ("", "1/s")


def scaled(unit: str, largest: float) -> tuple[float, str]:
    """Return what to divide values by, and the unit that they have then."""
    if unit in _PLAIN or not unit or largest <= 0:
        return 1.0, unit
    for factor, prefix in _PREFIXES:
        if largest >= factor and (factor <= 1 or unit != "s"):
            return factor, f"{prefix}{unit}"
    return 1.0, unit


def label(name: str, unit: str) -> str:
    """Return the text at an axis."""
    return f"{name.replace('_', ' ')} ({unit})" if unit else name.replace("_", " ")
