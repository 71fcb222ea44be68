"""What is wrong in a configuration, with the place and the way out."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

import attrs

from panther_core.config.tree import KeyPath, Mark, Node, Source, spelled
from panther_hookspecs import ConfigurationException, Problem

_MOST_SHOWN = 50
_LONGEST_LINE = 160
_SHORT_LIST = 6


@attrs.frozen
class Diagnostic:
    """One error of a configuration."""

    message: str
    mark: Mark
    path: KeyPath = ()

    @property
    def file(self) -> str:
        """The file, or what else the value came from."""
        return self.mark.source.name

    @property
    def line(self) -> int:
        """The line, counted from 1; 0 where there is none."""
        return self.mark.line

    @property
    def column(self) -> int:
        """The column, counted from 1; 0 where there is none."""
        return self.mark.column

    @property
    def key(self) -> str:
        """The key path, as messages write it."""
        return spelled(self.path)

    def __str__(self) -> str:
        """Return ``file:line:col: error: key: what``, then the line and a caret below the place."""
        place = f"{self.file}:{self.line}:{self.column}" if self.line else self.file
        text = f"{place}: error: " + (f"{self.key}: " if self.key else "") + self.message
        return text + _excerpt(self.mark)

    def order(self) -> tuple[str, int, int]:
        """Return what to sort by: errors come in the order of the file."""
        return (self.file, self.line, self.column)


def _excerpt(mark: Mark) -> str:
    if not 0 < mark.line <= len(mark.source.lines):
        return ""
    line = mark.source.lines[mark.line - 1].rstrip()
    start = max(0, mark.column - _LONGEST_LINE // 2) if len(line) > _LONGEST_LINE else 0
    shown = "".join(each if each.isprintable() else " " for each in line[start : start + _LONGEST_LINE])
    number = f"{mark.line:7d}"
    return f"\n{number} | {shown}\n{' ' * len(number)} | {' ' * (mark.column - 1 - start)}^"


class InvalidConfigurationError(ConfigurationException):
    """The configuration is wrong: every error that was found, in the order of the file."""

    def __init__(self, diagnostics: Iterable[Diagnostic]) -> None:
        """Keep the diagnostics once each, sorted."""
        unique = {(each.mark, each.message): each for each in diagnostics}
        self.diagnostics: tuple[Diagnostic, ...] = tuple(sorted(unique.values(), key=Diagnostic.order))
        shown = [str(each) for each in self.diagnostics[:_MOST_SHOWN]]
        left = len(self.diagnostics) - len(shown)
        super().__init__("\n".join([*shown, *([f"... and {left} more errors"] if left else [])]))


@attrs.define
class Findings:
    """Collects diagnostics while a tree is looked at."""

    found: list[Diagnostic] = attrs.field(factory=list)

    def add(self, node: Node, message: str, key: str | None = None) -> None:
        """Report something about ``node``, or about the key of it."""
        if key is None:
            self.found.append(Diagnostic(message, node.mark, node.path))
        else:
            self.found.append(Diagnostic(message, node.key_mark(key), (*node.path, key)))

    def add_problem(self, node: Node, problem: Problem, where: str) -> None:
        """Report what a plugin has found below ``node``, at the deepest key of ``where`` that was written."""
        steps = filter(None, where.split("."))
        place, _ = node.find(tuple(int(each) if each.isdecimal() else each for each in steps))
        told = [problem.what, problem.why and f"because {problem.why}", problem.fix and f"try: {problem.fix}"]
        self.add(place, " - ".join(filter(None, told)))

    def add_all(self, diagnostics: Iterable[Diagnostic]) -> None:
        """Take over what was found elsewhere."""
        self.found.extend(diagnostics)

    def raise_if_any(self) -> None:
        """Raise InvalidConfigurationError if anything was found."""
        if self.found:
            raise InvalidConfigurationError(self.found)


def failure(name: str, message: str) -> InvalidConfigurationError:
    """Return the error for a file that could not be read at all."""
    return InvalidConfigurationError([Diagnostic(message, Mark(Source(name)))])


def suggestion(name: str, known: Iterable[str]) -> str:
    """Return `` - did you mean 'x'?`` for the known name nearest to ``name``, or nothing."""
    nearest = difflib.get_close_matches(name, list(known), n=1)
    return f" - did you mean {nearest[0]!r}?" if nearest else ""


def one_of(name: str, known: Iterable[str], what: str = "allowed") -> str:
    """Return the suggestion for ``name`` and the list of what is known; a long one only where nothing is near."""
    names = list(known)
    near = suggestion(name, names)
    return near if near and len(names) > _SHORT_LIST else f"{near} ({what}: {', '.join(names) or 'none'})"
