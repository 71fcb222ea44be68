"""A run as reports are handed it: with the pictures that others draw of it, and set against an earlier run."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import attrs

from panther_core.results.view import DirectoryView
from panther_hookspecs import Figure, ReportDescriptor


@attrs.frozen(kw_only=True)
class HandedRun(DirectoryView):
    """Once pictures are wanted its cases are read once and kept: several reports look at them."""

    drawers: tuple[ReportDescriptor, ...] = ()
    """Those of the installed reports that can draw pictures for others."""
    warn: Callable[[str], None] = attrs.field(eq=False)
    """Takes what kept a report from drawing."""
    comparison: Mapping[str, Any] | None = None
    """How it differs from an earlier run."""

    _seen: list[tuple[Mapping[str, Any], ...]] = attrs.field(factory=list, init=False, eq=False, repr=False)

    def cases(self) -> Iterator[Mapping[str, Any]]:
        """Yield one record per case."""
        return iter(self._seen[0]) if self._seen else super().cases()

    def figures(self) -> Iterator[Figure]:
        """Yield the pictures of all reports; one that cannot draw is told of and keeps no other from it."""
        if self.drawers and not self._seen:
            self._seen.append(tuple(super().cases()))
        for each in self.drawers:
            try:
                yield from each.figures(self, each.options()) if each.figures else ()
            except Exception as error:  # noqa: BLE001 - whatever a plugin does wrong costs its own pictures alone
                self.warn(f"the report {each.name} could not draw its figures: {error}")
