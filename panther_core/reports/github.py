"""The github report: workflow commands that mark a pull request with what was not as expected."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from panther_core.cli.attempts import case_label
from panther_core.cli.text import clean
from panther_hookspecs import RunView

_MOST = 10
"""More annotations of one kind are not shown by the server."""
_ESCAPES = (("%", "%25"), ("\r", "%0D"), ("\n", "%0A"))
_ESCAPES_OF_PROPERTIES = (*_ESCAPES, (":", "%3A"), (",", "%2C"))


def write_annotations(run: RunView, target: Path, _options: object) -> None:
    """Write one command for each unexpected case; a job that prints the file makes them annotations."""
    target.write_text("".join(f"{line}\n" for line in _lines(run)), encoding="utf-8")


def _lines(run: RunView) -> Iterator[str]:
    cases = list(run.cases())
    odd = [each for each in cases if not each["as_expected"]]
    for case in odd[:_MOST]:
        title = f"{case['verdict']}: {case_label(case)}"
        place = f"{run.folder.name}/{case.get('folder') or ''}"
        why = f"{case.get('why') or 'no reason is known'} ({place})"
        yield f"::error title={_escaped(title, _ESCAPES_OF_PROPERTIES)}::{_escaped(why)}"
    more = f", {len(odd) - _MOST} of them not listed" if len(odd) > _MOST else ""
    if odd:
        yield f"::error title=PANTHER::{len(odd)} of {len(cases)} cases not as expected{more}"
    else:
        yield f"::notice title=PANTHER::all {len(cases)} cases as expected"


def _escaped(text: str, escapes: tuple[tuple[str, str], ...] = _ESCAPES) -> str:
    shown = clean(text)
    for character, code in escapes:
        shown = shown.replace(character, code)
    return shown
