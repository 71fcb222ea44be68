"""Findings side by side, by their fingerprint, which is stable between runs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import attrs

from panther_core.compare.pairs import Pair
from panther_core.compare.values import FindingChange

_ORDER = ("new", "more", "fewer", "gone")
_GRAVITY = ("error", "warning", "info")


@attrs.define
class _Seen:
    """One fingerprint in all the cases that both runs have."""

    example: Mapping[str, Any]
    path: str
    cases: dict[str, None] = attrs.field(factory=dict)
    repetitions: list[int] = attrs.field(factory=lambda: [0, 0])
    looked_at: list[int] = attrs.field(factory=lambda: [0, 0])
    counts: list[int] = attrs.field(factory=lambda: [0, 0])
    in_b: bool = False


def finding_changes(pairs: Iterable[Pair]) -> tuple[FindingChange, ...]:
    """Return every finding that one run has more often than the other; pairs with other instruments are left out."""
    seen: dict[str, _Seen] = {}
    for pair in pairs:
        if pair.watched_alike:
            _add(pair, seen)
    changes = [change for each in seen.values() if (change := _change(each)) is not None]
    return tuple(sorted(changes, key=lambda each: (_ORDER.index(each.change), _grave(each), -each.b[2] - each.a[2])))


def _add(pair: Pair, seen: dict[str, _Seen]) -> None:
    here: set[str] = set()
    for index, side in enumerate((pair.a, pair.b)):
        for record in side.records:
            found: set[str] = set()
            for each in record.get("findings") or ():
                key = fingerprint(each)
                known = seen.setdefault(key, _Seen(each, _path(each, record)))
                if index and not known.in_b:
                    known.example, known.path, known.in_b = each, _path(each, record), True
                known.counts[index] += int(each.get("count") or 1)
                known.repetitions[index] += key not in found
                known.cases[pair.label] = None
                found.add(key)
            here |= found
    for key in here:
        for index, side in enumerate((pair.a, pair.b)):
            seen[key].looked_at[index] += len(side.records)


def _path(finding: Mapping[str, Any], record: Mapping[str, Any]) -> str:
    artifact, folder = str(finding.get("artifact") or ""), str(record.get("folder") or "")
    return f"{folder}/{artifact}" if artifact else folder


def fingerprint(finding: Mapping[str, Any]) -> str:
    """Return what is the same of a finding in every run."""
    own = str(finding.get("fingerprint") or "")
    parts = (finding.get("source"), finding.get("kind"), finding.get("service"), own or finding.get("message"))
    return "\0".join(str(each or "") for each in parts)


def _change(seen: _Seen) -> FindingChange | None:
    (k_a, k_b), (n_a, n_b), (c_a, c_b) = seen.repetitions, seen.looked_at, seen.counts
    if k_a and k_b:
        before, after = c_a / n_a, c_b / n_b
        change = "" if before == after else "more" if after > before else "fewer"
    else:
        change = "new" if k_b else "gone"
    if not change:
        return None
    return FindingChange(
        change=change,
        **{name: str(seen.example.get(name) or "") for name in ("source", "kind", "message", "service", "fingerprint")},
        severity=str(seen.example.get("severity") or "error"),
        cases=tuple(seen.cases),
        a=(k_a, n_a, c_a),
        b=(k_b, n_b, c_b),
        path=seen.path,
    )


def _grave(change: FindingChange) -> int:
    return _GRAVITY.index(change.severity) if change.severity in _GRAVITY else 0
