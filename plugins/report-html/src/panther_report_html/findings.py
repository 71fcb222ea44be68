"""What the instruments have found in the whole run: each defect once, with the cases in which it was seen."""

from __future__ import annotations

from collections.abc import Sequence

import attrs

from panther_report_html.cases import Case

MOST = 100
MOST_PLACES = 8
_GRAVITY = ("error", "warning", "info")


@attrs.define
class Defect:
    """One finding, by its fingerprint."""

    severity: str
    source: str
    kind: str
    message: str
    service: str
    count: int = attrs.field(default=0, init=False)
    places: dict[int, str] = attrs.field(factory=dict, init=False)
    """Numbers of the cases, each with the file of evidence there, relative to the run."""

    @property
    def shown(self) -> list[tuple[int, str]]:
        """The first cases in which it was seen."""
        return list(self.places.items())[:MOST_PLACES]


def defects_of(cases: Sequence[Case]) -> list[Defect]:
    """Return every defect once, the grave and the frequent ones first."""
    found: dict[tuple[str, ...], Defect] = {}
    for case in cases:
        for each in case.record.get("findings") or ():
            told = {name: str(each.get(name) or "") for name in ("severity", "source", "kind", "message", "service")}
            key = (told["source"], told["kind"], told["service"], str(each.get("fingerprint") or told["message"]))
            defect = found.setdefault(key, Defect(**told))
            defect.count += int(each.get("count") or 1)
            artifact = str(each.get("artifact") or "")
            defect.places.setdefault(case.number, f"{case.folder}/{artifact}" if artifact else "")
    return sorted(found.values(), key=lambda each: (_grave(each), -len(each.places), -each.count))


def _grave(defect: Defect) -> int:
    return _GRAVITY.index(defect.severity) if defect.severity in _GRAVITY else 0
