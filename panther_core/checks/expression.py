"""Expressions over measurements: ``server.cpu_seconds < 3 and strace.sendto.count >= 10``.

Parsed by Python's own parser and evaluated by hand over a closed list of node types, so an expression can
compare, combine and calculate, and can do nothing else.
"""

from __future__ import annotations

import ast
import difflib
import operator
import re
from collections.abc import Callable, Mapping
from typing import Any

from panther_hookspecs import BitRate, Bytes, Seconds, Share

_QUANTITY = re.compile(r"(?<![\w.])(\d+(?:\.\d+)?)\s*(%|[A-Za-z]+)(?![\w.])")
_UNITS: Mapping[str, float] = {**BitRate.UNITS, **Bytes.UNITS, **Seconds.UNITS, **Share.UNITS}
_KEYWORDS = frozenset({"and", "or", "not", "if", "else", "in", "is", "e", "E"})
_BINARY: Mapping[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}
_COMPARE: Mapping[type[ast.cmpop], Callable[[Any, Any], bool]] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}
_MOST_NODES = 200
_MOST_NAMED = 10
"""Measurements that a message names."""
_SIMILAR = 0.6
"""Likeness from which on a part of a name may be another one misspelt."""


class ExpressionError(ValueError):
    """The expression cannot be read, or names a measurement that does not exist."""


def parse(text: str) -> ast.expr:
    """Return the checked syntax tree of ``text``; ExpressionError says what is not allowed."""

    def replace(match: re.Match[str]) -> str:
        number, unit = match.groups()
        if unit in _KEYWORDS:
            return match[0]
        if unit not in _UNITS:
            raise ExpressionError(f"unknown unit {unit!r} in {text!r} (known: {', '.join(u for u in _UNITS if u)})")
        return repr(float(number) * _UNITS[unit])

    try:
        tree = ast.parse(_QUANTITY.sub(replace, text).strip(), mode="eval").body
    except (SyntaxError, RecursionError, MemoryError, ValueError) as error:
        if isinstance(error, ExpressionError):
            raise
        raise ExpressionError(f"cannot read the expression {text!r}") from error
    nodes = list(ast.walk(tree))
    if len(nodes) > _MOST_NODES:
        raise ExpressionError(f"the expression is too long: {text[:60]!r}...")
    for node in nodes:
        _allow(node, text)
    return tree


def _allow(node: ast.AST, text: str) -> None:
    plain = (ast.BoolOp, ast.And, ast.Or, ast.UnaryOp, ast.Not, ast.USub, ast.BinOp, ast.Compare, ast.Load)
    if isinstance(node, (*plain, *_BINARY, *_COMPARE, ast.Name, ast.Attribute)):
        return
    if isinstance(node, ast.Constant) and isinstance(node.value, (int, float)):
        return
    raise ExpressionError(
        f"{ast.unparse(node) or type(node).__name__!r} is not allowed in {text!r}: "
        "use measurements, numbers, comparisons, and, or, not"
    )


def names(tree: ast.expr) -> tuple[str, ...]:
    """Return the dotted names that an expression uses, in order."""
    if isinstance(tree, (ast.Name, ast.Attribute)):
        return (ast.unparse(tree),)
    return tuple(name for child in ast.iter_child_nodes(tree) if isinstance(child, ast.expr) for name in names(child))


def _alike(name: str, other: str) -> bool:
    """Return whether each part of one dotted name may be meant by that of the other, most being the same anyway."""
    ours, theirs = name.split("."), other.split(".")
    return len(ours) == len(theirs) and all(map(_similar, ours, theirs))


def _similar(part: str, other: str) -> bool:
    return part == other or difflib.SequenceMatcher(None, part, other).ratio() >= _SIMILAR


def _nearby(name: str, values: Mapping[str, float]) -> str:
    """Return the measurements that there are; of very many, some of those whose names begin in the same way."""
    shown = sorted(values)
    if len(shown) > _MOST_NAMED:
        parts = name.split(".")
        begins = ("".join(f"{part}." for part in parts[:length]) for length in reversed(range(len(parts))))
        kin = next(found for begin in begins if (found := [each for each in shown if each.startswith(begin)]))
        shown = kin[:_MOST_NAMED]
    more = len(values) - len(shown)
    return (", ".join(shown) or "none") + (f" and {more} more" if more else "")


def evaluate(tree: ast.expr, values: Mapping[str, float]) -> Any:
    """Return the value of the expression with measurements looked up in ``values``."""
    match tree:
        case ast.Constant(value=value):
            return value
        case ast.Name() | ast.Attribute():
            name = ast.unparse(tree)
            if name not in values:
                near = difflib.get_close_matches(name, [each for each in values if _alike(name, each)], n=1)
                raise ExpressionError(
                    f"no measurement {name!r} - did you mean {near[0]!r}?"
                    if near
                    else f"no measurement {name!r}; there are: {_nearby(name, values)}"
                )
            return values[name]
        case ast.BoolOp(op=op, values=parts):
            results = (bool(evaluate(part, values)) for part in parts)
            return all(results) if isinstance(op, ast.And) else any(results)
        case ast.UnaryOp(op=op, operand=operand):
            value = evaluate(operand, values)
            return not value if isinstance(op, ast.Not) else -value
        case ast.BinOp(left=left, op=op, right=right):
            return _calculate(_BINARY[type(op)], evaluate(left, values), evaluate(right, values))
        case ast.Compare(left=left, ops=ops, comparators=comparators):
            chain = [evaluate(each, values) for each in (left, *comparators)]
            return all(_COMPARE[type(op)](chain[i], chain[i + 1]) for i, op in enumerate(ops))
    raise ExpressionError(f"cannot evaluate {ast.unparse(tree)!r}")


def _calculate(function: Callable[[Any, Any], Any], left: Any, right: Any) -> Any:
    try:
        return function(left, right)
    except (ZeroDivisionError, OverflowError) as error:
        raise ExpressionError(f"cannot calculate with {left} and {right}: {error}") from error
