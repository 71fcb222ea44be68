"""Which way is better: a table, because nearly everything that is measured is a cost."""

from __future__ import annotations

from fnmatch import fnmatchcase

from panther_core.compare.values import Metric, Rules

LOWER, HIGHER, NEITHER = "lower", "higher", "neither"

MORE_IS_BETTER = (
    "*goodput*",
    "*throughput*",
    "*bandwidth*",
    "*per_second*",
    "*success_rate*",
    "*hit_rate*",
    "*availability*",
)
NEITHER_IS_BETTER = (
    "*.share",
    "*.samples",
    "*.frequency",
    "*.effective_rate",
    "*.injected",
    "*.log_bytes",
    "*.tasks",
    "*.threads",
    "*.peers",
    "*.truncated",
    "*_batch",
)
"""Shares of a whole, and facts about the measurement itself."""


def direction_of(metric: Metric, rules: Rules) -> str:
    """Return ``lower``, ``higher`` or ``neither``: what the user says, else who measured it, else the table."""
    if any(metric.matches(each) for each in rules.higher):
        return HIGHER
    if metric.better in (LOWER, HIGHER, NEITHER):
        return metric.better
    if any(fnmatchcase(metric.name, each) for each in MORE_IS_BETTER):
        return HIGHER
    return NEITHER if any(fnmatchcase(metric.name, each) for each in NEITHER_IS_BETTER) else LOWER
