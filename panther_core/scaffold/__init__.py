"""New plugin packages: `create` writes one that works, passes its conformance suite and waits to be changed."""

from __future__ import annotations

from panther_core.scaffold._create import KINDS, ScaffoldError, create

__all__ = ["KINDS", "ScaffoldError", "create"]
