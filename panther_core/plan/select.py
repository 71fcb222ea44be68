"""Expressions that choose cases: ``client=quic-* and not scenario=retry``."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable, Iterable

import attrs

from panther_core.config.diagnostics import suggestion
from panther_core.plan.expect import Facts
from panther_hookspecs import ConfigurationException

_TOKEN = re.compile(r"""\s*(?:(?P<op>!=|==?|\(|\))|"(?P<double>[^"]*)"|'(?P<single>[^']*)'|(?P<word>[^\s()=!"']+))""")
_MOST_DEPTH = 50
Predicate = Callable[[Facts], bool]


@attrs.frozen
class _Token:
    text: str
    start: int
    kind: str
    """``op``, ``word`` or ``quoted``."""


@attrs.frozen
class Selection:
    """A parsed expression."""

    text: str
    names: tuple[str, ...]
    _holds: Predicate

    def holds(self, facts: Facts) -> bool:
        """Whether a case is chosen."""
        return self._holds(facts)

    def check_names(self, known: Iterable[str]) -> None:
        """Raise ConfigurationException for a name that means nothing in the experiment."""
        names = sorted(set(known))
        for name in self.names:
            if name not in names:
                raise ConfigurationException(
                    f"--select: {self.text}: no axis or service {name!r}{suggestion(name, names)}\n"
                    f"  there are: {', '.join(names)}"
                )


def parse_selection(text: str) -> Selection | None:
    """Return the expression, or None for an empty one; ConfigurationException points at what is wrong with it."""
    if not text.strip():
        return None
    parser = _Parser(text, tuple(_tokens(text)))
    holds = parser.either()
    if parser.position < len(parser.tokens):
        raise parser.wrong("expected 'and', 'or' or the end")
    return Selection(text, tuple(dict.fromkeys(parser.names)), holds)


def _tokens(text: str) -> Iterable[_Token]:
    position = 0
    end = len(text.rstrip())
    while position < end:
        match = _TOKEN.match(text, position)
        if match is None:
            quote = text[position:].strip()[:1] in ("'", '"')
            raise _error(text, position, "a quote is not closed" if quote else "not understood")
        kind = str(match.lastgroup)
        yield _Token(match[kind], match.start(kind), "quoted" if kind in ("double", "single") else kind)
        position = match.end()


def _error(text: str, position: int, message: str) -> ConfigurationException:
    shown = "".join(each if each.isprintable() else " " for each in text)
    return ConfigurationException(
        f"--select: {message}\n  {shown}\n  {' ' * position}^\n"
        "  write conditions such as client=NAME, scenario!=NAME or server='a*', joined by and, or, not, ( )"
    )


@attrs.define
class _Parser:
    """Recursive descent over or, and, not, comparison."""

    text: str
    tokens: tuple[_Token, ...]
    position: int = 0
    names: list[str] = attrs.field(factory=list)
    _depth: int = 0

    def either(self) -> Predicate:
        parts = [self._all()]
        while self._take("or"):
            parts.append(self._all())
        return parts[0] if len(parts) == 1 else lambda facts: any(part(facts) for part in parts)

    def wrong(self, message: str) -> ConfigurationException:
        at = self.tokens[self.position].start if self.position < len(self.tokens) else len(self.text.rstrip())
        return _error(self.text, at, message)

    def _all(self) -> Predicate:
        parts = [self._inverted()]
        while self._take("and"):
            parts.append(self._inverted())
        return parts[0] if len(parts) == 1 else lambda facts: all(part(facts) for part in parts)

    def _inverted(self) -> Predicate:
        inverted = False
        while self._take("not"):
            inverted = not inverted
        inner = self._group()
        return (lambda facts: not inner(facts)) if inverted else inner

    def _group(self) -> Predicate:
        if not self._take("("):
            return self._comparison()
        self._depth += 1
        if self._depth > _MOST_DEPTH:
            raise self.wrong("nested too deeply")
        inner = self.either()
        if not self._take(")"):
            raise self.wrong("expected ')'")
        self._depth -= 1
        return inner

    def _comparison(self) -> Predicate:
        name = self._word("the name of an axis or a service")
        if self._take("!="):
            wanted = False
        elif self._take("=") or self._take("=="):
            wanted = True
        else:
            raise self.wrong(f"expected = or != after {name!r}")
        pattern = self._word(f"a value for {name!r}")
        self.names.append(name)
        return lambda facts: wanted is any(fnmatch.fnmatchcase(value, pattern) for value in facts(name) or ())

    def _word(self, what: str) -> str:
        token = self.tokens[self.position] if self.position < len(self.tokens) else None
        if token is None or token.kind == "op" or (token.kind == "word" and token.text in ("and", "or", "not")):
            raise self.wrong(f"expected {what}")
        self.position += 1
        return token.text

    def _take(self, text: str) -> bool:
        token = self.tokens[self.position] if self.position < len(self.tokens) else None
        if token is None or token.kind == "quoted" or token.text != text:
            return False
        self.position += 1
        return True
