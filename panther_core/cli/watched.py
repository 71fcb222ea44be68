"""What the instruments of a run saw and what they cost, in a few lines."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs

from panther_core.cli.blocks import Block, Rows, Styled, aligned, link
from panther_core.cli.text import amount
from panther_core.statistics import median
from panther_hookspecs import FoldedProfile, folded_profiles

_MOST_FILES = 50
_MOST_LINES = 12
_MOST_FUNCTIONS = 4
_MOST_NUMBERS = 5
_WORTH_NAMING = 0.005
_AXIS = "execution_environments"
_CUT = ".truncated"

Record = Mapping[str, Any]
_WithAndWithout = tuple[Sequence[Record], Sequence[Record]]


@attrs.define
class _Hot:
    """The profiles of one instrument on one service, added up."""

    weights: defaultdict[str, float] = attrs.field(factory=lambda: defaultdict(float))
    unit: str = ""
    heaviest: tuple[float, Path | None] = (0.0, None)

    def add(self, profile: FoldedProfile) -> None:
        """Add one file."""
        weights = profile.self_weights()
        for function, weight in weights.items():
            self.weights[function] += weight
        self.unit = profile.unit
        self.heaviest = max(self.heaviest, (sum(weights.values()), profile.path), key=lambda each: each[0])

    def told(self) -> str:
        """Return the functions that weigh most, with their share."""
        total = sum(self.weights.values())
        ranked = sorted(self.weights.items(), key=lambda each: -each[1])[:_MOST_FUNCTIONS]
        ranked = [each for each in ranked if each[1] >= _WORTH_NAMING * total] or ranked[:1]
        shares = ", ".join(f"{function} {weight / total:.0%}" for function, weight in ranked)
        return f"{shares} of {amount(total, self.unit)}"


def watched_blocks(cases: Sequence[Record], run: Path, *, indent: int = 2) -> list[Block]:
    """Return the hottest functions and calls by instrument and service, each with its file, and some numbers."""
    watched = [each for each in cases if each.get("instruments")]
    if not watched:
        return []
    hot, cut = _hot(watched, run), _cut(watched)
    rows = [
        (service, f"{instrument} {part}".rstrip(), each.told() + cut.get((service, instrument), ""))
        for (service, instrument, part), each in hot.items()
    ]
    blocks: list[Block] = []
    for row, each in list(zip(aligned(rows), hot.values(), strict=True))[:_MOST_LINES]:
        blocks += [Rows(rows=[row], indent=indent), [" " * (indent + 4), link(each.heaviest[1] or run)]]
    numbers = _numbers(watched, {(service, instrument) for service, instrument, _ in hot})
    blocks += [Rows(rows=numbers, indent=indent)] if numbers else []
    last = len(list(_newest(watched)))
    note = f" (the newest repetition of {len(watched) // last})" if len(watched) > last else ""
    return [[" " * (indent - 2), Styled("instruments", "bold"), note], *blocks] if blocks else []


def _hot(cases: Iterable[Record], run: Path) -> dict[tuple[str, str, str], _Hot]:
    """Return the profiles of the newest repetitions by service and instrument; a person needs no more of them."""
    found: dict[tuple[str, str, str], _Hot] = {}
    read = 0
    for case in _newest(cases):
        for profile in folded_profiles(case, run):
            if read < _MOST_FILES:
                read += 1
                key = (profile.service, profile.instrument, profile.part)
                found.setdefault(key, _Hot()).add(profile)
    return {key: each for key, each in sorted(found.items()) if each.weights}


def _cut(cases: Iterable[Record]) -> dict[tuple[str, str], str]:
    """Return a remark for each service and instrument whose recording is not complete."""
    return {
        (str(each.get("service") or ""), str(each["name"]).removesuffix(_CUT)): "; cut off at its limit"
        for case in _newest(cases)
        for each in case.get("measurements") or ()
        if str(each["name"]).endswith(_CUT) and each["value"]
    }


def _newest(cases: Iterable[Record]) -> Iterator[Record]:
    last: dict[str, Record] = {}
    for each in cases:
        last[f"{each['name']} {sorted((each.get('cell') or {}).items())}"] = each
    yield from last.values()


def _numbers(cases: Sequence[Record], profiled: set[tuple[str, str]]) -> list[tuple[str, str, str]]:
    """Return the first numbers of the instruments that left no profile: medians over all cases."""
    values: dict[tuple[str, str], dict[tuple[str, str], list[float]]] = {}
    for case in cases:
        names = set(case.get("instruments") or ())
        for each in case.get("measurements") or ():
            instrument, _, rest = str(each["name"]).partition(".")
            key = (str(each.get("service") or ""), instrument)
            if instrument in names and "." not in rest and key not in profiled:
                measured = (rest, str(each.get("unit") or ""))
                values.setdefault(key, {}).setdefault(measured, []).append(float(each["value"]))
    return [
        (
            service,
            instrument,
            ", ".join(
                f"{name} {amount(median(many), unit)}" for (name, unit), many in list(numbers.items())[:_MOST_NUMBERS]
            ),
        )
        for (service, instrument), numbers in sorted(values.items())
    ][:_MOST_LINES]


def overhead(cases: Iterable[Record]) -> Rows:
    """Return how much slower each set of instruments made the cases that also ran without any."""
    groups: dict[str, dict[str, list[Record]]] = {}
    for each in cases:
        if each.get("final", True) and each["verdict"] == "pass":
            cell = sorted((axis, value) for axis, value in (each.get("cell") or {}).items() if axis != _AXIS)
            watched = " + ".join(each.get("instruments") or ())
            groups.setdefault(f"{each['name']} {cell}", {}).setdefault(watched, []).append(each)
    pairs: dict[str, list[_WithAndWithout]] = {}
    for group in groups.values():
        plain = group.pop("", [])
        for watched, records in group.items():
            if plain:
                pairs.setdefault(watched, []).append((records, plain))
    return Rows(rows=[_overhead(watched, each) for watched, each in sorted(pairs.items())], indent=2)


def _overhead(watched: str, pairs: Sequence[_WithAndWithout]) -> tuple[str, str, str]:
    told = []
    for name, value in (("seconds", _seconds), ("cpu_seconds", _cpu)):
        ratios = [
            median([value(each) for each in records]) / base
            for records, plain in pairs
            if (base := median([value(each) for each in plain])) > 0
        ]
        if ratios:
            told.append(f"{name} x{median(ratios):.2f}")
    repetitions = (sum(len(each) for each, _ in pairs), sum(len(each) for _, each in pairs))
    return watched, ", ".join(told), f"medians of {repetitions[0]} with, {repetitions[1]} without"


def _seconds(record: Record) -> float:
    return float(record.get("seconds") or 0.0)


def _cpu(record: Record) -> float:
    """Return the processor time of all services."""
    return sum(float(each["value"]) for each in record.get("measurements") or () if str(each["name"]) == "cpu_seconds")
