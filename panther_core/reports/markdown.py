"""The markdown report: the summary of a run for a pull request or the page of a CI job."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from panther_core.cli.text import clean
from panther_hookspecs import RunView, Verdict

_MOST = 50
_SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|~])")
_LONGEST = 200


def write_markdown(run: RunView, target: Path, _options: object) -> None:
    """Write counts, a table of what was not as expected, and one of everything else that did not simply pass."""
    cases = list(run.cases())
    counts = Counter(str(each["verdict"]) for each in cases)
    unexpected = [each for each in cases if not each["as_expected"]]
    notable = [each for each in cases if each["as_expected"] and each["verdict"] != Verdict.PASS.value]
    said = ", ".join(f"{counts[each.value]} {each.value}" for each in Verdict if counts[each.value])
    outcome = f"{len(unexpected)} of {len(cases)} not as expected" if unexpected else f"all {len(cases)} as expected"
    lines = [
        f"## {_escaped(run.experiment.get('name') or run.folder.name)}: {outcome if cases else 'nothing ran'}",
        "",
        f"{said or 'no case has finished'}. Run `{_code(run.folder.name)}`.",
    ]
    lines += _table("Not as expected", unexpected) + _table("As expected, but no plain pass", notable)
    target.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _table(title: str, cases: Sequence[Mapping[str, Any]]) -> list[str]:
    if not cases:
        return []
    lines = ["", f"### {title}", "", "| verdict | case | seconds | why |", "|---|---|---:|---|"]
    for each in cases[:_MOST]:
        cell = ", ".join(f"{axis}={value}" for axis, value in (each.get("cell") or {}).items())
        name = _escaped(each["name"]) + (f"<br>{_escaped(cell)}" if cell else "")
        name += f" \\#{each['repetition']}" if each.get("repetition", 1) > 1 else ""
        seconds = f"{float(each.get('seconds') or 0.0):.2f}"
        lines.append(f"| {each['verdict']} | {name} | {seconds} | {_escaped(each.get('why') or '')} |")
    if len(cases) > _MOST:
        lines += ["", f"and {len(cases) - _MOST} more"]
    return lines


def _escaped(text: object) -> str:
    """Return text as Markdown shows it literally, in one line."""
    line = clean(text)
    return _SPECIAL.sub(r"\\\1", line[:_LONGEST] + ("..." if len(line) > _LONGEST else ""))


def _code(text: str) -> str:
    return text.replace("`", "'")
