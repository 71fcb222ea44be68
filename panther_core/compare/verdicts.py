"""Verdicts side by side: what fails now, what no longer does, and what has become a matter of luck."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from panther_core.compare.pairs import Pair, Side, counted
from panther_core.compare.values import VerdictChange
from panther_hookspecs import Verdict

_GOOD, _UNSTEADY, _BAD = "good", "unsteady", "bad"
_CHANGES = {
    (_GOOD, _BAD): "new failure",
    (_UNSTEADY, _BAD): "new failure",
    (_GOOD, _UNSTEADY): "newly flaky",
    (_BAD, _UNSTEADY): "less flaky",
    (_BAD, _GOOD): "fixed",
    (_UNSTEADY, _GOOD): "fixed",
}
_ORDER = ("new failure", "newly flaky", "changed", "less flaky", "fixed")


def verdict_changes(pairs: Iterable[Pair]) -> tuple[VerdictChange, ...]:
    """Return every pair whose verdicts differ, the worst first."""
    return tuple(sorted(_changes(pairs), key=lambda each: _ORDER.index(each.change)))


def _changes(pairs: Iterable[Pair]) -> Iterator[VerdictChange]:
    for pair in pairs:
        before, after = (counted(str(each["verdict"]) for each in side.records) for side in (pair.a, pair.b))
        change = _CHANGES.get((_state(pair.a), _state(pair.b)), "")
        if not change and {name for name, _ in before} != {name for name, _ in after}:
            change = "changed"
        if change:
            bad = [each for each in pair.b.records if not each["as_expected"]]
            yield VerdictChange(
                case=pair.label,
                change=change,
                a=before,
                b=after,
                why=str(bad[0].get("why") or "") if bad else "",
                folder=str(bad[0].get("folder") or "") if bad else "",
            )


def _state(side: Side) -> str:
    good = [bool(each["as_expected"]) for each in side.records]
    if all(good):
        return _GOOD
    flaky = any(each["verdict"] == Verdict.FLAKY.value for each in side.records if not each["as_expected"])
    return _UNSTEADY if any(good) or flaky else _BAD
