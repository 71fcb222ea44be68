"""From checks to a verdict. Positive evidence is required: nothing exchanged is never a pass."""

from __future__ import annotations

from collections.abc import Iterable

from panther_hookspecs import CheckResult, Verdict

NOTHING_CHECKED = "nothing was checked: give the case a scenario with a check, or checks of its own"
NOTHING_EXCHANGED = "every check passed, but none of them shows that anything was exchanged"

STAGE = "stage "
"""How the name of the check begins that says how a stage ended."""


def judge(results: Iterable[CheckResult]) -> tuple[Verdict, str]:
    """Return the verdict over all results, and why in one line."""
    every = tuple(results)
    if not every:
        return Verdict.INCONCLUSIVE, NOTHING_CHECKED
    for worst in (Verdict.ERROR, Verdict.FAIL, Verdict.INCONCLUSIVE, Verdict.UNSUPPORTED):
        bad = [each for each in every if each.verdict is worst]
        if bad:
            # That time was over tells nothing of why: what was found besides goes with it.
            shown = bad[: 2 if bad[0].name.startswith(STAGE) else 1]
            more = f" (and {len(bad) - len(shown)} more)" if len(bad) > len(shown) else ""
            return worst, "; ".join(f"{each.name}: {each.evidence}" for each in shown) + more
    proofs = [each for each in every if each.proves_exchange]
    if not proofs:
        return Verdict.INCONCLUSIVE, NOTHING_EXCHANGED
    return Verdict.PASS, f"{proofs[0].name}: {proofs[0].evidence}"


def over_attempts(verdicts: Iterable[Verdict]) -> Verdict:
    """Return the verdict of a case from those of its attempts: a pass after anything else is flaky.

    A cancelled attempt has shown nothing, neither good nor bad.
    """
    given = tuple(verdicts)
    every = tuple(each for each in given if each is not Verdict.CANCELLED) or given
    if len(set(every)) > 1 and every[-1] is Verdict.PASS:
        return Verdict.FLAKY
    return every[-1]
