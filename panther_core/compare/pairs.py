"""Which cases of two runs belong together: those of the same name and cell, with all their repetitions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import attrs

from panther_hookspecs import RunView, Verdict

_COMPLETE = (Verdict.FAIL.value, Verdict.INCONCLUSIVE.value)
"""Verdicts, besides a pass, of repetitions that ran to their end."""

Record = Mapping[str, Any]
Key = tuple[str, tuple[tuple[str, str], ...]]


@attrs.frozen
class Side:
    """The repetitions of one case in one run."""

    run: Path
    records: tuple[Record, ...]

    @property
    def instruments(self) -> frozenset[str]:
        """What watched it."""
        return frozenset(str(name) for each in self.records for name in each.get("instruments") or ())

    @property
    def clocks(self) -> frozenset[str]:
        """By which clocks it was measured: real, simulated."""
        return frozenset(str(each.get("clock") or "real") for each in self.records)

    def ended(self) -> Counter[str]:
        """Count how the last attempts of the repetitions ended: it is their numbers that are recorded."""
        return Counter(last_verdict(each) for each in self.records)

    def with_numbers(self, verdict: str) -> tuple[Record, ...]:
        """Return the repetitions that ended like that."""
        return tuple(each for each in self.records if last_verdict(each) == verdict)


@attrs.frozen
class Pair:
    """The same case in both runs."""

    label: str
    a: Side
    b: Side

    @property
    def watched_alike(self) -> bool:
        """Whether the same instruments watched both: each makes a program slower in its own way."""
        return self.a.instruments == self.b.instruments

    @property
    def one_clock(self) -> bool:
        """Whether both were measured by the same clock: simulated seconds are no seconds."""
        return self.a.clocks == self.b.clocks

    @property
    def comparable(self) -> str:
        """The verdict of the repetitions whose numbers can be compared: a pass, else what both have most; or none.

        How long a failure takes says nothing about how long a success takes.
        """
        ended_a, ended_b = self.a.ended(), self.b.ended()
        common = {each: min(ended_a[each], ended_b[each]) for each in ended_a.keys() & ended_b.keys()}
        if Verdict.PASS.value in common:
            return Verdict.PASS.value
        usable = {each: count for each, count in sorted(common.items()) if each in _COMPLETE}
        return max(usable, key=usable.__getitem__, default="")

    @property
    def same_content(self) -> bool:
        """Whether the case is defined alike: its id, which depends on its content, is the same in both runs."""
        before, after = _ids(self.a), _ids(self.b)
        shared = before.keys() & after.keys()
        return all(before[each] == after[each] for each in shared)


@attrs.frozen(kw_only=True)
class Pairs:
    """All cases of two runs."""

    together: tuple[Pair, ...]
    only_a: tuple[str, ...]
    only_b: tuple[str, ...]
    unfinished: tuple[int, int]


def pairs_of(a: RunView, b: RunView) -> Pairs:
    """Put the cases of two runs together by name and cell; a case that is not finished is left out."""
    sides = [_grouped(run) for run in (a, b)]
    (before, left_a), (after, left_b) = sides
    return Pairs(
        together=tuple(
            Pair(label_of(key), Side(a.folder, tuple(before[key])), Side(b.folder, tuple(after[key])))
            for key in before
            if key in after
        ),
        only_a=tuple(label_of(key) for key in before if key not in after),
        only_b=tuple(label_of(key) for key in after if key not in before),
        unfinished=(left_a, left_b),
    )


def last_verdict(record: Record) -> str:
    """Return the verdict of the last attempt alone."""
    return str((record.get("verdicts") or (record["verdict"],))[-1])


def label_of(key: Key) -> str:
    """Return name and cell as a person reads them."""
    name, cell = key
    return f"{name}[{', '.join(f'{axis}={value}' for axis, value in cell)}]" if cell else name


def _grouped(run: RunView) -> tuple[dict[Key, list[Record]], int]:
    groups: dict[Key, list[Record]] = {}
    unfinished = 0
    for record in run.cases():
        if not record.get("final", True) or record["verdict"] == Verdict.CANCELLED.value:
            unfinished += 1
            continue
        cell = tuple((str(axis), str(value)) for axis, value in (record.get("cell") or {}).items())
        groups.setdefault((str(record["name"]), cell), []).append(record)
    for records in groups.values():
        records.sort(key=lambda each: int(each.get("repetition") or 1))
    return dict(sorted(groups.items())), unfinished


def _ids(side: Side) -> dict[int, str]:
    return {int(each.get("repetition") or 1): str(each["case"]) for each in side.records}


def counted(verdicts: Iterable[str]) -> tuple[tuple[str, int], ...]:
    """Return verdicts with their numbers in the order of the contract."""
    counts = Counter(verdicts)
    return tuple((each.value, counts[each.value]) for each in Verdict if counts[each.value])
