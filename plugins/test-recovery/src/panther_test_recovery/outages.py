"""What a fault has cost, from the requests of a load: pure arithmetic."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import attrs

from panther_hookspecs import LoadRequest

USUAL = 0.99
"""Share of the requests before the first fault whose latency counts as usual."""


@attrs.frozen
class Break:
    """A fault that was done: from when to when, and when a service that was started again was ready."""

    what: str
    begin: float
    over: float
    ready: float | None = attrs.field(default=None, kw_only=True)

    def shifted(self, zero: float) -> Break:
        """Return it on another clock."""
        ready = None if self.ready is None else self.ready + zero
        return Break(self.what, self.begin + zero, self.over + zero, ready=ready)

    @property
    def restart(self) -> float | None:
        """Seconds that the service took from its start to being ready."""
        return None if self.ready is None else self.ready - self.over


@attrs.frozen(kw_only=True)
class Recovery:
    """What a load saw of a fault."""

    fault: Break
    seconds: float | None
    """From the begin of the fault until there was service again; None if there never was."""
    after_fault: float | None
    """From the end of the fault; 0 if there was service before it ended."""
    outage: float | None
    """Longest time without a right answer."""
    lost: int
    """Requests that were due from the fault on, until the next one, and never answered."""
    late: int
    """Requests whose latency was more than usual."""
    slower: float | None
    """Median latency after the recovery as a multiple of that before the first fault."""


def recoveries(requests: Sequence[LoadRequest], faults: Sequence[Break]) -> list[Recovery]:
    """Return what the load saw of each fault, up to the next one. Moments are on the clock of the requests."""
    answers = sorted(each.answered for each in requests if each.answered is not None and each.right)
    ends = [*(each.begin for each in faults[1:]), float("inf")]
    calm = [
        each.answered - each.due
        for each in requests
        if each.answered is not None and faults and each.answered <= faults[0].begin
    ]
    slack = _slack(answers, faults[0].begin) if faults else 0.0
    unanswered = [each.due for each in requests if each.answered is None]
    gaps = [_largest_gap(answers, unanswered, fault, end, slack) for fault, end in zip(faults, ends, strict=True)]
    return [
        _recovery([each for each in requests if fault.begin <= each.due < end], gap, fault, calm)
        for fault, gap, end in zip(faults, gaps, ends, strict=True)
    ]


def _recovery(
    concerned: Sequence[LoadRequest], gap: tuple[float, float] | None, fault: Break, calm: Sequence[float]
) -> Recovery:
    usual = sorted(calm)[int(USUAL * len(calm))] if calm else None
    latencies = [(each.due, each.answered - each.due) for each in concerned if each.answered is not None]
    back = gap[1] if gap else None
    after = [latency for due, latency in latencies if back is not None and due >= max(back, fault.over)]
    return Recovery(
        fault=fault,
        seconds=None if back is None else max(0.0, back - fault.begin),
        after_fault=None if back is None else max(0.0, back - fault.over),
        outage=None if gap is None else gap[1] - gap[0],
        lost=sum(each.answered is None for each in concerned),
        late=sum(latency > usual for _, latency in latencies) if usual is not None else 0,
        slower=_middle(after) / _middle(calm) if after and calm and _middle(calm) > 0 else None,
    )


def _largest_gap(
    answers: Sequence[float], unanswered: Sequence[float], fault: Break, end: float, slack: float
) -> tuple[float, float] | None:
    """Return the longest stretch without an answer that the fault can have caused: one that begins while it lasts.

    What was under way when it began may still be answered, so a stretch may begin ``slack`` later. One that begins
    then and never ends, though something was asked in it, has no length: the service did not come back.
    """
    before = max((each for each in answers if each <= fault.begin), default=fault.begin)
    later = [each for each in answers if fault.begin < each <= end]
    last = later[-1] if later else before
    if last <= fault.over + slack and any(last < each < end for each in unanswered):
        return None
    stretches = [each for each in zip([before, *later], later, strict=False) if each[0] <= fault.over + slack]
    return max(stretches, key=lambda each: each[1] - each[0], default=None)


def _slack(answers: Sequence[float], until: float) -> float:
    """Return twice the usual time between two answers."""
    calm = [each for each in answers if each <= until]
    gaps = [after - before for before, after in itertools.pairwise(calm)]
    return 2 * _middle(gaps) if gaps else 0.0


def _middle(values: Sequence[float]) -> float:
    return sorted(values)[len(values) // 2]
