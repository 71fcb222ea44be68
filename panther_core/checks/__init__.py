"""Checks over evidence: what must hold, and what was seen."""

from __future__ import annotations

from panther_core.checks.judge import judge
from panther_core.checks.kinds import CHECK_KINDS, Check, ExitCodeCheck, FileCheck, LogCheck, ThatCheck

__all__ = ["CHECK_KINDS", "Check", "ExitCodeCheck", "FileCheck", "LogCheck", "ThatCheck", "judge"]
