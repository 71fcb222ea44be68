"""Carries test cases out: one attempt from top to bottom, and the attempts of a case."""

from __future__ import annotations

from panther_core.run.attempt import carry_out
from panther_core.run.engine import CancelledError, Engine

__all__ = ["CancelledError", "Engine", "carry_out"]
