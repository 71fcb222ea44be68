"""Which system ran what when: the run as bars along time, small however many cases there were."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import attrs

from panther_report_html.cases import Case

WIDTH = 1000
ROW = 16
MOST_ROWS = 60
_BAR = 12
_MOST_LINKS = 400
"""Bars that are links with a text of their own; where there are more, they are drawn as one."""
_CUT = 0.25
"""A time in which nothing ran, longer than this share of the rest, is left out: the run was taken up again."""
_TICKS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1800, 3600, 7200, 21600, 86400)
_MOST_TICKS = 10
_TURN = "turn"
_AFTERWARDS = frozenset({"collect", "teardown", "judge"})
_WAITED = 0.001


@attrs.frozen
class Bar:
    """One attempt."""

    system: str
    start: float
    end: float
    verdict: str
    label: str
    case: int | None
    """Its number on the page."""
    waited: float = 0.0
    """How long it was ready before its turn came."""


@attrs.frozen
class Row:
    """One system: its name, the share of the time in which it was busy, and what it ran."""

    name: str
    busy: float
    y: int
    bars: Sequence[Mapping[str, Any]]
    """Single bars, with a text and a place to go to."""
    paths: Mapping[str, str]
    """Bars drawn as one, by verdict."""


@attrs.frozen
class Picture:
    """The whole drawing."""

    rows: Sequence[Row]
    hidden: int
    """Systems that are left out."""
    ticks: Sequence[tuple[float, str]]
    cuts: Sequence[float]
    height: int
    width: int = WIDTH


def picture_of(attempts: Iterable[Mapping[str, Any]], cases: Sequence[Case], jobs: int = 0) -> Picture | None:
    """Return the drawing, or nothing where there is no more than one attempt to be drawn.

    ``jobs`` is how many cases could run at a time, where that is known.
    """
    bars = _in_lanes(sorted(_bars(attempts, cases), key=lambda each: each.start), jobs)
    if len(bars) <= 1:
        return None
    bars, cuts = _without_pauses(bars)
    span = max(each.end for each in bars) or 1.0
    scale = WIDTH / span
    by_system: dict[str, list[Bar]] = {}
    for each in bars:
        by_system.setdefault(each.system, []).append(each)
    names = sorted(by_system, key=_natural)
    rows = [
        _row(name, by_system[name], span, scale, index * ROW, linked=len(bars) <= _MOST_LINKS)
        for index, name in enumerate(names[:MOST_ROWS])
    ]
    step = next((each for each in _TICKS if span / each <= _MOST_TICKS), _TICKS[-1])
    ticks = [(round(number * step * scale, 1), _time(number * step)) for number in range(int(span / step) + 1)]
    return Picture(rows, len(names) - len(rows), ticks, [round(each * scale, 1) for each in cuts], len(rows) * ROW + 18)


def _bars(attempts: Iterable[Mapping[str, Any]], cases: Sequence[Case]) -> Iterator[Bar]:
    numbers = {str(case.record.get("case")): case for case in cases}
    for each in attempts:
        with contextlib.suppress(TypeError, ValueError):  # a record that others made may lack or bend them
            start = datetime.fromisoformat(str(each.get("started"))).timestamp()
            case = numbers.get(str(each.get("case")))
            before, waited, ran = _times(each)
            yield Bar(
                str(each.get("system") or "?"),
                start + before + waited,
                start + before + waited + ran,
                str(each.get("verdict") or "error"),
                case.label if case else str(each.get("name")),
                case.number if case else None,
                waited,
            )


def _times(attempt: Mapping[str, Any]) -> tuple[float, float, float]:
    """Return for how long an attempt was made ready, waited for its turn, and had it."""
    timings = {str(name): max(0.0, float(spent)) for name, spent in (attempt.get("timings") or {}).items()}
    names = list(timings)
    if _TURN not in names:
        return 0.0, 0.0, max(0.0, float(attempt.get("seconds") or 0.0))
    at = names.index(_TURN)
    after = [timings[each] for each in names[at + 1 :] if each not in _AFTERWARDS]
    return sum(timings[each] for each in names[:at]), timings[_TURN], sum(after)


def _in_lanes(bars: Sequence[Bar], jobs: int) -> Sequence[Bar]:
    """Return the bars on as many workers of this machine as had a case at a time, where cases waited for their turn.

    More workers than that make cases ready ahead, and would be rows that tell of nothing but their waiting.
    """
    names = sorted({each.system for each in bars}, key=_natural)
    kinds = {_natural(each)[0] for each in names}
    if not 0 < jobs < len(names) or len(kinds) > 1 or not any(each.waited > _WAITED for each in bars):
        return bars
    free = dict.fromkeys(names[:jobs], 0.0)
    moved = []
    for each in bars:
        lane = min(free, key=lambda name: free[name])
        start = max(each.start, free[lane])  # the next begins while the last is written down
        free[lane] = max(start, each.end)
        moved.append(attrs.evolve(each, system=lane, start=start, end=free[lane]))
    return moved


def _without_pauses(bars: Sequence[Bar]) -> tuple[list[Bar], list[float]]:
    """Return the bars counted from the first, without long times in which nothing ran, and where those were."""
    busy = sum(each.end - each.start for each in bars) / len({each.system for each in bars})
    moved, cuts = [], []
    offset = reach = bars[0].start
    for each in bars:
        pause = each.start - reach
        if pause > max(1.0, _CUT * busy):
            cuts.append(reach - offset)
            offset += pause
        reach = max(reach, each.end)
        moved.append(attrs.evolve(each, start=each.start - offset, end=each.end - offset))
    return moved, cuts


def _row(name: str, bars: Sequence[Bar], span: float, scale: float, y: int, *, linked: bool) -> Row:
    busy = min(1.0, sum(each.end - each.start for each in bars) / span)
    if not linked:
        return Row(name, busy, y, (), _merged(bars, scale, y))
    shown = [
        {
            "x": round(each.start * scale, 1),
            "width": max(1.0, round((each.end - each.start) * scale, 1)),
            "verdict": each.verdict,
            "text": f"{each.label}: {each.verdict}, {_time(each.start)} to {_time(each.end)}",
            "case": each.case,
        }
        for each in bars
    ]
    return Row(name, busy, y, shown, {})


def _merged(bars: Sequence[Bar], scale: float, y: int) -> dict[str, str]:
    """Return a path for each verdict; what would touch within a pixel is one shape."""
    spans: dict[str, list[list[int]]] = {}
    for each in bars:
        left, right = int(each.start * scale), max(int(each.start * scale) + 1, round(each.end * scale))
        found = spans.setdefault(each.verdict, [])
        if found and left <= found[-1][1]:
            found[-1][1] = max(found[-1][1], right)
        else:
            found.append([left, right])
    return {
        verdict: "".join(f"M{left} {y}h{right - left}v{_BAR}h{left - right}z" for left, right in found)
        for verdict, found in spans.items()
    }


def _natural(name: str) -> tuple[str, int]:
    stem = name.rstrip("0123456789")
    return stem, int(name[len(stem) :] or 0)


def _time(seconds: float) -> str:
    if seconds < 60:  # noqa: PLR2004 - seconds in a minute
        return f"{seconds:.4g} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02}" if minutes >= 60 else f"{minutes}:{rest:02}"  # noqa: PLR2004
