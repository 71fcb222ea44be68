"""Makes the file of expected verdicts from what runs have shown: one rule a line, sorted, each with its reason."""

from __future__ import annotations

import glob
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import attrs

from panther_core.config.diagnostics import Findings
from panther_core.config.document import parse_text
from panther_core.config.tree import Source
from panther_core.plan.expect import Rule, read_rules
from panther_hookspecs import ConfigurationException, Verdict

_HEAD = """\
# Verdicts that are expected; in the experiment or in one of its test cases:  expect: !include THIS-FILE
# The first rule that fits a case decides. Rules may be edited: `when` takes lists, * and ?, `verdict` takes a list.
# `panther expect --from RUN --output THIS-FILE` makes the file anew; rules of yours that hold in RUN stay.

"""
_ELSE = "# everything else\n- {verdict: pass}\n"
_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_+./-]*")
_WORDS = frozenset({"true", "false", "null", "yes", "no", "on", "off", "y", "n"})
_LONGEST_REASON = 200
_UNSUPPORTED = frozenset({Verdict.UNSUPPORTED})

Conditions = tuple[tuple[str, str], ...]
"""What identifies a cell: names and values as rules have them."""


@attrs.frozen
class Shown:
    """What runs have shown about one cell, or about several that are not told apart."""

    conditions: Conditions
    verdicts: frozenset[Verdict]
    reason: str
    facts: Mapping[str, tuple[str, ...]] = attrs.field(factory=dict, eq=False)
    """What rules may ask about it."""

    @property
    def rule(self) -> Rule:
        """The rule that expects just this."""
        return Rule(tuple((name, (glob.escape(value),)) for name, value in self.conditions), self.verdicts)


@attrs.frozen
class Block:
    """A rule of a file with its comments, as it is written."""

    rule: Rule
    text: str

    def agrees(self, cells: Iterable[Shown]) -> bool:
        """Return whether it is about any of these cells, and right about all that it is about."""
        about = [each for each in cells if self.rule.holds(each.facts.get)]
        return bool(about) and all(each.verdicts <= self.rule.verdicts for each in about)


@attrs.frozen
class Expectations:
    """The file, and what it could not be made from."""

    text: str
    rules: int
    left_out: int
    """Cases that were cancelled or never ended, which shows nothing."""
    errors: int
    """Cells whose case could not be carried out at least once."""


def expectations(cases: Iterable[Mapping[str, Any]], before: str = "") -> Expectations:
    """Return the file for the cases of one or more runs; ``before`` is the text of the one that it replaces."""
    known = list(cases)
    ended = [each for each in known if each["final"] and each["verdict"] != Verdict.CANCELLED.value]
    cells, written = _cells(ended), _blocks(before)
    wide = list(_undeclared(cells))
    left = [each for each in cells if not any(set(rule.conditions) <= set(each.conditions) for rule in wide)]
    made = {each.rule for each in (*wide, *left)}
    own = [each for each in written if each.rule.when and each.rule not in made and each.agrees(left)]
    rest = [each for each in left if not any(block.rule.holds(each.facts.get) for block in own)]
    told = {each.rule: each.text for each in written}
    ours = [[told.get(each.rule) or _text(each) for each in some] for some in (wide, filter(_deviates, rest))]
    blocks = [*ours[0], *(each.text for each in own), *ours[1]]
    errors = sum(Verdict.ERROR in each.verdicts for each in cells)
    return Expectations(_HEAD + "".join(blocks) + _ELSE, len(blocks), len(known) - len(ended), errors)


def _cells(cases: Iterable[Mapping[str, Any]]) -> list[Shown]:
    """Return one value for each cell, in order of their conditions; repetitions and several runs are united."""
    same: dict[Conditions, list[Mapping[str, Any]]] = {}
    for case in cases:
        same.setdefault(_conditions(case), []).append(case)
    return [_cell(conditions, found) for conditions, found in sorted(same.items())]


def _cell(conditions: Conditions, cases: Sequence[Mapping[str, Any]]) -> Shown:
    verdicts = frozenset(Verdict(each["verdict"]) for each in cases)
    reasons = [each["why"] or each["verdict"] for each in cases if each["verdict"] != Verdict.PASS.value]
    return Shown(conditions, verdicts, _one_line(next(iter(reasons), "")), _facts(cases[0]))


def _conditions(case: Mapping[str, Any]) -> Conditions:
    """Return name, cell, and for each service its implementation and version where the cell does not tell."""
    found = {"name": case["name"], **case["cell"]}
    for name, value in _services(case):
        if f"services.{name}" not in found:
            found.setdefault(name, value)
    return tuple(found.items())


def _services(case: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name, service in case["services"].items():
        yield name, service["implementation"]
        if service["version"]:
            yield f"{name}.version", service["version"]


def _facts(case: Mapping[str, Any]) -> Mapping[str, tuple[str, ...]]:
    """Return what rules may ask about a case, as it is for a case that is planned."""
    named = {key: (case[key],) for key in ("name", "protocol", "scenario", "network_environment", "type")}
    services = {name: (value,) for name, value in _services(case)}
    cell = {axis: (text,) for axis, text in case["cell"].items()}
    return {**named, "execution_environments": tuple(case["instruments"]), **services, **cell}


def _one_line(text: object) -> str:
    return " ".join("".join(each if each.isprintable() else " " for each in str(text)).split())


def _deviates(cell: Shown) -> bool:
    return cell.verdicts != {Verdict.PASS}


def _undeclared(cells: Sequence[Shown]) -> Iterator[Shown]:
    """Yield one rule for each thing that an implementation does not claim, if nothing else would fall under it."""
    unsupported = [each for each in cells if each.verdicts == _UNSUPPORTED]
    for reason in sorted({part for each in unsupported for part in each.reason.split("; ")}):
        same = [set(each.conditions) for each in unsupported if reason in each.reason.split("; ")]
        shared = set.intersection(*same)
        others = [each for each in cells if shared <= set(each.conditions)]
        if len(same) > 1 and all(each.verdicts == _UNSUPPORTED for each in others):
            order = [each for each in others[0].conditions if each in shared]
            yield Shown(tuple(order), _UNSUPPORTED, reason)


def _text(shown: Shown) -> str:
    reason = shown.reason if len(shown.reason) <= _LONGEST_REASON else shown.reason[: _LONGEST_REASON - 3] + "..."
    when = ", ".join(f"{_scalar(name)}: {_scalar(glob.escape(value))}" for name, value in shown.conditions)
    verdicts = sorted(each.value for each in shown.verdicts)
    told = verdicts[0] if len(verdicts) == 1 else f"[{', '.join(verdicts)}]"
    return f"# {reason}\n- {{when: {{{when}}}, verdict: {told}}}\n"


def _scalar(text: str) -> str:
    """Return a text as YAML reads it back, quoted where it could be something else."""
    return text if _PLAIN.fullmatch(text) and text.lower() not in _WORDS else json.dumps(text, ensure_ascii=False)


def _blocks(text: str) -> list[Block]:
    """Return the rules of a file with the comments right above them; those that are none are left out."""
    texts: list[str] = []
    comments = ""
    for line in text.splitlines(keepends=True):
        if line.startswith("- "):
            texts.append(comments + line)
        elif texts and line.startswith(" "):
            texts[-1] += line
        comments = comments + line if line.startswith("#") else ""
    return [Block(rule, each) for each in texts if (rule := _read(each)) is not None]


def _read(text: str) -> Rule | None:
    source = Source("the file of before")
    try:
        node = parse_text(text, source, environ={})
    except ConfigurationException:
        return None
    return next(iter(read_rules(node, Findings())), None)
