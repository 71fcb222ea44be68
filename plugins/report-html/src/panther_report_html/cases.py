"""The cases of a run as the page shows them: names, verdicts, reasons; the ones to look at first come first."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import attrs

from panther_hookspecs import RunView

VERDICTS = ("fail", "error", "flaky", "inconclusive", "unsupported", "cancelled", "pass")
"""In the order in which a person wants to hear of them."""
SYMBOLS = {
    "pass": "✓",
    "fail": "✗",
    "error": "!",
    "flaky": "≈",
    "unsupported": "∅",
    "inconclusive": "?",
    "cancelled": "○",
}
"""Verdicts are told apart by more than their colour."""


@attrs.frozen(kw_only=True)
class Case:
    """One case of the run."""

    number: int
    """Its place on the page."""
    record: Mapping[str, Any]
    players: Mapping[str, str]
    """The implementation, with its version where there are several, by service."""
    verdict: str
    as_expected: bool
    finished: bool

    @property
    def name(self) -> str:
        """The test case's name."""
        return str(self.record.get("name") or "")

    @property
    def cell(self) -> Mapping[str, str]:
        """The values of the matrix."""
        return {str(axis): str(value) for axis, value in (self.record.get("cell") or {}).items()}

    @property
    def seconds(self) -> float:
        """How long its last attempt took."""
        return float(self.record.get("seconds") or 0.0)

    @property
    def why(self) -> str:
        """The reason of the verdict."""
        return str(self.record.get("why") or "")

    @property
    def repetition(self) -> int:
        """Which repetition of the cell it is."""
        return int(self.record.get("repetition") or 1)

    @property
    def label(self) -> str:
        """Name and cell as a person says them."""
        cell = ", ".join(f"{axis}={value}" for axis, value in self.cell.items())
        again = f" #{self.repetition}" if self.repetition > 1 else ""
        return (f"{self.name}[{cell}]" if cell else self.name) + again

    @property
    def folder(self) -> str:
        """Where its evidence is, relative to the run."""
        return str(self.record.get("folder") or "")


def cases_of(run: RunView) -> list[Case]:
    """Return all cases, the unexpected first, then by verdict and name."""
    records = list(run.cases())
    several = _versions(records)
    order = {verdict: place for place, verdict in enumerate(VERDICTS)}
    records.sort(
        key=lambda each: (
            bool(each.get("as_expected")),
            order.get(str(each.get("verdict")), 0),
            str(each.get("name")),
            str(each.get("cell")),
            each.get("repetition") or 1,
        )
    )
    return [
        Case(
            number=number,
            record=record,
            players={name: _player(each, several) for name, each in (record.get("services") or {}).items()},
            verdict=str(record.get("verdict") or "error"),
            as_expected=bool(record.get("as_expected")),
            finished=bool(record.get("final", True)),
        )
        for number, record in enumerate(records)
    ]


def _versions(records: list[Mapping[str, Any]]) -> Mapping[str, set[str]]:
    found: dict[str, set[str]] = {}
    for record in records:
        for each in (record.get("services") or {}).values():
            found.setdefault(str(each.get("implementation")), set()).add(str(each.get("version") or ""))
    return found


def _player(service: Mapping[str, Any], versions: Mapping[str, set[str]]) -> str:
    name, version = str(service.get("implementation") or "?"), str(service.get("version") or "")
    return f"{name} {version}" if version and len(versions.get(name, ())) > 1 else name


def address(path: str) -> str:
    """Return how the page, which belongs into the folder of its run, refers to a file of the run."""
    return quote(path)
