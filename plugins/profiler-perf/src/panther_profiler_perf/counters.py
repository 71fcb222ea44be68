"""What ``perf stat -x ';'`` writes: a line for each counter."""

from __future__ import annotations

import re
from collections.abc import Iterable

import attrs

_FIELDS = 5
_SECONDS = {"msec": 1e-3, "nsec": 1e-9, "usec": 1e-6, "sec": 1.0}
_USER_ONLY = re.compile(r":[kGHpPSDIWe]*u[kGHpPSDIWe]*\Z")


@attrs.frozen(kw_only=True)
class Counter:
    """One event and how often it happened."""

    event: str
    """As perf names it: with ``:u`` where it was counted outside of the kernel only."""
    value: float | None
    """None if it was not counted."""
    unit: str = ""
    share: float = 1.0
    """Part of the time in which it was really counted; the value is extrapolated from that."""
    supported: bool = True

    @property
    def name(self) -> str:
        """The event in the form that names of measurements have."""
        return re.sub(r"\W+", "_", re.sub(r":[ukGHpPSDIWeh]+\Z", "", self.event)).strip("_").lower()

    @property
    def user_only(self) -> bool:
        """Whether what the kernel did was not counted."""
        return bool(_USER_ONLY.search(self.event))


def read_counters(lines: Iterable[str]) -> list[Counter]:
    """Return the counters in their order; lines that are none are passed over."""
    found = []
    for line in lines:
        fields = line.strip().split(";")
        if len(fields) < _FIELDS or line.startswith("#"):
            continue
        number, unit, event, _, percent = fields[:_FIELDS]
        supported = number != "<not supported>"
        if supported and number != "<not counted>" and not _is_number(number):
            continue
        scale = _SECONDS.get(unit)
        found.append(
            Counter(
                event=event,
                value=float(number) * (scale or 1.0) if _is_number(number) else None,
                unit="s" if scale else unit,
                share=float(percent) / 100 if _is_number(percent) else 1.0,
                supported=supported,
            )
        )
    return found


def _is_number(text: str) -> bool:
    return bool(re.fullmatch(r"\d+(?:\.\d+)?", text))


def add(starts: Iterable[list[Counter]]) -> list[Counter]:
    """Return the counters of several starts of one service as one list: values added, the least share kept."""
    total: list[Counter] = []
    for counters in starts:
        if not total:
            total = counters
            continue
        total = [
            attrs.evolve(
                one,
                value=sum(counted) if (counted := _known(one.value, other.value)) else None,
                share=min(one.share, other.share),
            )
            for one, other in zip(total, counters, strict=False)
        ]
    return total


def _known(*values: float | None) -> list[float]:
    return [value for value in values if value is not None]
