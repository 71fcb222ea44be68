"""A part of a run: the cases with certain values of the matrix, as if the matrix did not have those axes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import attrs

from panther_hookspecs import ConfigurationException, RunView


@attrs.frozen
class CellView(RunView):
    """Shows one part of a run, so that it can be set against another one whose repetitions ran in between."""

    run: RunView
    cell: Mapping[str, str]

    def __attrs_post_init__(self) -> None:
        """Refuse a part that is empty, and say what there is."""
        if next(self.cases(), None) is None:
            wanted = ", ".join(f"{axis}={value}" for axis, value in self.cell.items())
            there = sorted(
                {f"{axis}={value}" for each in self.run.cases() for axis, value in (each.get("cell") or {}).items()}
            )
            raise ConfigurationException(
                f"no case of {self.run.folder} has {wanted}\n  there are: {', '.join(there) or 'no axes'}"
            )

    @property
    def folder(self) -> Any:  # type: ignore[override] # an attribute of the interface; here it is the run's
        """The folder of the run."""
        return self.run.folder

    @property
    def experiment(self) -> Mapping[str, Any]:
        """The experiment of the run."""
        return self.run.experiment

    @property
    def lock(self) -> Mapping[str, Any]:
        """The lock of the run."""
        return self.run.lock

    def attempts(self) -> Iterator[Mapping[str, Any]]:
        """Yield the attempts of this part."""
        return self._chosen(self.run.attempts())

    def cases(self) -> Iterator[Mapping[str, Any]]:
        """Yield the cases of this part."""
        return self._chosen(self.run.cases())

    def events(self) -> Iterator[Mapping[str, Any]]:
        """Yield every event of the run."""
        return self.run.events()

    def _chosen(self, records: Iterator[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
        for each in records:
            cell = {str(axis): str(value) for axis, value in (each.get("cell") or {}).items()}
            if all(cell.get(axis) == value for axis, value in self.cell.items()):
                # The id depends on the cell, so it says nothing about whether the two parts are defined alike.
                yield {**each, "cell": {axis: cell[axis] for axis in cell if axis not in self.cell}, "case": ""}


def parse_cell(text: str) -> dict[str, str]:
    """Return axes and values from ``axis=value,axis=value``."""
    cell: dict[str, str] = {}
    for part in text.split(","):
        axis, sign, value = part.partition("=")
        if not sign or not axis.strip():
            raise ConfigurationException(f"expected RUN@AXIS=VALUE, got {text!r} after the @")
        cell[axis.strip()] = value.strip()
    return cell
