"""Which recordings are kept: they are the largest part of the evidence, and of most attempts nobody needs them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from panther_core.capture.keys import CAPTURE
from panther_hookspecs import Artifact

KEEP_CAPTURE = ("always", "on-failure", "never")
"""When recordings are kept after an attempt was judged; ``on-failure`` is: where the verdict is not as expected."""


def keep(policy: str, artifacts: Sequence[Artifact], folder: Path, *, as_expected: bool) -> list[Artifact]:
    """Remove the recordings that ``policy`` has no use for; return the artifacts that are still there."""
    if policy == "always" or (policy == "on-failure" and not as_expected):
        return list(artifacts)
    for each in artifacts:
        if each.kind == CAPTURE:
            (folder / each.path).unlink(missing_ok=True)
    return [each for each in artifacts if each.kind != CAPTURE]
