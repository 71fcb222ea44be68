"""Known findings: a text file with one fingerprint a line, and after it anything for a person to read."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from panther_hookspecs import Finding

_LINE = re.compile(r"([0-9a-f]{16})(?:\s.*)?")
_HEAD = """\
# Findings that are known. With `baseline:` naming this file they are accepted; remove the lines that are not.
# Only the fingerprint at the start of a line counts.
"""


def read_baseline(path: Path) -> frozenset[str]:
    """Return the fingerprints in a baseline; ValueError names the line that has none."""
    found = set()
    for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), 1):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        match = _LINE.fullmatch(text)
        if match is None:
            raise ValueError(f"{path}:{number}: expected a fingerprint of 16 hexadecimal digits, got {text[:40]!r}")
        found.add(match[1])
    return frozenset(found)


def baseline_text(findings: Iterable[Finding]) -> str:
    """Return a baseline that accepts ``findings``; nothing if there are none."""
    lines = sorted({f"{each.fingerprint}  {each.kind}  {each.message}\n" for each in findings})
    return _HEAD + "".join(lines) if lines else ""
