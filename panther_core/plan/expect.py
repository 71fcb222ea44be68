"""Which verdicts are expected of which cell."""

from __future__ import annotations

import fnmatch
from collections.abc import Callable, Iterable

import attrs

from panther_core.config.diagnostics import Findings, one_of
from panther_core.config.strict import described
from panther_core.config.tree import Node
from panther_hookspecs import Verdict

_VERDICTS = {each.value: each for each in Verdict}
_PASS = frozenset({Verdict.PASS})
Facts = Callable[[str], tuple[str, ...] | None]
"""What a name means in a cell: its values, or None if it means nothing there."""


@attrs.frozen
class Rule:
    """Verdicts expected where every condition holds."""

    when: tuple[tuple[str, tuple[str, ...]], ...]
    verdicts: frozenset[Verdict]
    node: Node | None = attrs.field(default=None, eq=False, repr=False)
    """Where the conditions stand."""

    def is_about(self, test_case: str) -> bool:
        """Whether it can hold in a test case of that name."""
        patterns = dict(self.when).get("name", ("*",))
        return any(fnmatch.fnmatchcase(test_case, pattern) for pattern in patterns)

    def holds(self, facts: Facts) -> bool:
        """Whether a cell meets all conditions."""
        return all(
            any(fnmatch.fnmatchcase(value, pattern) for value in facts(name) or () for pattern in patterns)
            for name, patterns in self.when
        )


def expected(rules: Iterable[Rule], facts: Facts) -> frozenset[Verdict]:
    """Return what the first rule that holds expects; a pass if none does."""
    return next((rule.verdicts for rule in rules if rule.holds(facts)), _PASS)


def read_rules(node: Node | None, findings: Findings) -> tuple[Rule, ...]:
    """Read the key ``expect``: one verdict, a list of them, or a list of ``{when, verdict, reason}``."""
    if node is None:
        return ()
    elements = node.elements() if node.is_list else (node,)
    if not elements:
        findings.add(node, "at least one verdict is expected")
    if elements and all(each.is_mapping for each in elements):
        return tuple(rule for each in elements if (rule := _rule(each, findings)) is not None)
    return (Rule((), _verdicts(node, findings)),)


def rules_of(node: Node | None, test_case: str, known: Iterable[str], findings: Findings) -> tuple[Rule, ...]:
    """Read the rules for one test case: several may share a file, and each has names of its own."""
    names = list(known)
    ours = tuple(each for each in read_rules(node, findings) if each.is_about(test_case))
    for rule in ours:
        for name, _ in rule.when:
            if name not in names and rule.node is not None:
                findings.add(rule.node, f"no axis {name!r}{one_of(name, names, 'there are')}", name)
    return ours


def _verdicts(node: Node, findings: Findings) -> frozenset[Verdict]:
    found = set()
    for each in node.elements() if node.is_list else (node,):
        if isinstance(each.value, str) and each.value in _VERDICTS:
            found.add(_VERDICTS[each.value])
        else:
            what = described({} if each.is_mapping else [] if each.is_list else each.value)
            findings.add(each, f"expected a verdict, got {what}{one_of(str(each.value), _VERDICTS)}")
    return frozenset(found)


def _rule(node: Node, findings: Findings) -> Rule | None:
    allowed = ("when", "verdict", "reason")
    for key in dict(node.items()).keys() - set(allowed):
        findings.add(node, f"unknown key {key!r}{one_of(key, allowed)}", key)
    when, verdict, reason = (node.get(key) for key in allowed)
    if verdict is None or (when is not None and not when.is_mapping):
        findings.add(when or node, "a rule is {when: {axis: value}, verdict: ..., reason: ...}")
        return None
    if reason is not None and not isinstance(reason.value, str):
        findings.add(reason, "expected a text")
    conditions = tuple((name, _patterns(value)) for name, value in when.items()) if when else ()
    return Rule(conditions, _verdicts(verdict, findings), when)


def _patterns(node: Node) -> tuple[str, ...]:
    return tuple(
        str(each.value).lower() if isinstance(each.value, bool) else str(each.value)
        for each in (node.elements() if node.is_list else (node,))
    )
